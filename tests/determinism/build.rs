//! Writes the image of the suite's own model, the random one of the codec's tests.

use std::path::Path;

use equalinfo_codec::m1::Config;

#[path = "../../codec/tests/m1/images.rs"]
#[allow(dead_code)] // The tests of the codec use all of it.
mod images;

/// Two heads, as the shipped nano has one; one layer, as nano has two.
const CONFIG: Config = Config { d: 128, ff: 64, context: 64, layers: 1, heads: 2 };
const SEED: u64 = 2024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../codec/tests/m1/images.rs");
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("fixed.m1q"), images::build(CONFIG, SEED).bytes)?;
    Ok(())
}
