//! Integer-only neural text codec: no heap, no floats, no unsafe code, the same bits on every device.
//!
//! The modules in the order in which a byte travels through them:
//!
//! 1. A [`ByteModel`], usually the integer transformer of [`m1`], is shown the bytes so far and answers with
//!    [`Frequencies`] for the next one.
//! 2. A coder turns frequencies and bytes into bits: the [range coder](range_coder) for unbounded streams, or the
//!    [window code](window), which fills windows of exactly `b` bits that decode alone.
//! 3. [`raw`] puts windows one after the other, with nothing around them: for short messages, and inside blocks.
//! 4. A [`container`] makes a stream of coded blocks, with checksums and an index.
//!
//! For windows of 16 bits, a [`lexicon`] takes the place of the first two: a table made from the model beforehand.
//!
//! `codec/docs` holds a short specification of each step.
//!
//! A window holds as much text as fits, and decodes alone:
//!
//! ```
//! use equalinfo_codec::{StaticModel, Frequencies, WindowBits, WindowCode, decode_window, encode_window};
//!
//! let mut histogram = [0; 256];
//! b"the text that a model without context was made from".iter().for_each(|&byte| histogram[byte as usize] += 1);
//! let mut model = StaticModel(Frequencies::from_histogram(&histogram));
//!
//! let text = b"that text";
//! let window = encode_window(&mut model, WindowBits::B16, WindowCode::Default, 64, text);
//! assert_eq!(window.consumed, 5);
//!
//! let mut decoded = Vec::new();
//! decode_window(&mut model, WindowBits::B16, WindowCode::Default, 64, window.value, |byte| decoded.push(byte));
//! assert_eq!(decoded, b"that ");
//! ```
#![no_std]

#[cfg(test)]
extern crate std;

pub mod byte_model;
pub mod container;
pub mod error;
pub mod frequencies;
pub mod lexicon;
pub mod m1;
pub mod progress;
pub mod range_coder;
pub mod raw;
pub mod window;

pub use byte_model::{ByteModel, StaticModel, Uniform};
pub use frequencies::Frequencies;
pub use progress::Progress;
pub use range_coder::{RangeDecoder, RangeEncoder};
pub use window::{Window, WindowBits, WindowCode, decode_window, encode_window};
