//! The assembler's report on each kernel, read from its log.

/// The resources of one kernel on one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// The kernel.
    pub kernel: String,
    /// Registers per thread.
    pub registers: u32,
    /// Bytes that a thread spills to local memory for lack of registers.
    pub spill_stores: u32,
    /// Bytes that it loads back.
    pub spill_loads: u32,
    /// Bytes of stack per thread, including arrays indexed at run time.
    pub stack: u32,
    /// Bytes of static shared memory per block.
    pub shared: u32,
}

/// The kernels in the log of a compilation with `--ptxas-options=-v`, in the log's order.
pub fn resources(log: &str) -> Vec<Resources> {
    let mut kernels: Vec<Resources> = Vec::new();
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            let kernel = rest.split('\'').next().unwrap_or(rest).to_string();
            kernels.push(Resources { kernel, registers: 0, spill_stores: 0, spill_loads: 0, stack: 0, shared: 0 });
        }
        let Some(kernel) = kernels.last_mut() else { continue };
        if line.contains("bytes spill stores") {
            kernel.stack = number_before(line, "bytes stack frame");
            kernel.spill_stores = number_before(line, "bytes spill stores");
            kernel.spill_loads = number_before(line, "bytes spill loads");
        }
        if line.contains(": Used ") {
            kernel.registers = number_before(line, "registers");
            kernel.shared = number_before(line, "bytes smem");
        }
    }
    kernels
}

fn number_before(line: &str, unit: &str) -> u32 {
    let number = line.split(unit).next().filter(|before| before.len() < line.len());
    number.and_then(|before| before.split_whitespace().last()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_log() {
        let log = "ptxas info    : 8 bytes gmem, 16 bytes cmem[4]\n\
            ptxas info    : Compiling entry function 'one' for 'sm_80'\n\
            ptxas info    : Function properties for one\n\
            ptxas         .     16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads\n\
            ptxas info    : Used 10 registers, used 1 barriers, 1024 bytes smem, 372 bytes cmem[0]\n\
            ptxas info    : Compiling entry function 'two' for 'sm_80'\n\
            ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n\
            ptxas info    : Used 255 registers, used 0 barriers\n";
        let one = Resources {
            kernel: "one".to_string(),
            registers: 10,
            spill_stores: 12,
            spill_loads: 8,
            stack: 16,
            shared: 1024,
        };
        let two = Resources {
            kernel: "two".to_string(),
            registers: 255,
            spill_stores: 0,
            spill_loads: 0,
            stack: 0,
            shared: 0,
        };
        assert_eq!(resources(log), [one, two]);
    }
}
