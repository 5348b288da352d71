//! The integer M1 at full speed on the host.
//!
//! Invariant: every path gives the frequencies of `equalinfo_codec::m1::M1`, bit for bit. [`Simd::Portable`] is that
//! very code; the others run the same contract over packed weights ([`packed`]) with vector instructions, and the tests
//! compare each of their loops and whole traces with it.
//!
//! * [`Engine::session`]: one stream, a [`ByteModel`].
//! * [`Engine::batch`]: many streams in lockstep, so that each weight is read once for all of them.
//! * [`Engine::trace`]: the frequencies at every position of a known text.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod image;
mod kernels;
mod lanes;
mod packed;
mod portable;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use equalinfo_codec::m1::{Config, ModelError};
use equalinfo_codec::{ByteModel, Frequencies};

#[cfg(target_arch = "x86_64")]
use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use avx512::Avx512;
pub use image::{Image, ImageError};
use kernels::Kernels;
use lanes::Lanes;
use packed::PackedModel;
use portable::Portable;

/// The environment variable that overrides the choice of instructions.
pub const SIMD_VARIABLE: &str = "EQUALINFO_SIMD";

/// Which instructions the inner loops use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simd {
    /// The codec's own code.
    Portable,
    /// AVX2.
    Avx2,
    /// AVX-512 with VNNI.
    Avx512,
}

impl Simd {
    /// Every path, slowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The name that `EQUALINFO_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this processor has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// The fastest path of this processor, or the one that `EQUALINFO_SIMD` names.
    pub fn detect() -> Result<Self, EngineError> {
        let available = |simd: &Self| simd.is_available();
        match std::env::var(SIMD_VARIABLE) {
            Ok(found) => Self::ALL.into_iter().filter(available).find(|simd| simd.name() == found).ok_or(EngineError::Simd { found }),
            Err(_) => Ok(Self::ALL.into_iter().rev().find(available).unwrap_or(Self::Portable)),
        }
    }
}

/// Why a model cannot be run as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// `EQUALINFO_SIMD` names no path, or one that this processor lacks.
    #[error("{SIMD_VARIABLE}={found}: expected one of {}", available_names())]
    Simd { found: String },
    /// The context is not one that the model can run with.
    #[error(transparent)]
    Model(#[from] ModelError),
}

fn available_names() -> String {
    let names: Vec<_> = Simd::ALL.into_iter().filter(|simd| simd.is_available()).map(Simd::name).collect();
    names.join(", ")
}

/// A model ready to run; cheap to clone and to share between threads.
#[derive(Clone)]
pub struct Engine {
    image: Arc<Image>,
    path: Path,
}

#[derive(Clone)]
enum Path {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2, Arc<PackedModel>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512, Arc<PackedModel>),
}

impl Engine {
    /// Prepares `image` for the fastest path of this processor, or the one that `EQUALINFO_SIMD` names.
    pub fn new(image: Arc<Image>) -> Result<Self, EngineError> {
        Self::with_simd(image, Simd::detect()?)
    }

    /// Prepares `image` for one path.
    ///
    /// # Errors
    /// The processor lacks the instructions.
    pub fn with_simd(image: Arc<Image>, simd: Simd) -> Result<Self, EngineError> {
        let missing = || EngineError::Simd { found: simd.name().into() };
        let path = match simd {
            Simd::Portable => Path::Portable,
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => Path::Avx2(Avx2::detect().ok_or_else(missing)?, pack::<Avx2>(&image)),
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => Path::Avx512(Avx512::detect().ok_or_else(missing)?, pack::<Avx512>(&image)),
            #[cfg(not(target_arch = "x86_64"))]
            Simd::Avx2 | Simd::Avx512 => return Err(missing()),
        };
        Ok(Self { image, path })
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
        match self.path {
            Path::Portable => Simd::Portable,
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(..) => Simd::Avx2,
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(..) => Simd::Avx512,
        }
    }

    /// One stream that sees up to `context` positions.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn session(&self, context: usize) -> Result<Session, EngineError> {
        self.check(context)?;
        Ok(Session(match &self.path {
            Path::Portable => Box::new(Portable::new(self.image.clone(), context)?),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(kernels, model) => Box::new(Lanes::new(*kernels, model.clone(), 1, context)),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(kernels, model) => Box::new(Lanes::new(*kernels, model.clone(), 1, context)),
        }))
    }

    /// `lanes` streams in lockstep, each of which sees up to `context` positions.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn batch(&self, lanes: usize, context: usize) -> Result<Batch, EngineError> {
        self.check(context)?;
        Ok(Batch(match &self.path {
            Path::Portable => Box::new((0..lanes).map(|_| Portable::new(self.image.clone(), context)).collect::<Result<Vec<_>, _>>()?),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(kernels, model) => Box::new(Lanes::new(*kernels, model.clone(), lanes, context)),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(kernels, model) => Box::new(Lanes::new(*kernels, model.clone(), lanes, context)),
        }))
    }

    /// Calls `visit` for each byte of `text` with its position and the frequencies ahead of it, in a context that
    /// starts empty and slides.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn trace(&self, text: &[u8], context: usize, mut visit: impl FnMut(usize, &Frequencies)) -> Result<(), EngineError> {
        self.check(context)?;
        match &self.path {
            Path::Portable => {
                let mut model = Portable::new(self.image.clone(), context)?;
                for (position, &byte) in text.iter().enumerate() {
                    visit(position, model.frequencies());
                    model.push(byte);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(kernels, model) => Lanes::new(*kernels, model.clone(), 1, context).trace(0, text, visit),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(kernels, model) => Lanes::new(*kernels, model.clone(), 1, context).trace(0, text, visit),
        }
        Ok(())
    }

    fn check(&self, context: usize) -> Result<(), ModelError> {
        let expected = self.config().context;
        if (1..=expected).contains(&context) { Ok(()) } else { Err(ModelError::Context { expected, found: context }) }
    }
}

#[cfg(target_arch = "x86_64")]
fn pack<K: Kernels>(image: &Image) -> Arc<PackedModel> {
    Arc::new(PackedModel::new(image.model(), K::LAYOUT))
}

/// One stream of an [`Engine`].
pub struct Session(Box<dyn ByteModel + Send>);

impl ByteModel for Session {
    fn reset(&mut self) {
        self.0.reset();
    }

    fn frequencies(&mut self) -> &Frequencies {
        self.0.frequencies()
    }

    fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

impl<K: Kernels> ByteModel for Lanes<K> {
    fn reset(&mut self) {
        Lanes::reset(self, 0);
    }

    fn frequencies(&mut self) -> &Frequencies {
        Lanes::frequencies(self, 0)
    }

    fn push(&mut self, byte: u8) {
        Lanes::push(self, 0, byte);
    }
}

/// Streams of an [`Engine`] in lockstep: bytes pushed to several of them are run together when the frequencies of one are asked for.
pub struct Batch(Box<dyn Lockstep + Send>);

impl Batch {
    /// Empties the context of a stream.
    pub fn reset(&mut self, lane: usize) {
        self.0.reset(lane);
    }

    /// Appends a byte to a stream.
    pub fn push(&mut self, lane: usize, byte: u8) {
        self.0.push(lane, byte);
    }

    /// What follows the bytes pushed to a stream so far.
    pub fn frequencies(&mut self, lane: usize) -> &Frequencies {
        self.0.frequencies(lane)
    }
}

trait Lockstep {
    fn reset(&mut self, lane: usize);
    fn push(&mut self, lane: usize, byte: u8);
    fn frequencies(&mut self, lane: usize) -> &Frequencies;
}

impl<K: Kernels> Lockstep for Lanes<K> {
    fn reset(&mut self, lane: usize) {
        Lanes::reset(self, lane);
    }

    fn push(&mut self, lane: usize, byte: u8) {
        Lanes::push(self, lane, byte);
    }

    fn frequencies(&mut self, lane: usize) -> &Frequencies {
        Lanes::frequencies(self, lane)
    }
}

impl Lockstep for Vec<Portable> {
    fn reset(&mut self, lane: usize) {
        self[lane].reset();
    }

    fn push(&mut self, lane: usize, byte: u8) {
        self[lane].push(byte);
    }

    fn frequencies(&mut self, lane: usize) -> &Frequencies {
        self[lane].frequencies()
    }
}
