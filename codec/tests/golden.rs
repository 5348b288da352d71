//! Golden vectors: codes and streams never change unless the version of the format does.
//!
//! `golden/reference.py` wrote `golden/coding.txt`. It restates the coders from their specifications and shares no code
//! with them. The model is a formula: the weight of byte `b` after byte `p` (0 at the start) is
//! `40000 >> min(15, ((7 * b) ^ (5 * p)) & 127)`.

mod common;

use common::write_stream;
use equalinfo_codec::container::{Header, Method, ModelIdentity, ModelName};
use equalinfo_codec::mix::{AnyTables, Class, WithTables};
use equalinfo_codec::raw::{self, PayloadLayout};
use equalinfo_codec::{ByteModel, Frequencies, RangeEncoder, WindowBits, WindowCode};
use std::fmt::Write;

struct Written {
    previous: u8,
    frequencies: Frequencies,
}

impl ByteModel for Written {
    fn reset(&mut self) {
        self.previous = 0;
    }

    fn frequencies(&mut self) -> &Frequencies {
        let previous = self.previous;
        self.frequencies.set_weights(|byte| {
            let distance = (byte.wrapping_mul(7) ^ previous.wrapping_mul(5)) & 127;
            40_000 >> distance.min(15)
        });
        &self.frequencies
    }

    fn push(&mut self, byte: u8) {
        self.previous = byte;
    }
}

fn model() -> Written {
    Written { previous: 0, frequencies: Frequencies::uniform() }
}

/// A text that is likely under the model, so that its blocks are coded.
#[rustfmt::skip]
const LIKED: [u8; 60] = [
    0x00, 0xb7, 0xa7, 0x65, 0x7f, 0x7f, 0xc8, 0xd8, 0x08, 0x06, 0xf2, 0x76, 0xc2, 0x12, 0x68, 0xb8, 0x28, 0xf8, 0xe8, 0x26,
    0x09, 0x99, 0xdb, 0x41, 0x41, 0x53, 0x04, 0x4c, 0x5b, 0x77, 0x55, 0x3d, 0x07, 0x60, 0x20, 0x05, 0xdf, 0x8d, 0xc0, 0x40,
    0xf7, 0xd5, 0x18, 0x48, 0xd8, 0x88, 0xcf, 0x5d, 0xe7, 0xa5, 0x3f, 0xad, 0xd7, 0xf5, 0x8b, 0x9a, 0x00, 0x00, 0xb7, 0x5e,
];

/// A text that is not, so that its block is stored.
const OTHER: &[u8] = b"Training LLMs over Neurally Compressed Text \x00\xff\xf0\x9f\x93\x9d";

fn text() -> Vec<u8> {
    [&LIKED, OTHER].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn codes_do_not_change() {
    let (mut lines, text) = (String::new(), text());
    let mut output = [0; 1000];
    for bits in WindowBits::STANDARD {
        for code in [WindowCode::Default, WindowCode::Paper, WindowCode::Delay] {
            let layout = PayloadLayout::Independent { bits, code, context: 64 };
            let length = raw::encode(&mut model(), layout, &text, &mut output).unwrap();
            writeln!(lines, "window {} {code:?}: {}", bits.bits(), hex(&output[..length])).unwrap();
        }
    }
    let length = raw::encode(&mut model(), PayloadLayout::Message, &text, &mut output).unwrap();
    writeln!(lines, "message: {}", hex(&output[..length])).unwrap();
    let mut model = model();
    let mut encoder = RangeEncoder::new(&mut output);
    for &byte in &text {
        encoder.encode(model.frequencies(), byte);
        model.push(byte);
    }
    let length = encoder.finish().unwrap();
    writeln!(lines, "range: {}", hex(&output[..length])).unwrap();
    assert_eq!(lines, include_str!("golden/coding.txt"));
}

#[test]
fn streams_do_not_change() {
    let mut lines = String::new();
    let windows = |bits, code| Method::EqualInfo { bits, code };
    for (method, name, block_size) in [
        (Method::Stored, "", 30),
        (Method::StaticAc, "", 30),
        (Method::Ac, "", 30),
        (Method::Ac, "nano", 200),
        (Method::Mix(Class::Kib4), "telemetry", 60),
        (Method::Mix(Class::Kib16), "3m", 200),
        (Method::Tables(Class::Kib16), "", 200),
        (windows(WindowBits::B64, WindowCode::Default), "micro", 30),
        (windows(WindowBits::B128, WindowCode::Delay), "written", 200),
    ] {
        let (identity, name) = match method.has_model() {
            true => (ModelIdentity { id: 0x1122_3344, context: 64 }, ModelName::new(name)),
            false => Default::default(),
        };
        // A text that fits the block is one that its method shortens.
        let text = match method {
            Method::Tables(_) => LIKED.repeat(3),
            _ if block_size == 200 => LIKED.to_vec(),
            _ => text(),
        };
        let mut memory = vec![0; method.class().map_or(0, Class::words)];
        let mut coder = WithTables::new(model(), AnyTables::new(&mut memory));
        let stream = write_stream(&mut coder, &Header::new(method, identity, name, block_size), &text);
        writeln!(lines, "{}", hex(&stream)).unwrap();
    }
    writeln!(
        lines,
        "{}",
        hex(&write_stream(&mut model(), &Header::new(Method::Stored, Default::default(), ModelName::NONE, 30), &[]))
    )
    .unwrap();
    assert_eq!(lines, include_str!("golden/streams.txt"), "\n{lines}");
}
