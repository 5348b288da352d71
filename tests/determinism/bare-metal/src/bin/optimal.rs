//! The optimal lexicon.
#![no_std]
#![no_main]

use equalinfo_determinism::{LEXICONS, lexicon};
use equalinfo_determinism_bare_metal::{entry, exit, print};

#[entry]
fn main() -> ! {
    let [_, (_, name, _)] = LEXICONS;
    lexicon(name, include_bytes!(concat!(env!("EQUALINFO_LEXICONS"), "/optimal.lex")), &mut print);
    exit()
}
