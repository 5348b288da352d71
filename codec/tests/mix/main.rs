//! The adaptive layer: against a plain restatement of its specification, as a bijection in buffers of any size, under
//! damage, and against digests that are the same on every machine.

#[path = "../common/mod.rs"]
mod common;
mod digests;
mod restated;
mod restatement;
mod round_trips;

use common::Random;
use equalinfo_codec::mix::{Class, Encoder, Front, WithShape};

/// Texts of several kinds: prose, a log, a table, bytes at random, a text twice, runs, machine code.
pub fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let alice = include_bytes!("../../../tests/data/alice29.txt");
    let logs = include_bytes!("../../../tests/data/short/logs.txt");
    let mut random = Random::new(5);
    let table = (0..150).fold(String::from("time,volts,state\n"), |table, row| {
        let volts = 3300 + random.below(60);
        table + &format!("2026-03-{:02}T{:02}:15:00Z,{volts},{}\n", 1 + row / 24, row % 24, ["ok", "low"][row % 7 / 6])
    });
    let mut twice = alice[40_000..42_500].to_vec();
    twice.extend_from_within(..);
    let edited = |mut text: Vec<u8>| {
        text[3_100] ^= 1;
        text[4_000] ^= 1;
        text
    };
    let mut runs = vec![0; 3_000];
    runs.extend(vec![255; 1_500]);
    runs.extend(b"ab".repeat(1_000));
    vec![
        ("empty", Vec::new()),
        ("one byte", vec![b'x']),
        ("prose", alice[20_000..32_000].to_vec()),
        ("log", logs[..8_000].to_vec()),
        ("table", table.into_bytes()),
        ("random", (0..3_000).map(|_| random.next() as u8).collect()),
        ("twice", edited(twice)),
        ("runs", runs),
        ("code", machine_code(900)),
    ]
}

/// x86 machine code whose calls, jumps and loads all go to one of eleven places, with a few bytes at random between.
pub fn machine_code(instructions: usize) -> Vec<u8> {
    let mut random = Random::new(6);
    let places: Vec<u32> = (0..11).map(|_| random.below(1 << 20) as u32).collect();
    let openings: [&[u8]; 6] =
        [&[0xe8], &[0xe9], &[0x0f, 0x84], &[0x48, 0x8b, 0x05], &[0x48, 0x8d, 0x3d], &[0xff, 0x15]];
    let mut code = Vec::new();
    for _ in 0..instructions {
        code.extend(openings[random.below(6) as usize]);
        let end = code.len() as u32 + 4;
        code.extend(places[random.below(11) as usize].wrapping_sub(end).to_le_bytes());
        code.extend((0..random.below(3)).map(|_| random.next() as u8));
    }
    code
}

/// The code of a text.
pub fn encode<F: Front>(class: Class, front: F, text: &[u8]) -> Vec<u8> {
    struct Text<'t, F>(F, &'t [u8]);
    impl<F: Front> WithShape for Text<'_, F> {
        type Output = Vec<u8>;

        fn with<S: equalinfo_codec::mix::Shape>(self) -> Vec<u8> {
            let mut memory = vec![0xdead_beef; S::WORDS];
            let mut code = Vec::new();
            let mut encoder = Encoder::<S, F>::new(self.0, &mut memory, None).unwrap();
            for &byte in self.1 {
                encoder.encode(byte, &mut |byte| code.push(byte));
            }
            encoder.finish(&mut |byte| code.push(byte));
            code
        }
    }
    class.with(Text(front, text))
}
