//! Errors of the library as exceptions of Python.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use equalinfo::files::FileError;
use equalinfo::lexicon::LexiconBuildError;
use equalinfo::store::StoreError;
use equalinfo::stream::Loss;
use equalinfo::tokens::shards::ShardError;
use equalinfo::{CodingError, LoadError, MessageError, StreamError, TokenError};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The classes of `equalinfo/errors.py`, and of `equalinfo/shards.py`.
mod classes {
    pyo3::import_exception!(equalinfo.errors, DamageError);
    pyo3::import_exception!(equalinfo.errors, MessageError);
    pyo3::import_exception!(equalinfo.errors, ModelError);
    pyo3::import_exception!(equalinfo.errors, StreamError);
    pyo3::import_exception!(equalinfo.errors, TokenError);
    pyo3::import_exception!(equalinfo.shards, ShardError);
}

/// An error and its causes in one line.
fn in_words(error: &(dyn StdError + 'static)) -> String {
    let (mut line, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

/// An `OSError` as `open` raises it.
pub fn of_system(path: &Path, error: &io::Error) -> PyErr {
    let path = path.to_string_lossy().into_owned();
    match error.raw_os_error() {
        // Python makes a FileNotFoundError or the like of the number.
        Some(number) => PyOSError::new_err((number, error.to_string(), path)),
        None => PyOSError::new_err(format!("{path}: {error}")),
    }
}

pub fn load(error: LoadError) -> PyErr {
    match error {
        LoadError::Read { path, source } => of_system(&path, &source),
        error => classes::ModelError::new_err(in_words(&error)),
    }
}

pub fn store(error: StoreError) -> PyErr {
    match error {
        StoreError::Load(error) => load(error),
        StoreError::System { path, source, .. } => of_system(&path, &source),
        error => classes::ModelError::new_err(in_words(&error)),
    }
}

pub fn lexicon(error: LexiconBuildError) -> PyErr {
    PyValueError::new_err(in_words(&error))
}

/// What makes no sense for the model that is asked.
pub fn argument(error: &(dyn StdError + 'static)) -> PyErr {
    PyValueError::new_err(in_words(error))
}

pub fn message(error: MessageError) -> PyErr {
    match error {
        MessageError::Coding(_) | MessageError::LexiconLayout { .. } | MessageError::CheckOfWindows => argument(&error),
        error => classes::MessageError::new_err(in_words(&error)),
    }
}

pub fn token(error: TokenError) -> PyErr {
    match error {
        TokenError::Width { .. }
        | TokenError::Code { .. }
        | TokenError::Flexible
        | TokenError::Model { .. }
        | TokenError::Vocabulary { .. }
        | TokenError::Coding(CodingError::Engine(_)) => argument(&error),
        error => classes::TokenError::new_err(in_words(&error)),
    }
}

pub fn shard(error: ShardError) -> PyErr {
    match error {
        // An exception of the documents comes back as it was.
        ShardError::Documents(source) => match source.downcast::<PyErr>() {
            Ok(raised) => *raised,
            Err(source) => classes::ShardError::new_err(in_words(&ShardError::Documents(source))),
        },
        ShardError::Token(error) => token(error),
        ShardError::System { path, source, .. } | ShardError::File(FileError::System { path, source, .. }) => {
            of_system(&path, &source)
        }
        error => classes::ShardError::new_err(in_words(&error)),
    }
}

/// A token that no text has.
pub fn no_token(found: i64, expected: usize) -> PyErr {
    classes::TokenError::new_err(format!("token {found}: expected 0 to {}", expected - 1))
}

/// A special token where there is only text.
pub fn special_token(found: i64) -> PyErr {
    classes::TokenError::new_err(format!("token {found} is special and has no text"))
}

pub fn stream(error: StreamError) -> PyErr {
    match error {
        // An exception of a file object comes back as it was.
        StreamError::Input { source, .. } | StreamError::Output(source) => source.into(),
        StreamError::Load(error) => load(error),
        StreamError::Lookup { .. }
        | StreamError::UnknownModel { .. }
        | StreamError::OtherModel { .. }
        | StreamError::OtherLexicon { .. }
        | StreamError::ShortContext { .. } => classes::ModelError::new_err(in_words(&error)),
        StreamError::BlockSize { .. }
        | StreamError::Context { .. }
        | StreamError::Method { .. }
        | StreamError::NotDecodable
        | StreamError::Coding(_) => argument(&error),
        error => classes::StreamError::new_err(in_words(&error)),
    }
}

/// A `DamageError` with the losses, and the text that is intact.
pub fn damage(py: Python<'_>, losses: &[Loss], text: &[u8]) -> PyErr {
    let all = losses.iter().map(|loss| {
        let blocks = (loss.blocks.start, loss.blocks.end);
        (blocks, loss.text_offset, loss.length, loss.is_open, loss.cause.to_string(), loss.to_string())
    });
    let all: Vec<_> = all.collect();
    classes::DamageError::new_err((all, PyBytes::new(py, text).unbind()))
}
