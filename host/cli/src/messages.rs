//! What is said on stderr, and what became of it.
//!
//! Invariant: no message ends the process, whatever stderr is connected to, and none sends control characters of a
//! file's name to a terminal. That a message was lost is remembered for the exit code.

use std::error::Error;
use std::fmt::{Arguments, Write as _};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use equalinfo::TokenError;
use equalinfo::corpus::CorpusError;
use equalinfo::tokens::shards::ShardError;
use equalinfo_lab::LabError;
use equalinfo_train::TrainError;
use equalinfo_train::data::DataError;

use super::standard;

static LOST: AtomicBool = AtomicBool::new(false);

/// Says a line on stderr, with the format of `format!`.
#[macro_export]
macro_rules! say {
    ($($message:tt)*) => { $crate::messages::line(format_args!($($message)*)) };
}

/// Says a line on stderr.
pub fn line(message: Arguments<'_>) {
    let mut text = escaped(&message.to_string());
    text.push('\n');
    if standard::error_is_closed() || io::stderr().lock().write_all(text.as_bytes()).is_err() {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Says that something failed, with its causes.
pub fn error(error: &anyhow::Error) {
    say!("equalinfo: {error:#}{}", hint(error));
}

/// The option that a cause of an error is about, where the cause comes from the library, which knows none.
pub fn hint(error: &anyhow::Error) -> &'static str {
    match cause(error) {
        Some(CorpusError::Json { .. }) => {
            return " (--text-field names another, --skip-bad N leaves out up to N such lines)";
        }
        Some(CorpusError::NoValue { .. }) => return " (--skip-bad N leaves out up to N such rows)",
        Some(CorpusError::Column { .. }) => return " (--text-field names another)",
        _ => {}
    }
    if let Some(TokenError::RowTooShort { .. }) = cause(error) {
        return " (--sequence sets its length)";
    }
    ""
}

/// The library's error among the causes of another, which may pass it on as its own.
fn cause<E: Error + 'static>(error: &anyhow::Error) -> Option<&E> {
    error.chain().find_map(|cause| {
        let inner: &(dyn Error + 'static) = match (cause.downcast_ref::<LabError>(), cause.downcast_ref::<TrainError>())
        {
            (Some(LabError::Library(inner) | LabError::Train(TrainError::Library(inner))), _) => inner.as_ref(),
            (_, Some(TrainError::Library(inner))) => inner.as_ref(),
            (Some(LabError::Train(TrainError::Data(DataError::Corpus(inner)))), _) => inner,
            (_, Some(TrainError::Data(DataError::Corpus(inner)))) => inner,
            _ => cause,
        };
        let inner: &(dyn Error + 'static) = match inner.downcast_ref::<ShardError>() {
            Some(ShardError::Token(inner)) => inner,
            _ => inner,
        };
        inner.downcast_ref::<E>()
    })
}

/// Whether a message could not be said.
pub fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// A path as it is shown.
pub fn shown(path: &Path) -> String {
    escaped(&path.display().to_string())
}

/// Text in which nothing moves a cursor, changes a colour or reverses the order of what is read.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            control if control.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\x{:02x}", u32::from(control));
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => shown.extend(character.escape_unicode()),
            other => shown.push(other),
        }
    }
    shown
}

/// "1 block", "2 blocks": a grouped number and what it counts.
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", super::table::grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(escaped("a\x1b[31mb\nc\u{9b}"), "a\\x1b[31mb\\nc\\x9b");
        assert_eq!(escaped("\u{202e}txt.exe"), "\\u{202e}txt.exe");
        assert_eq!(escaped("gr\u{fc}n \u{4e2d}"), "gr\u{fc}n \u{4e2d}");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1, "block"), "1 block");
        assert_eq!(counted(1200, "block"), "1,200 blocks");
        assert_eq!(counted(0, "block"), "0 blocks");
    }
}
