//! The linker scripts: each target has the memory of the board that QEMU emulates.

use std::path::Path;

/// `microbit`, Cortex-M0.
const MICROBIT: &str = "MEMORY {
  FLASH : ORIGIN = 0x00000000, LENGTH = 256K
  RAM : ORIGIN = 0x20000000, LENGTH = 16K
}";

/// `mps2-an386`, Cortex-M4.
const MPS2: &str = "MEMORY {
  FLASH : ORIGIN = 0x00000000, LENGTH = 4M
  RAM : ORIGIN = 0x20000000, LENGTH = 4M
}";

/// `virt`, which runs from RAM.
const VIRT: &str = r#"MEMORY {
  RAM : ORIGIN = 0x80000000, LENGTH = 16M
}
REGION_ALIAS("REGION_TEXT", RAM);
REGION_ALIAS("REGION_RODATA", RAM);
REGION_ALIAS("REGION_DATA", RAM);
REGION_ALIAS("REGION_BSS", RAM);
REGION_ALIAS("REGION_HEAP", RAM);
REGION_ALIAS("REGION_STACK", RAM);
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::var("TARGET")?;
    let memory = match target.split('-').next() {
        Some("thumbv6m") => MICROBIT,
        Some("thumbv7em") => MPS2,
        Some("riscv32imc") => VIRT,
        _ => return Err(format!("no board for {target}; see tests/determinism/README.md").into()),
    };
    let output = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&output).join("memory.x"), memory)?;
    println!("cargo::rustc-link-search={output}");
    if target.starts_with("riscv") {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
