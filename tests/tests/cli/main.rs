//! The tool from the outside: what a user types, what comes back.

mod corpora;
mod damage;
mod devices;
mod evaluation;
mod experiments;
mod failures;
#[cfg(unix)]
mod faults;
mod identity;
mod inspection;
mod lexicons;
mod limits;
mod manners;
mod messages;
mod models;
mod ranks;
mod round_trips;
#[cfg(unix)]
mod safety;
mod strings;
#[cfg(unix)]
mod terminal;
mod tokens;
mod zstd;

use equalinfo_tests::Sandbox;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_equalinfo-under-test"))
}

/// The options that choose the sandbox's own model.
const TINY: [&str; 2] = ["--model", "tiny.m1q"];

/// `arguments` with the sandbox's own model.
fn with_tiny<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &TINY].concat()
}
