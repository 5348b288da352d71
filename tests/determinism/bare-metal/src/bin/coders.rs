//! What needs no M1.
#![no_std]
#![no_main]

use equalinfo_determinism::coders;
use equalinfo_determinism_bare_metal::{entry, exit, print};

#[entry]
fn main() -> ! {
    coders(&mut print);
    exit()
}
