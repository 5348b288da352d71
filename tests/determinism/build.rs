//! Writes the image of the suite's own model, a random one as in the codec's tests.

use std::path::Path;

use equalinfo_codec::m1::Config;

#[path = "images.rs"]
#[allow(dead_code)] // Only the tests of the codec use all of it.
mod images;

/// Two heads, in contrast to the shipped pico, which has one.
const CONFIG: Config = Config { d: 128, ff: 64, context: 64, layers: 1, heads: 2 };
const SEED: u64 = 2024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=images.rs");
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("fixed.m1q"), images::build(CONFIG, SEED).bytes)?;
    Ok(())
}
