//! Golden vectors: named SHA-256 digests of what the codec computes, the same on every machine.
//!
//! Invariant: a vector depends on nothing but the codec and the image of the model that its name begins with. The
//! suite needs no allocator and less than 16 KiB of memory, so that one list serves a server and a Cortex-M0.
//!
//! * [`coders`]: frequencies, windows, messages and streams of every method under a model that is a formula.
//! * [`model`]: traces and streams under an M1, given as an image or as any other implementation of it.
//! * [`lexicon`]: texts and matches of a lexicon, whose image the host compiles from the model `fixed`.
//!
//! `golden.txt` holds a line `DIGEST  NAME` for each vector, in order.
#![no_std]

mod coders;
mod lexicon;
mod model;
mod streams;

use core::fmt;

use equalinfo_codec::error::{DecodeError, EncodeError, PayloadError};
use equalinfo_codec::lexicon::LexiconError;
use equalinfo_codec::m1::ModelError;
use sha2::{Digest as _, Sha256};

pub use coders::coders;
pub use lexicon::{LEXICONS, lexicon};
pub use model::{CONTEXT, Memory, TRACED, Trace, model, of_image};

/// The committed vectors.
pub const GOLDEN: &str = include_str!("../golden.txt");

/// A random model of 128 wide, which never changes; its vectors are named `fixed`, and so are those of its lexicons.
pub const FIXED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fixed.m1q"));

/// The smallest shipped model; its vectors are named `nano`, and change whenever a better one is shipped.
pub const NANO: &[u8] = include_bytes!("../../../host/models/nano.m1q");

/// Takes the vectors one by one: the name, and the digest or why there is none.
pub type Report<'a> = dyn FnMut(fmt::Arguments, Result<Digest, Failure>) + 'a;

/// A SHA-256 digest; its `Display` is that of `sha256sum`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    fn finish(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a vector could not be computed. None of these happens where the codec works.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// Encoding failed.
    Encode(EncodeError),
    /// A stream that was just written cannot be read.
    Decode(DecodeError),
    /// A payload that was just written cannot be read.
    Payload(PayloadError),
    /// The model's image is refused.
    Model(ModelError),
    /// The lexicon's image is refused.
    Lexicon(LexiconError),
    /// Text that should have been coded was stored, so the vector would say nothing.
    Stored,
    /// A buffer of the suite is too small.
    Room,
    /// What was written reads as another text.
    RoundTrip,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<PayloadError> for Failure {
    fn from(error: PayloadError) -> Self {
        Self::Payload(error)
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl From<LexiconError> for Failure {
    fn from(error: LexiconError) -> Self {
        Self::Lexicon(error)
    }
}

/// SplitMix64: every "random" input of the suite.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
