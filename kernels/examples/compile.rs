//! Compiles every kernel for the named architectures, prints its resources, and fails if one spills registers.
//!
//! ```text
//! cargo run -p equalinfo-kernels --features cuda --example compile -- sm_80 sm_90a sm_100a
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

use equalinfo_kernels::cuda::nvrtc::Nvrtc;
use equalinfo_kernels::cuda::{Resources, resources};
use equalinfo_kernels::{source, units};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let architectures: Vec<String> = std::env::args().skip(1).collect();
    if architectures.is_empty() {
        return Err("name the architectures, as in: compile sm_80 sm_90a sm_100a".into());
    }
    let nvrtc = Nvrtc::find(None)?;
    let (major, minor) = nvrtc.version();
    println!(
        "NVRTC {major}.{minor}; registers of a thread, bytes of static shared memory of a block, of stack of a thread\n"
    );
    let headings: Vec<String> = architectures.iter().map(|name| format!("{name:>20}")).collect();
    println!("{:<22}{:<38}{}", "file", "kernel", headings.concat());

    let mut spilling = Vec::new();
    for unit in units() {
        let text = source(unit)?;
        // Files omit kernels whose instructions an architecture lacks.
        let mut kernels: BTreeMap<String, Vec<Option<Resources>>> = BTreeMap::new();
        let results = std::thread::scope(|scope| {
            let compile = |architecture| nvrtc.compile(&format!("{unit}.cu"), &text, architecture);
            let started: Vec<_> = architectures.iter().map(|name| scope.spawn(move || compile(name))).collect();
            started.into_iter().map(|thread| thread.join().expect("compiling doesn't panic")).collect::<Vec<_>>()
        });
        for (column, (architecture, compiled)) in architectures.iter().zip(results).enumerate() {
            let compiled = compiled?;
            for warning in compiled.log.lines().filter(|line| line.contains("warning") || line.contains("Warning")) {
                println!("{architecture}: {warning}");
            }
            for found in resources(&compiled.log) {
                if found.spill_stores + found.spill_loads > 0 {
                    let Resources { kernel, spill_stores, spill_loads, .. } = &found;
                    spilling.push(format!("{kernel} for {architecture}: {spill_stores} bytes out, {spill_loads} in"));
                }
                let row = kernels.entry(found.kernel.clone()).or_insert_with(|| vec![None; architectures.len()]);
                row[column] = Some(found);
            }
        }
        for (kernel, row) in &kernels {
            let cells: Vec<String> = row.iter().map(|cell| format!("{:>20}", describe(cell.as_ref()))).collect();
            println!("{unit:<22}{kernel:<38}{}", cells.concat());
        }
    }
    if spilling.is_empty() {
        println!("\nno kernel spills registers");
        Ok(())
    } else {
        Err(format!("kernels spill registers:\n  {}", spilling.join("\n  ")).into())
    }
}

fn describe(found: Option<&Resources>) -> String {
    found.map_or("-".to_string(), |found| format!("{} {:>6} {:>4}", found.registers, found.shared, found.stack))
}
