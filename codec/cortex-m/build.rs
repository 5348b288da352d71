//! Sets `cfg(core = "...")` according to the target, as a stable compiler does not say whether it has DSP instructions.

/// Prefixes of targets, and the kinds of their cores.
const CORES: [(&str, &str); 4] =
    [("thumbv7em-", "dsp"), ("thumbv7m-", "mla"), ("thumbv8m.main-", "mla"), ("thumbv6m-", "small")];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    if let Some((_, core)) = CORES.iter().find(|(prefix, _)| target.starts_with(prefix)) {
        println!("cargo::rustc-cfg=core=\"{core}\"");
    }
}
