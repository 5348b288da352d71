//! The committed header is up to date with the sources.

use std::path::Path;
use std::{env, fs};

/// If this variable is set, the header is written instead of compared.
const UPDATE: &str = "UPDATE_HEADER";

#[test]
fn header_is_current() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(directory.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["status", "model", "stream", "tables", "message", "encoder", "lexicon", "strings", "memory"] {
        let file = format!("{file}.rs");
        builder = builder.with_src(directory.join("src").join(file));
    }
    let mut generated = Vec::new();
    builder.generate().expect("bindings").write(&mut generated);
    let path = directory.join("include/equalinfo.h");
    if env::var_os(UPDATE).is_some() {
        fs::write(&path, &generated).expect("the header can be written");
    }
    let committed = fs::read(&path).unwrap_or_default();
    assert!(committed == generated, "{} is not up to date: run the tests with {UPDATE}=1", path.display());
}
