//! What M2 trains on, and what its tokens need: functions with options, which the tool's commands and [`experiment`](crate::experiment) call.
//!
//! * [`tokens`]: a corpus becomes token shards.
//! * [`subwords`]: vocabularies of subwords.
//! * [`lexicon`]: a model becomes the texts of all codes of 16 bits.

pub mod lexicon;
pub mod subwords;
pub mod tokens;

pub use lexicon::LexiconOptions;
pub use subwords::{SubwordOptions, SubwordTrainer};
pub use tokens::{ModelFile, TokenizeOptions};

use crate::{LabError, Result};

/// The context to use, in bytes: what was asked for, else the model's whole one, `largest`.
///
/// # Errors
/// [`LabError::Context`]: none, or more than the model has.
pub fn context(asked: Option<usize>, largest: usize) -> Result<usize> {
    match asked {
        Some(asked) if !(1..=largest).contains(&asked) => Err(LabError::Context { asked, largest }),
        asked => Ok(asked.unwrap_or(largest)),
    }
}
