//! The shipped pico.
#![no_std]
#![no_main]

use equalinfo_determinism::{Memory, PICO, of_image};
use equalinfo_determinism_bare_metal::{entry, exit, print};

#[entry]
fn main() -> ! {
    of_image("pico", PICO, &mut Memory::new(), &mut print);
    exit()
}
