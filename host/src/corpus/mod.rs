//! Corpora: documents read as a stream from `.txt`, `.jsonl` and, with the feature `parquet`, `.parquet` files.
//!
//! Invariant: memory is bounded by one document (at most 1 MiB of a plain text, one line of a `.jsonl` file, one batch
//! of rows of a `.parquet` file), and the same inputs give the same documents in the same order on every machine.
//!
//! Data flow: `paths` expands the user's inputs into files, `open` undoes gzip, zstd and xz, one reader per format
//! (`text`, `jsonl`, `parquet`) yields documents, and [`Documents`] chains the files and applies shard and limit.

mod digest;
mod error;
mod jsonl;
mod open;
#[cfg(feature = "parquet")]
mod parquet;
mod paths;
mod shard;
mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use error::CorpusError;
pub use open::open_text;
pub use paths::{Format, format_of};
pub use shard::Shard;

/// How a corpus is cut into documents, and which of them are read.
#[derive(Debug, Clone)]
pub struct CorpusOptions {
    /// The field of a `.jsonl` object, or the column of a `.parquet` file, that holds the text: `text`, or
    /// `meta.text` for one within the field `meta`.
    pub text_field: String,
    /// Treats every line of a plain text, without its line end, as a document (short messages).
    pub lines: bool,
    /// The part of the corpus that this process reads.
    pub shard: Option<Shard>,
    /// Stops after this many bytes of text; the last document is cut to fit.
    pub limit: Option<u64>,
    /// How many documents may be left out that cannot be read: lines that are no object with the text, rows without a
    /// value. One more is an error.
    pub skip_bad: u64,
}

impl Default for CorpusOptions {
    fn default() -> Self {
        Self { text_field: "text".to_owned(), lines: false, shard: None, limit: None, skip_bad: 0 }
    }
}

/// A corpus: a fixed list of files and how to read them.
///
/// ```
/// use equalinfo::corpus::{Corpus, CorpusOptions};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("book.txt");
/// std::fs::write(&path, "It was the best of times,\nit was the worst of times,\n")?;
/// let corpus = Corpus::new(&[path.to_string_lossy()], CorpusOptions { lines: true, ..CorpusOptions::default() })?;
/// let documents = corpus.documents().collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(documents, [&b"It was the best of times,"[..], b"it was the worst of times,"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    paths: Vec<PathBuf>,
    options: CorpusOptions,
    /// Of the last pass.
    skipped: Arc<AtomicU64>,
}

impl Corpus {
    /// Expands files, directories and glob patterns into a sorted list of files per input, in the order of the inputs.
    ///
    /// # Errors
    /// An input that matches nothing, a directory or pattern without any file of a known format, or a table of another
    /// format (`.csv`), unless its lines are to be documents.
    pub fn new<S: AsRef<str>>(inputs: &[S], options: CorpusOptions) -> Result<Self, CorpusError> {
        let mut files = Vec::new();
        for input in inputs {
            paths::expand(input.as_ref(), &mut files)?;
        }
        if files.is_empty() {
            return Err(CorpusError::NoInput);
        }
        if !options.lines {
            paths::refuse_tables(&files)?;
        }
        Ok(Self { paths: files, options, skipped: Arc::default() })
    }

    /// The files, in reading order.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// How many documents the last pass left out because they cannot be read.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// What the files hold, as a SHA-256 in hexadecimal digits, whatever they are called and wherever they lie: to be
    /// compared with what it was.
    ///
    /// It is cheap for a corpus of any size. Up to 256 MiB all bytes count; of each file of a larger corpus its length,
    /// its first and last 4 KiB and 62 such blocks evenly between them, so that a change elsewhere that keeps the
    /// length is not seen.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn digest(&self) -> Result<String, CorpusError> {
        digest::of_files(&self.paths)
    }

    /// The documents from the beginning. Each call starts a fresh pass.
    pub fn documents(&self) -> Documents {
        // With enough files a shard opens only its own; otherwise every shard reads all files and keeps its own
        // documents.
        let by_file = self.options.shard.is_some_and(|shard| self.paths.len() >= shard.count());
        let paths: Vec<PathBuf> = match self.options.shard {
            Some(shard) if by_file => shard.select(self.paths.iter().cloned()).collect(),
            _ => self.paths.clone(),
        };
        self.skipped.store(0, Ordering::Relaxed);
        Documents {
            skipped: self.skipped.clone(),
            paths: paths.into_iter(),
            current: None,
            by_document: self.options.shard.filter(|_| !by_file),
            number: 0,
            remaining: self.options.limit,
            options: self.options.clone(),
        }
    }
}

type DocumentReader = Box<dyn Iterator<Item = Result<Vec<u8>, CorpusError>> + Send>;

/// The documents of a [`Corpus`]; ends after the first error.
pub struct Documents {
    paths: std::vec::IntoIter<PathBuf>,
    current: Option<DocumentReader>,
    by_document: Option<Shard>,
    number: usize,
    remaining: Option<u64>,
    skipped: Arc<AtomicU64>,
    options: CorpusOptions,
}

impl Documents {
    fn next_of_any_shard(&mut self) -> Option<Result<Vec<u8>, CorpusError>> {
        loop {
            if let Some(reader) = &mut self.current {
                match reader.next() {
                    Some(document) => return Some(document),
                    None => self.current = None,
                }
            }
            match read_file(&self.paths.next()?, &self.options) {
                Ok(reader) => self.current = Some(reader),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Ends the iteration: nothing after an error can be trusted.
    fn stop(&mut self) {
        self.current = None;
        self.paths = Vec::new().into_iter();
    }
}

impl Iterator for Documents {
    type Item = Result<Vec<u8>, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining == Some(0) {
            return None;
        }
        loop {
            let mut document = match self.next_of_any_shard()? {
                Ok(document) => document,
                Err(error) => {
                    let allowed = self.options.skip_bad;
                    let may_skip = allowed > 0 && error.is_of_one_document();
                    if may_skip && self.skipped.fetch_add(1, Ordering::Relaxed) < allowed {
                        continue;
                    }
                    self.stop();
                    let bad = |error| CorpusError::Bad { allowed, source: Box::new(error) };
                    return Some(Err(if may_skip { bad(error) } else { error }));
                }
            };
            let number = self.number;
            self.number += 1;
            if document.is_empty() || self.by_document.is_some_and(|shard| !shard.takes(number)) {
                continue;
            }
            if let Some(remaining) = &mut self.remaining {
                document.truncate(usize::try_from(*remaining).unwrap_or(usize::MAX));
                *remaining -= document.len() as u64;
            }
            return Some(Ok(document));
        }
    }
}

fn read_file(path: &std::path::Path, options: &CorpusOptions) -> Result<DocumentReader, CorpusError> {
    Ok(match format_of(path) {
        Format::JsonLines => Box::new(jsonl::JsonLines::open(path, &options.text_field)?),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(parquet::Rows::open(path, &options.text_field)?),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => return Err(CorpusError::NoParquet { path: path.to_owned() }),
        Format::Text if options.lines => Box::new(text::Lines::open(path)?),
        Format::Text => Box::new(text::Pieces::open(path)?),
    })
}

#[cfg(test)]
mod tests;
