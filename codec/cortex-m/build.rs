//! Sets `cfg(core = "...")` according to the target, as a stable compiler does not say whether it has DSP instructions.

use std::env::var;

/// Prefixes of targets, and the kinds of their cores.
const CORES: [(&str, &str); 7] = [
    ("thumbv7em-", "dsp"),
    ("thumbv7m-", "mla"),
    ("thumbv8m.main-", "mla"),
    ("thumbv6m-", "small"),
    ("riscv32im-", "rv32"),
    ("riscv32imc-", "rv32"),
    ("riscv32imac-", "rv32"),
];

/// Options of the compiler that give `thumbv8m.main-*` the DSP instructions of a Cortex-M4.
const DSP: [&str; 5] =
    ["target-cpu=cortex-m33", "target-cpu=cortex-m35p", "target-cpu=cortex-m55", "target-cpu=cortex-m85", "+dsp"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let target = var("TARGET").unwrap_or_default();
    let options = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if let Some((_, core)) = CORES.iter().find(|(prefix, _)| target.starts_with(prefix)) {
        let has_dsp = target.starts_with("thumbv8m.main-") && DSP.iter().any(|option| options.contains(option));
        let core = if has_dsp { "dsp" } else { core };
        println!("cargo::rustc-cfg=core=\"{core}\"");
    }
}
