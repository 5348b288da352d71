//! Lexicons: the texts of all 16-bit codes, compiled from M1.
//!
//! Invariant: an image depends only on the model, the kind, the context and the sample, never on the threads, the
//! batches or the machine: frequencies are integers that every path computes identically, and likelihoods are compared
//! as integers.
//!
//! * [`expand`]: frequencies after many texts at once.
//! * [`windows`]: the texts of the window code.
//! * [`optimal`]: the likeliest texts; [`starts`]: where codes start in a sample.
//! * [`image`]: [`Lexicon`], and its writer for `.lex` files (`codec/docs/lexicon.md`); [`export`]: the image as
//!   source text.

pub mod expand;
pub mod export;
pub mod image;
pub mod optimal;
pub mod starts;
#[cfg(test)]
mod tests;
pub mod windows;

pub use equalinfo_codec::lexicon::LexiconKind;
pub use image::{Lexicon, kind_name};

use equalinfo_codec::lexicon::LexiconError;

use crate::engine::{Engine, EngineError};
use expand::Expander;
use optimal::Search;
use starts::Starts;

/// How often a sample is parsed, each time with the lexicon from the parse before; more changes little.
const PARSES: usize = 3;

/// Why no lexicon can be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LexiconBuildError {
    /// The model does not run with this context.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There are not enough texts so short.
    #[error(
        "a context of {found}: expected at least 2 for an optimal lexicon, as fewer than {} texts are shorter",
        image::CODES
    )]
    Context {
        /// The most bytes that were allowed in a text.
        found: usize,
    },
    /// The image is not valid.
    #[error(transparent)]
    Image(#[from] LexiconError),
}

/// Compiles a model into the image of a lexicon whose texts have at most `context` bytes.
///
/// # Errors
/// The context is longer than the model's, or too short for [`image::CODES`] texts.
pub fn build(engine: &Engine, kind: LexiconKind, context: usize, threads: usize) -> Result<Vec<u8>, LexiconBuildError> {
    match kind {
        LexiconKind::WindowCode => {
            let codes = windows::codes(&mut Expander::new(engine, context, threads)?, context);
            Ok(image::write(&codes, kind, context as u16, engine.image().model().id()))
        }
        LexiconKind::Optimal => build_optimal(engine, context, threads, &[]),
    }
}

/// Compiles a model into a lexicon of the texts that are likeliest where codes start. The starts come from a sample
/// coded with the lexicon itself, and where the sample shows nothing, from the model.
///
/// # Errors
/// As [`build`].
pub fn build_optimal(
    engine: &Engine,
    context: usize,
    threads: usize,
    sample: &[Vec<u8>],
) -> Result<Vec<u8>, LexiconBuildError> {
    if context < 2 {
        return Err(LexiconBuildError::Context { found: context });
    }
    let mut search = Search::new(Expander::new(engine, context, threads)?, context);
    let mut image_of = |starts: &Starts| {
        let codes = image::codes_of(search.texts(starts));
        image::write(&codes, LexiconKind::Optimal, context as u16, engine.image().model().id())
    };
    let mut image = image_of(&Starts::default());
    if !sample.is_empty() {
        for _ in 0..PARSES {
            let lexicon = Lexicon::from_image(image)?;
            image = image_of(&Starts::of(lexicon.view(), sample, context));
        }
    }
    Ok(image)
}
