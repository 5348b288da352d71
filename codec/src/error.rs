//! What can go wrong, one flat enum for each kind of input.
//!
//! Every variant carries what was expected and what was found, so that a caller can say so in its own words.

use core::fmt;

/// Why counts are not [`Frequencies`](crate::Frequencies).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FrequenciesError {
    /// The counts do not add up to 2^16.
    WrongTotal {
        /// Their sum.
        found: u32,
    },
    /// A count is below the minimum of 2.
    CountTooSmall {
        /// Whose count.
        byte: u8,
        /// The count.
        found: u16,
    },
}

impl fmt::Display for FrequenciesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongTotal { found } => write!(f, "byte counts must add up to 65536, found {found}"),
            Self::CountTooSmall { byte, found } => {
                write!(f, "the count of byte {byte} must be at least 2, found {found}")
            }
        }
    }
}

impl core::error::Error for FrequenciesError {}
