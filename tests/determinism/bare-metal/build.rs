//! Linker scripts: each target gets the memory of the board that QEMU emulates.

use std::path::Path;

/// `mps2-an385`, whose Cortex-M3 runs the code of a Cortex-M0, and `mps2-an386`, Cortex-M4. With checks, the programs
/// take more flash and stack than the boards of a Cortex-M0 have; that decoders fit those, the firmware example shows.
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
        Some("thumbv6m" | "thumbv7em") => MPS2,
        Some("riscv32imc") => VIRT,
        _ => return Err(format!("no board for {target}; see tests/determinism/README.md").into()),
    };
    let output = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&output).join("memory.x"), memory)?;
    println!("cargo::rustc-link-search={output}");
    // Which classes of tables fit.
    println!("cargo::rustc-check-cfg=cfg(small_board)");
    if target.starts_with("thumbv6m") {
        println!("cargo::rustc-cfg=small_board");
    }
    if target.starts_with("riscv") {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
