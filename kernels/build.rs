//! Lists the kernel files for the crate to embed. With the feature `shim`, also compiles them, and the CPU's stand-in
//! for CUDA, with the C++ compiler.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A folder among these makes cargo watch the files in it, including new ones.
    println!("cargo::rerun-if-changed=.");
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let entries: String = files(".", &["cu", "cuh"])
        .iter()
        .map(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).expect("kernel files have plain names");
            format!("    ({name:?}, include_str!({:?})),\n", format!("{folder}/{name}"))
        })
        .collect();
    let list = PathBuf::from(out).join("files.rs");
    std::fs::write(&list, format!("&[\n{entries}]\n")).unwrap_or_else(|error| panic!("{}: {error}", list.display()));
    #[cfg(feature = "shim")]
    build_for_cpu();
}

/// The files in `folder` with one of the extensions, sorted by name.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry of a folder that opened").path())
        .filter(|path| path.extension().is_some_and(|extension| extensions.iter().any(|&one| extension == one)))
        .collect();
    files.sort();
    files
}

#[cfg(feature = "shim")]
fn build_for_cpu() {
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        // Keeps sums as written, so that results agree bit by bit with plain code that adds in the same order.
        .flag("-ffp-contract=off")
        .flag("-Wno-unknown-pragmas")
        .flag("-pthread")
        // Unoptimised kernels are too slow to test.
        .opt_level(2)
        .debug(false)
        // Compilers take .cu for another language or don't know it.
        .flag("-xc++")
        .include(".")
        .files(files(".", &["cu"]))
        .files(files("cpu", &["cpp"]))
        .files(files("tests/faults", &["cu"]))
        // Kernels register themselves before `main` and nothing refers to them, so the linker would drop them.
        .link_lib_modifier("+whole-archive")
        .compile("equalinfo_kernels_on_cpu");
}
