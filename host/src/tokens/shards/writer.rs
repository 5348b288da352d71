//! [`Writer`]: rows of tokens to shards.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::ShardError;
use super::manifest::{FORMAT, Manifest, Settings, Shard};
use super::npy;
use crate::digest::finished;
use crate::files::{DirectoryLock, write};
use crate::tokens::row::Row;

/// Writes shards into a directory.
pub struct Writer {
    directory: PathBuf,
    manifest: Manifest,
    rows: Vec<Row>,
    /// Of the rows' examples.
    text: Sha256,
    examples: usize,
    _lock: DirectoryLock,
}

impl Writer {
    /// Begins, or continues what was begun with the same settings.
    ///
    /// # Errors
    /// The directory cannot be made, holds tokens of other settings or of another text, or is written by another
    /// process.
    pub fn open(directory: &Path, settings: Settings, command: &str) -> Result<Self, ShardError> {
        let lock = DirectoryLock::take(directory)?;
        let manifest = match Manifest::load(directory)? {
            Some(manifest) => {
                let differences = manifest.settings.differences(&settings);
                let (path, found) = (directory.to_owned(), manifest.settings.clone());
                if matches!(&differences[..], [only] if only.what == "corpus_sha256") {
                    return Err(ShardError::OtherCorpus {
                        path,
                        found_names: found.corpus,
                        found: found.corpus_sha256,
                        expected_names: settings.corpus,
                        expected: settings.corpus_sha256,
                    });
                }
                if !differences.is_empty() {
                    return Err(ShardError::OtherSettings { path, differences });
                }
                manifest
            }
            None => Manifest {
                format: FORMAT.to_owned(),
                command: command.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                settings,
                complete: false,
                shards: Vec::new(),
            },
        };
        Ok(Self {
            directory: directory.to_owned(),
            manifest,
            rows: Vec::new(),
            text: Sha256::new(),
            examples: 0,
            _lock: lock,
        })
    }

    /// What has been written.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Tokens so far, those on their way to disk included.
    pub fn tokens(&self) -> u64 {
        self.manifest.tokens() + self.rows.iter().map(|row| row.scored() as u64).sum::<u64>()
    }

    /// Adds the rows of an example, of at most a sequence each; `digest` is the SHA-256 of its text.
    ///
    /// # Errors
    /// A shard is full and cannot be written, or an id is none of the vocabulary.
    pub fn push(&mut self, rows: Vec<Row>, digest: [u8; 32]) -> Result<(), ShardError> {
        let vocabulary = self.manifest.settings.vocabulary;
        for (row, tokens) in rows.iter().enumerate() {
            if let Some(position) = tokens.ids.iter().position(|&id| id as usize >= vocabulary) {
                let (path, _) = self.paths();
                let (row, id) = (self.rows.len() + row, tokens.ids[position]);
                return Err(ShardError::Id { path, row, position, id, vocabulary });
            }
        }
        self.rows.extend(rows);
        self.text.update(digest);
        self.examples += 1;
        if self.rows.len() >= self.manifest.settings.rows_per_shard { self.flush() } else { Ok(()) }
    }

    /// The next shard's files of tokens and of rows.
    fn names(&self) -> (String, String) {
        let number = self.manifest.shards.len();
        (format!("tokens-{number:05}.npy"), format!("rows-{number:05}.npy"))
    }

    fn paths(&self) -> (PathBuf, PathBuf) {
        let (file, row_file) = self.names();
        (self.directory.join(file), self.directory.join(row_file))
    }

    fn flush(&mut self) -> Result<(), ShardError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let Settings { sequence, vocabulary, .. } = self.manifest.settings;
        let ((file, row_file), (path, row_path)) = (self.names(), self.paths());
        let shape = [self.rows.len() as u64, sequence as u64];
        let padded = self.rows.iter().flat_map(|row| (0..sequence).map(|i| row.ids.get(i).copied().unwrap_or(0)));
        let tokens = match npy::width(vocabulary) {
            1 => npy::bytes(padded.map(|id| id as u8), shape),
            2 => npy::bytes(padded.map(|id| id as u16), shape),
            _ => npy::bytes(padded, shape),
        };
        let tokens = tokens.map_err(ShardError::system(&path, "write"))?;
        let rows = self.rows.iter().flat_map(|row| [row.ids.len() as u32, row.given as u32, row.text as u32]);
        let rows = npy::bytes(rows, [shape[0], 3]).map_err(ShardError::system(&row_path, "write"))?;
        write(&path, &tokens)?;
        write(&row_path, &rows)?;
        let digest = finished(Sha256::new().chain_update(&tokens).chain_update(&rows));
        self.manifest.shards.push(Shard {
            file,
            row_file,
            rows: self.rows.len(),
            examples: std::mem::take(&mut self.examples),
            text_sha256: finished(std::mem::take(&mut self.text)),
            tokens: self.rows.iter().map(|row| row.scored() as u64).sum(),
            text: self.rows.iter().map(|row| row.text).sum(),
            sha256: digest,
        });
        self.rows.clear();
        self.manifest.save(&self.directory)
    }

    /// Writes what is left and marks the directory as complete.
    ///
    /// # Errors
    /// It cannot be written, or there are no rows ([`ShardError::NoText`]).
    pub fn finish(mut self) -> Result<Manifest, ShardError> {
        self.flush()?;
        if self.manifest.shards.is_empty() {
            return Err(ShardError::NoText);
        }
        self.manifest.complete = true;
        self.manifest.save(&self.directory)?;
        Ok(self.manifest)
    }
}
