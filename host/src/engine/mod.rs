//! The integer M1 at full speed on the host.
//!
//! Invariant: every path gives the frequencies of `equalinfo_codec::m1::M1`, bit for bit. [`Simd::Portable`] is exactly
//! that code; the others run the same contract over packed weights (`packed`) with vector instructions, and the tests
//! compare each of their loops and whole traces with it.
//!
//! * [`Engine::session`]: one stream, a [`ByteModel`].
//! * [`Engine::lockstep`]: many streams in lockstep, so that each weight is read once for all of them.
//! * [`Engine::trace`]: the frequencies at every position of a known text, [`Engine::ahead`]: on several threads.

mod ahead;
#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod error;
mod image;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod lanes;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod loops;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod packed;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod packed_model;
mod portable;
mod simd;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod streams;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
pub mod tiles;

use std::sync::Arc;

use equalinfo_codec::m1::{Config, ModelError};
use equalinfo_codec::{ByteModel, Frequencies};

pub use ahead::Ahead;
pub use error::EngineError;
pub use image::Image;
pub use simd::{SIMD_VARIABLE, Simd};
use streams::{PortableStreams, Prepared, Streams};

/// A model ready to run; cheap to clone, and shareable between threads.
#[derive(Clone)]
pub struct Engine {
    image: Arc<Image>,
    simd: Simd,
    /// The packed weights, unless the path is portable.
    prepared: Option<Arc<dyn Prepared>>,
}

impl Engine {
    /// Prepares `image` for this processor's fastest path, or the one that `EQUALINFO_SIMD` names.
    ///
    /// # Errors
    /// `EQUALINFO_SIMD` names no path that this processor has.
    pub fn new(image: Arc<Image>) -> Result<Self, EngineError> {
        Self::with_simd(image, Simd::detect()?)
    }

    /// Prepares `image` for one path.
    ///
    /// # Errors
    /// The processor lacks the instructions.
    pub fn with_simd(image: Arc<Image>, simd: Simd) -> Result<Self, EngineError> {
        let prepared = match simd {
            Simd::Portable => None,
            _ => Some(simd.prepare(&image).ok_or_else(|| simd::unavailable(simd.name()))?),
        };
        Ok(Self { image, simd, prepared })
    }

    /// The image.
    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// The model's dimensions.
    pub fn config(&self) -> Config {
        self.image.model().config()
    }

    /// The path that this engine uses.
    pub fn simd(&self) -> Simd {
        self.simd
    }

    /// One stream that sees up to `context` positions.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn session(&self, context: usize) -> Result<Session, EngineError> {
        self.streams(1, context).map(Session)
    }

    /// `lanes` streams in lockstep, each of which sees up to `context` positions.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn lockstep(&self, lanes: usize, context: usize) -> Result<Lockstep, EngineError> {
        self.streams(lanes, context).map(Lockstep)
    }

    /// Calls `visit` for each byte of `text` with its position and the frequencies ahead of it, in a context that
    /// starts empty and slides. Much faster than a session, because all positions of a layer share each weight.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn trace(
        &self,
        text: &[u8],
        context: usize,
        mut visit: impl FnMut(usize, &Frequencies),
    ) -> Result<(), EngineError> {
        self.streams(1, context)?.trace(text, &mut visit);
        Ok(())
    }

    /// As [`Self::trace`], on up to `threads` threads beside this one, which calls `visit`.
    pub(crate) fn trace_on(
        &self,
        threads: usize,
        text: &[u8],
        context: usize,
        mut visit: impl FnMut(usize, &Frequencies),
    ) -> Result<(), EngineError> {
        if threads <= 1 {
            return self.trace(text, context, visit);
        }
        self.ahead(threads, text, context, |ahead| {
            for (position, &byte) in text.iter().enumerate() {
                visit(position, ahead.frequencies());
                ahead.push(byte);
            }
        })
    }

    fn streams(&self, count: usize, context: usize) -> Result<Box<dyn Streams>, EngineError> {
        let expected = self.config().context;
        if !(1..=expected).contains(&context) {
            return Err(ModelError::Context { expected, found: context }.into());
        }
        Ok(match &self.prepared {
            Some(prepared) => prepared.streams(count, context),
            None => Box::new(PortableStreams::new(&self.image, count, context)?),
        })
    }
}

/// One stream of an [`Engine`].
pub struct Session(Box<dyn Streams>);

impl ByteModel for Session {
    fn reset(&mut self) {
        self.0.reset(0);
    }

    fn frequencies(&mut self) -> &Frequencies {
        self.0.frequencies(0)
    }

    fn push(&mut self, byte: u8) {
        self.0.push(0, byte);
    }
}

/// Streams of an [`Engine`] in lockstep. Asking for the frequencies of one stream runs the bytes pushed to all of them
/// together, so push to all before asking.
pub struct Lockstep(Box<dyn Streams>);

impl Lockstep {
    /// Empties the context of a stream.
    pub fn reset(&mut self, lane: usize) {
        self.0.reset(lane);
    }

    /// Forgets all but the first `kept` bytes of a stream and appends one, without running the kept bytes again.
    /// Returns false, with nothing changed, if this is not possible.
    pub fn branch(&mut self, lane: usize, kept: usize, byte: u8) -> bool {
        self.0.branch(lane, kept, byte)
    }

    /// Appends a byte to a stream.
    pub fn push(&mut self, lane: usize, byte: u8) {
        self.0.push(lane, byte);
    }

    /// The frequencies of the byte after those pushed to a stream so far.
    pub fn frequencies(&mut self, lane: usize) -> &Frequencies {
        self.0.frequencies(lane)
    }
}
