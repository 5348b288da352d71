//! Corpora: documents read as a stream from `.txt`, `.jsonl` and `.parquet` files.
//!
//! Invariant: memory is bounded by one document (at most [`text::PIECE`] bytes of a plain text, one line
//! of a `.jsonl` file, one batch of rows of a `.parquet` file), and the same inputs give the same documents
//! in the same order on every machine.
//!
//! Data flow: [`paths`] expands what the user wrote into files, [`open`] undoes gzip, zstd and xz, one
//! reader per format ([`text`], [`jsonl`], [`parquet`]) yields documents, [`Documents`] chains the files and
//! applies shard and limit.

mod jsonl;
mod open;
mod parquet;
mod paths;
mod shard;
mod text;

use std::path::PathBuf;

use anyhow::{Result, bail};

pub use open::open_text;
pub use paths::{Format, format_of};
pub use shard::Shard;

/// How a corpus is cut into documents, and which of them are read.
#[derive(Debug, Clone)]
pub struct CorpusOptions {
    /// The field of a `.jsonl` object, or the column of a `.parquet` file, that holds the text.
    pub text_field: String,
    /// Every line of a plain text is a document of its own (short messages), without its line end.
    pub lines: bool,
    /// The part of the corpus that this process reads.
    pub shard: Option<Shard>,
    /// Stop after this many bytes of text; the last document is cut to fit.
    pub limit: Option<u64>,
}

impl Default for CorpusOptions {
    fn default() -> Self {
        Self { text_field: "text".to_owned(), lines: false, shard: None, limit: None }
    }
}

/// A corpus: a fixed list of files and how to read them.
#[derive(Debug, Clone)]
pub struct Corpus {
    paths: Vec<PathBuf>,
    options: CorpusOptions,
}

impl Corpus {
    /// Expands files, directories and glob patterns into a sorted list of files per input, in the order of the inputs.
    ///
    /// # Errors
    /// An input that names nothing, or a directory or pattern without any file of a known format.
    pub fn new<S: AsRef<str>>(inputs: &[S], options: CorpusOptions) -> Result<Self> {
        let mut files = Vec::new();
        for input in inputs {
            paths::expand(input.as_ref(), &mut files)?;
        }
        if files.is_empty() {
            bail!("no corpus given: name a file, a directory or a pattern such as 'data/*.jsonl.zst'");
        }
        Ok(Self { paths: files, options })
    }

    /// The files, in reading order.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The documents from the beginning. Each call starts a fresh pass.
    pub fn documents(&self) -> Documents {
        // With enough files a shard opens only its own; otherwise every shard reads all and keeps its documents.
        let by_file = self.options.shard.is_some_and(|shard| self.paths.len() >= shard.count());
        let paths: Vec<PathBuf> = match self.options.shard {
            Some(shard) if by_file => shard.select(self.paths.iter().cloned()).collect(),
            _ => self.paths.clone(),
        };
        Documents {
            paths: paths.into_iter(),
            current: None,
            by_document: self.options.shard.filter(|_| !by_file),
            number: 0,
            remaining: self.options.limit,
            options: self.options.clone(),
        }
    }
}

type DocumentReader = Box<dyn Iterator<Item = Result<Vec<u8>>> + Send>;

/// The documents of a [`Corpus`]; ends after the first error.
pub struct Documents {
    paths: std::vec::IntoIter<PathBuf>,
    current: Option<DocumentReader>,
    by_document: Option<Shard>,
    number: usize,
    remaining: Option<u64>,
    options: CorpusOptions,
}

impl Documents {
    fn next_of_any_shard(&mut self) -> Option<Result<Vec<u8>>> {
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

    /// Ends the iteration: nothing after an error is to be trusted.
    fn stop(&mut self) {
        self.current = None;
        self.paths = Vec::new().into_iter();
    }
}

impl Iterator for Documents {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining == Some(0) {
            return None;
        }
        loop {
            let mut document = match self.next_of_any_shard()? {
                Ok(document) => document,
                Err(error) => {
                    self.stop();
                    return Some(Err(error));
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

fn read_file(path: &std::path::Path, options: &CorpusOptions) -> Result<DocumentReader> {
    Ok(match format_of(path) {
        Format::JsonLines => Box::new(jsonl::JsonLines::open(path, &options.text_field)?),
        Format::Parquet => Box::new(parquet::Rows::open(path, &options.text_field)?),
        Format::Text if options.lines => Box::new(text::Lines::open(path)?),
        Format::Text => Box::new(text::Pieces::open(path)?),
    })
}

#[cfg(test)]
mod tests;
