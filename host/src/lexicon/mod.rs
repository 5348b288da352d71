//! Lexicons: the texts of all codes of 16 bits, compiled from M1.
//!
//! Invariant: an image depends on the model, the kind and the context alone, never on the threads, the batches or the
//! machine: frequencies are integers that every path computes alike, and the likeliest texts are compared by integers.
//!
//! * [`expand`]: frequencies after many texts at once.
//! * [`windows`]: the texts of the window code.
//! * [`optimal`]: the likeliest texts.
//! * [`image`]: [`LexiconImage`], and how a `.lex` file is written (`codec/docs/lexicon.md`).

pub mod expand;
pub mod image;
pub mod optimal;
#[cfg(test)]
mod tests;
pub mod windows;

pub use equalinfo_codec::lexicon::LexiconKind;
pub use image::{LexiconFileError, LexiconImage};

use anyhow::{Result, ensure};

use crate::engine::Engine;

/// Compiles a model into the image of a lexicon whose texts have at most `context` bytes.
///
/// # Errors
/// The context is longer than the model's, or too short for as many texts.
pub fn build(engine: &Engine, kind: LexiconKind, context: usize, threads: usize) -> Result<Vec<u8>> {
    ensure!(
        context >= 2 || kind == LexiconKind::WindowCode,
        "a context of {context}: there are not {} texts so short; 2 is the least for an optimal lexicon",
        image::CODES
    );
    let mut expander = expand::Expander::new(engine, context, threads)?;
    let codes = match kind {
        LexiconKind::WindowCode => windows::codes(&mut expander, context),
        LexiconKind::Optimal => image::codes_of(optimal::texts(&mut expander, context)),
    };
    Ok(image::write(&codes, kind, context as u16, engine.image().model().id()))
}

/// The name of a kind on the command line and in reports.
pub fn kind_name(kind: LexiconKind) -> &'static str {
    match kind {
        LexiconKind::WindowCode => "window-code",
        LexiconKind::Optimal => "optimal",
    }
}
