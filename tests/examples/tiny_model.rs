//! Writes the model of the examples in the codec's documentation to standard output:
//! `cargo run -p equalinfo-tests --example tiny_model >codec/tests/data/tiny.m1q`

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(&equalinfo_tests::tiny_model(1))
}
