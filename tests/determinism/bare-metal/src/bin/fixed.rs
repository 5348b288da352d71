//! The suite's own model.
#![no_std]
#![no_main]

use equalinfo_determinism::{FIXED, Memory, of_image};
use equalinfo_determinism_bare_metal::{entry, exit, print};

#[entry]
fn main() -> ! {
    of_image("fixed", FIXED, &mut Memory::new(), &mut print);
    exit()
}
