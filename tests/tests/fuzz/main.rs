//! Hostile input for every reader of the library: files that were changed in several places, with checksums made right
//! again where a stranger would, and bytes that never were a file. Nothing panics, and nothing wrong is delivered.
//!
//! `EQUALINFO_FUZZ_TIMES` multiplies the cases of each test (`tests/fuzz` counts them); `codec/fuzz/run` learns
//! from coverage.

mod files;
mod images;
mod streams;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;

/// A change of a file.
#[derive(Debug, Clone)]
pub enum Edit {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    /// Bytes from one place over those at another.
    Copy(Index, Index, usize),
    Cut(Index),
    /// A number of 32 bits that is often at the edge of something.
    Number(Index, u32),
}

pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = any::<Index>;
    let edge = prop_oneof![
        Just(0u32),
        Just(1),
        Just(u32::MAX),
        Just(u32::MAX - 1),
        Just(1 << 31),
        Just(1 << 28),
        any::<u32>()
    ];
    let edit = prop_oneof![
        6 => (place(), 1u8..).prop_map(|(at, bits)| Edit::Flip(at, bits)),
        6 => (place(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        2 => (place(), proptest::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        2 => (place(), 1usize..60).prop_map(|(at, length)| Edit::Delete(at, length)),
        2 => (place(), place(), 1usize..60).prop_map(|(from, to, length)| Edit::Copy(from, to, length)),
        1 => place().prop_map(Edit::Cut),
        3 => (place(), edge).prop_map(|(at, number)| Edit::Number(at, number)),
    ];
    proptest::collection::vec(edit, 1..8)
}

/// The file with all changes, one after the other.
pub fn edited(file: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for edit in edits {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        match edit {
            Edit::Flip(at, bits) => bytes[at.index(length)] ^= bits,
            Edit::Set(at, byte) => bytes[at.index(length)] = *byte,
            Edit::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Edit::Delete(at, count) => {
                let at = at.index(length);
                bytes.drain(at..(at + count).min(length));
            }
            Edit::Copy(from, to, count) => {
                let (from, to) = (from.index(length), to.index(length));
                let count = (*count).min(length - from).min(length - to);
                bytes.copy_within(from..from + count, to);
            }
            Edit::Cut(at) => bytes.truncate(at.index(length)),
            Edit::Number(at, number) => {
                let at = at.index(length);
                let count = 4.min(length - at);
                bytes[at..at + count].copy_from_slice(&number.to_le_bytes()[..count]);
            }
        }
    }
    bytes
}

/// So many cases, or as many times as many as the environment says; a failing one is printed in whole. Their number is
/// printed for `tests/fuzz`.
pub fn cases(number: u32) -> Config {
    let times = std::env::var("EQUALINFO_FUZZ_TIMES").map_or(1, |times| times.parse().expect("EQUALINFO_FUZZ_TIMES"));
    let cases = number * times;
    println!("cases: {cases}");
    Config { cases, failure_persistence: None, ..Config::default() }
}
