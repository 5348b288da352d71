//! Tables of every class that the board has memory for: Cortex-M0 those of 4 KiB alone, the others up to 1 MiB.
#![no_std]
#![no_main]

use equalinfo_codec::mix::Class;
use equalinfo_determinism::tables;
#[cfg(not(small_board))]
use equalinfo_determinism::{Memory, pico_with_tables};
use equalinfo_determinism_bare_metal::{entry, exit, print};

#[cfg(small_board)]
const CLASSES: &[Class] = &[Class::Kib4];
#[cfg(not(small_board))]
const CLASSES: &[Class] = &[Class::Kib4, Class::Kib16, Class::Kib64, Class::Kib256, Class::Mib1];

/// The words of the largest.
const WORDS: usize = CLASSES[CLASSES.len() - 1].words();

#[entry]
fn main() -> ! {
    let mut words = [0; WORDS];
    for &class in CLASSES {
        tables(class, &mut words, &mut print);
    }
    #[cfg(not(small_board))]
    for &class in CLASSES {
        pico_with_tables(class, &mut words, &mut Memory::new(), &mut print);
    }
    exit()
}
