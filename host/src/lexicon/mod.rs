//! Lexicons: the texts of all codes of 16 bits, compiled from M1.
//!
//! Invariant: an image depends on the model, the kind, the context and the sample alone, never on the threads, the
//! batches or the machine: frequencies are integers that every path computes alike, and the likeliest texts are compared
//! by integers.
//!
//! * [`expand`]: frequencies after many texts at once.
//! * [`windows`]: the texts of the window code.
//! * [`optimal`]: the likeliest texts; [`starts`]: where codes begin in a sample.
//! * [`image`]: [`LexiconImage`], and how a `.lex` file is written (`codec/docs/lexicon.md`); [`export`]: as
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
pub use image::{LexiconFileError, LexiconImage};

use anyhow::{Result, ensure};

use crate::engine::Engine;
use expand::Expander;
use optimal::Search;
use starts::Starts;

/// How often a sample is parsed with the lexicon that the parse before led to; more changes little.
const PARSES: usize = 3;

/// Compiles a model into the image of a lexicon whose texts have at most `context` bytes.
///
/// # Errors
/// The context is longer than the model's, or too short for as many texts.
pub fn build(engine: &Engine, kind: LexiconKind, context: usize, threads: usize) -> Result<Vec<u8>> {
    match kind {
        LexiconKind::WindowCode => {
            let codes = windows::codes(&mut Expander::new(engine, context, threads)?, context);
            Ok(image::write(&codes, kind, context as u16, engine.image().model().id()))
        }
        LexiconKind::Optimal => build_optimal(engine, context, threads, &[]),
    }
}

/// Compiles a model into a lexicon of the texts that are likeliest where codes begin: in a sample that codes with the
/// lexicon itself, and beyond what the sample shows by the model's word.
///
/// # Errors
/// As [`build`].
pub fn build_optimal(engine: &Engine, context: usize, threads: usize, sample: &[Vec<u8>]) -> Result<Vec<u8>> {
    ensure!(
        context >= 2,
        "a context of {context}: there are not {} texts so short; 2 is the least for an optimal lexicon",
        image::CODES
    );
    let mut search = Search::new(Expander::new(engine, context, threads)?, context);
    let mut image_of = |starts: &Starts| {
        let codes = image::codes_of(search.texts(starts));
        image::write(&codes, LexiconKind::Optimal, context as u16, engine.image().model().id())
    };
    let mut image = image_of(&Starts::default());
    if !sample.is_empty() {
        for _ in 0..PARSES {
            let lexicon = LexiconImage::from_bytes(image)?;
            image = image_of(&Starts::of(lexicon.lexicon(), sample, context));
        }
    }
    Ok(image)
}

/// The name of a kind on the command line and in reports.
pub fn kind_name(kind: LexiconKind) -> &'static str {
    match kind {
        LexiconKind::WindowCode => "window-code",
        LexiconKind::Optimal => "optimal",
    }
}
