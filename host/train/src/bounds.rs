//! Bounds of what files and options say: sizes that nothing is made for are refused before anything is allocated.

use std::fmt::Display;

/// Something outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {found}: expected {expected}")]
pub struct OutOfBounds {
    /// What.
    pub what: &'static str,
    /// What it is.
    pub found: String,
    /// What it may be.
    pub expected: String,
}

impl OutOfBounds {
    /// `what` is `found`, but may only be `expected`.
    pub fn new(what: &'static str, found: impl Display, expected: impl Display) -> Self {
        Self { what, found: found.to_string(), expected: expected.to_string() }
    }
}

/// Checks that a number is at least `least` and at most `most`; a NaN is not.
///
/// # Errors
/// It is not.
pub fn within<T: PartialOrd + Display>(what: &'static str, found: T, least: T, most: T) -> Result<(), OutOfBounds> {
    if least <= found && found <= most {
        return Ok(());
    }
    Err(OutOfBounds::new(what, found, format!("{least} to {most}")))
}
