//! Tells the library which core it is built for, as `cfg(core = "...")`: stable compilers do not tell whether it has the DSP instructions.

/// How targets begin, and what their cores can do.
const CORES: [(&str, &str); 4] =
    [("thumbv7em-", "dsp"), ("thumbv7m-", "mla"), ("thumbv8m.main-", "mla"), ("thumbv6m-", "small")];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    if let Some((_, core)) = CORES.iter().find(|(prefix, _)| target.starts_with(prefix)) {
        println!("cargo::rustc-cfg=core=\"{core}\"");
    }
}
