//! Copies the files that the linker and the sources include to the output directory: the board's memory layout, and the
//! streams and models made by `./prepare`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Each board's feature and the file with its memory layout.
const BOARDS: [(&str, &str); 6] = [
    ("MICROBIT", "microbit.x"),
    ("LM3S6965EVB", "lm3s6965evb.x"),
    ("MPS2_AN385", "mps2.x"),
    ("MPS2_AN386", "mps2.x"),
    ("NETDUINOPLUS2", "netduinoplus2.x"),
    ("RISCV_VIRT", "riscv-virt.x"),
];

fn main() {
    let output = PathBuf::from(variable("OUT_DIR"));
    let chosen: Vec<_> =
        BOARDS.iter().filter(|(board, _)| env::var_os(format!("CARGO_FEATURE_{board}")).is_some()).collect();
    let [(_, layout)] = chosen[..] else {
        panic!("choose one board with --features, for example --features lm3s6965evb; found {}", chosen.len());
    };
    copy(&Path::new("boards").join(layout), &output.join("memory.x"));
    println!("cargo::rustc-link-search={}", output.display());
    println!("cargo::rustc-link-arg-bins=--nmagic");
    if variable("CARGO_CFG_TARGET_ARCH") == "riscv32" {
        // The Arm runtime includes the layout itself.
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo::rerun-if-changed=build.rs");

    // The tests substitute damaged streams for those made by `prepare`.
    println!("cargo::rerun-if-env-changed=EQUALINFO_STREAMS");
    let streams = env::var_os("EQUALINFO_STREAMS").map_or_else(|| PathBuf::from("generated"), PathBuf::from);
    let found = streams.canonicalize();
    let found = found.unwrap_or_else(|error| panic!("{}: {error}; run firmware-example/prepare", streams.display()));
    println!("cargo::rustc-env=STREAMS={}", found.display());
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

fn copy(from: &Path, to: &Path) {
    println!("cargo::rerun-if-changed={}", from.display());
    fs::copy(from, to).unwrap_or_else(|error| panic!("{} to {}: {error}", from.display(), to.display()));
}
