//! Why a block could not be coded.

use super::class::Class;
use core::fmt;

/// Why a block could not be encoded or decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MixError {
    /// The caller's memory is smaller than the class asks for.
    Memory {
        /// Words needed.
        expected: usize,
        /// Words given.
        found: usize,
    },
    /// The code does not fit the output.
    OutputTooSmall {
        /// Bytes given.
        found: usize,
    },
    /// No text has this code.
    Damaged,
    /// The block needs the tables of another class than are there.
    Class {
        /// The class that the block needs.
        expected: Class,
        /// The class of the tables, if there are any.
        found: Option<Class>,
    },
    /// Initial weights that belong to another class.
    Priming {
        /// Numbers needed.
        expected: usize,
        /// Numbers given.
        found: usize,
    },
}

impl fmt::Display for MixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { expected, found } => {
                write!(f, "the tables take {expected} words of memory, and there are {found}; use a smaller class")
            }
            Self::OutputTooSmall { found } => write!(f, "the code does not fit into {found} bytes"),
            Self::Damaged => write!(f, "damaged: no text has this code"),
            Self::Class { expected, found: None } => {
                write!(f, "it needs tables of {expected}, and this decoder has none")
            }
            Self::Class { expected, found: Some(found) } => {
                write!(f, "it needs tables of {expected}, and this decoder has those of {found}")
            }
            Self::Priming { expected, found } => {
                write!(f, "expected {expected} initial weights for this class, found {found}")
            }
        }
    }
}

impl core::error::Error for MixError {}
