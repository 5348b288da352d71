//! Neural text codec in integers: no heap, no floats, no unsafe code, and the same bits on every machine.
//!
//! The modules, in the order in which a text passes through them:
//!
//! 1. A [`ByteModel`], usually the integer transformer of [`m1`], has read the bytes so far and gives the
//!    [`Frequencies`] of the next one.
//! 2. A coder turns these frequencies and the byte into bits: the [range coder](range_coder) for texts of any length,
//!    or the [window code](window), which fills windows of exactly `b` bits that decode alone.
//! 3. [`raw`] puts windows one after the other with nothing around them: short messages, and what blocks hold.
//! 4. [`container`] makes a stream of such blocks, with checksums and an index.
//!
//! For windows of 16 bits a [`lexicon`] replaces steps 1 and 2: a table of all their texts, made from a model
//! beforehand. [`strings`] puts the texts of a user interface into one blob, coded either way. [`storage`] reads any of
//! that from flash that no address reaches.
//!
//! The folder `docs` of this package specifies each step independently of the code. What follows is the README.
//!
#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(test)]
extern crate std;

// 1. What the next byte may be.
pub mod byte_model;
pub mod frequencies;
pub mod m1;

// A model and what the block at hand has taught so far.
pub mod mix;

// 2. From frequencies and bytes to bits.
pub mod range_coder;
pub mod window;

// 3. and 4. From windows to payloads, and from payloads to streams.
pub mod raw;

pub mod container;

// In place of a model and a coder.
pub mod lexicon;

// Many texts, each of which is read alone.
pub mod strings;

// Used by several of these.
pub mod checksum;
pub mod progress;
pub mod storage;

pub use byte_model::{ByteModel, StaticModel, Uniform};
pub use frequencies::Frequencies;
pub use progress::Progress;
pub use range_coder::{RangeDecoder, RangeEncoder};
pub use window::{Window, WindowBits, WindowCode, decode_window, encode_window};
