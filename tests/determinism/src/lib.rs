//! Golden vectors: named SHA-256 digests of the codec's results, which are the same on every machine.
//!
//! Invariant: a vector depends only on the codec and on the image of the model that its name begins with. The suite
//! needs no allocator and less than 16 KiB of memory besides the tables of a class, so that one list serves a server
//! and a Cortex-M0, which computes those of 4 KiB alone.
//!
//! * [`coders`]: frequencies, windows, messages and streams of every method, under a model that is a formula.
//! * [`model`]: traces and streams under an M1, given as an image or as a different implementation.
//! * [`tables`], [`mix`]: streams by the tables of a class, alone and behind an M1.
//! * [`lexicon`]: texts and matches of a lexicon, whose image the host compiles from the model `fixed`.
//!
//! `golden.txt` has a line `DIGEST  NAME` for each vector, in order.
#![no_std]

mod coders;
mod lexicon;
mod model;
mod streams;
mod tables;

use core::fmt;

use equalinfo_codec::container::DecodeError;
use equalinfo_codec::lexicon::LexiconError;
use equalinfo_codec::m1::{Aligned, ModelError};
use equalinfo_codec::raw::{EncodeError, PayloadError};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

pub use coders::coders;
pub use lexicon::{LEXICONS, lexicon};
pub use model::{CONTEXT, Memory, TRACED, Trace, model, of_image};
pub use tables::{mix, pico_with_tables, tables};

/// The committed vectors.
pub const GOLDEN: &str = include_str!("../golden.txt");

/// A random model of width 128 with n-gram tables, which never changes. Its vectors, and those of its lexicons, are
/// named `fixed`.
pub const FIXED: &[u8] = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/fixed.m1q"))).0;

/// The smallest shipped model. Its vectors are named `pico`, and change when a better model is shipped.
pub const PICO: &[u8] = &Aligned(*include_bytes!("../pico.m1q")).0;

/// Takes the vectors one by one: the name, and the digest or the reason why there is none.
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

/// A vector could not be computed. This does not happen if the codec works.
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
    /// Text that should have been coded was stored, which would make the vector meaningless.
    Stored,
    /// A buffer of the suite is too small.
    Room,
    /// The text decoded differs from the one encoded.
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

/// The generator of every "random" input of the suite.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut generator = SplitMix64::seed_from_u64(seed);
    move || generator.next_u64()
}
