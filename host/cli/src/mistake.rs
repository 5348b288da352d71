//! [`Mistake`]: a command line that cannot be meant, though its grammar allows it.
//!
//! Invariant: a process that ends for a mistake answers with exit code 2, as for the mistakes that the grammar finds.

use std::fmt;

use anyhow::{Result, anyhow};

/// What is wrong with a command line: options that contradict each other or mean nothing together.
#[derive(Debug)]
pub struct Mistake(String);

impl Mistake {
    /// A mistake in these words.
    pub fn error(words: String) -> anyhow::Error {
        anyhow!(Self(words))
    }

    /// Whether an error is one.
    pub fn is(error: &anyhow::Error) -> bool {
        error.chain().any(|cause| cause.is::<Self>())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mistake {}

/// Returns from a function with a [`Mistake`], in the words of `format!`.
#[macro_export]
macro_rules! mistake {
    ($($words:tt)*) => { return Err($crate::mistake::Mistake::error(format!($($words)*))) };
}

/// Returns from a function with a [`Mistake`] unless something holds.
#[macro_export]
macro_rules! must {
    ($holds:expr, $($words:tt)*) => {
        if !$holds {
            $crate::mistake!($($words)*)
        }
    };
}

/// Refuses options that mean nothing here, rather than ignoring them.
///
/// # Errors
/// One of them was given.
pub fn refuse(given: &[(&str, bool)], why: &str) -> Result<()> {
    let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    match &given[..] {
        [] => Ok(()),
        [one] => mistake!("{one} has no meaning here: {why}"),
        several => mistake!("{} have no meaning here: {why}", several.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn mistakes_are_told_from_errors() {
        assert!(refuse(&[("--code", false)], "why").is_ok());
        let error = refuse(&[("--code", true), ("--reset", true), ("--align", false)], "why").unwrap_err();
        assert_eq!(error.to_string(), "--code and --reset have no meaning here: why");
        assert!(Mistake::is(&error) && Mistake::is(&Err::<(), _>(error).context("FILE").unwrap_err()));
        assert!(!Mistake::is(&anyhow!("no such file")));
    }
}
