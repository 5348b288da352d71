//! The window-code lexicon.
#![no_std]
#![no_main]

use equalinfo_determinism::{LEXICONS, lexicon};
use equalinfo_determinism_bare_metal::{entry, exit, print};

#[entry]
fn main() -> ! {
    let [(_, name, _), _] = LEXICONS;
    lexicon(name, include_bytes!(concat!(env!("EQUALINFO_LEXICONS"), "/window-code.lex")), &mut print);
    exit()
}
