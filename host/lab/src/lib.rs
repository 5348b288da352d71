#![doc = include_str!("../README.md")]
//!
//! # How the parts fit
//!
//! * [`evaluation`]: bits per byte and bytes per window of every method, next to the [`bound`] of an ideal coder; the text in [`pieces`].
//! * [`compare`]: general-purpose compressors ([`classical`]) and ours on the same texts.
//! * [`prepare`]: what M2 trains on: token shards, subwords, lexicons.
//! * [`experiment`]: a plan becomes results and a report.
#![deny(missing_docs)]

pub mod bound;
pub mod classical;
pub mod compare;
mod error;
pub mod evaluation;
pub mod experiment;
pub mod pieces;
pub mod prepare;

pub use error::{LabError, Result};
pub use evaluation::{Evaluation, EvaluationRow, Measure};
