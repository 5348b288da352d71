//! The shipped nano.
#![no_std]
#![no_main]

use equalinfo_determinism::{Memory, NANO, of_image};
use equalinfo_determinism_bare_metal::{entry, exit, print};

#[entry]
fn main() -> ! {
    of_image("nano", NANO, &mut Memory::new(), &mut print);
    exit()
}
