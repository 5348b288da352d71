//! Why shards cannot be written or read.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{Difference, FORMAT, MANIFEST, listed};
use crate::coding::CodingError;
use crate::files::FileError;
use crate::tokens::error::TokenError;

/// Why shards cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// A document cannot be read.
    #[error("cannot read the corpus")]
    Documents(#[source] Box<dyn Error + Send + Sync>),
    /// The corpus has less text than the shards were made of.
    #[error("the corpus has become shorter since these shards were begun")]
    ShorterCorpus,
    /// The corpus has more text than the complete shards were made of.
    #[error("the corpus has become longer since these shards were completed; write to another directory")]
    LongerCorpus,
    /// The corpus has other text than the shards were made of.
    #[error("{file}: made of other text than the corpus has now; write to another directory")]
    OtherText {
        /// The first shard that differs.
        file: String,
    },
    /// The tokenizer failed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The plan failed.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file cannot be read or a directory cannot be made.
    #[error("{}: cannot {action}", path.display())]
    System {
        /// Its name.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The manifest is none.
    #[error("{}: expected what 'equalinfo tokenize' writes", path.display())]
    Manifest {
        /// Its name.
        path: PathBuf,
        /// What was found.
        source: serde_json::Error,
    },
    /// The manifest is of another version.
    #[error("{}: expected format {FORMAT}, found {found}", path.display())]
    Format {
        /// Its name.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// There is no manifest.
    #[error("{}: no {MANIFEST}; expected a directory that 'equalinfo tokenize' wrote", path.display())]
    NoManifest {
        /// The directory.
        path: PathBuf,
    },
    /// The run that wrote the shards has not ended.
    #[error("{}: not complete; run 'equalinfo tokenize' again to continue", path.display())]
    Incomplete {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds tokens of other settings.
    #[error("{}: holds tokens of other settings: {}", path.display(), listed(differences))]
    OtherSettings {
        /// The directory.
        path: PathBuf,
        /// Which, and what was asked for.
        differences: Vec<Difference>,
    },
    /// Directories that are to be read together hold tokens of different settings.
    #[error("{}: holds other tokens than {}: {}", path.display(), expected_as.display(), listed(differences))]
    Apart {
        /// The directory.
        path: PathBuf,
        /// The one before it that its tokens should be as.
        expected_as: PathBuf,
        /// Where their settings differ.
        differences: Vec<Difference>,
    },
    /// The directory holds tokens of another corpus.
    #[error(
        "{}: holds tokens of another text, of {}, SHA-256 {found}; expected {}, SHA-256 {expected}; \
         write to another directory",
        path.display(), found_names.join(" "), expected_names.join(" ")
    )]
    OtherCorpus {
        /// The directory.
        path: PathBuf,
        /// What its corpus was called.
        found_names: Vec<String>,
        /// Its digest.
        found: String,
        /// What the corpus is called that was asked for.
        expected_names: Vec<String>,
        /// Its digest.
        expected: String,
    },
    /// The corpus holds no text.
    #[error("no text in the corpus: there is nothing to make tokens of")]
    NoText,
    /// The manifest says what no tokens are.
    #[error("{}: {wrong}", path.display())]
    Wrong {
        /// Its name.
        path: PathBuf,
        /// What, and what was expected.
        wrong: String,
    },
    /// The tokens of a shard are not those that were written.
    #[error("{}: damaged: SHA-256 {found} with {}, expected {expected}", path.display(), rows.display())]
    Damaged {
        /// The file of tokens.
        path: PathBuf,
        /// The file that describes its rows.
        rows: PathBuf,
        /// The digest of both.
        found: String,
        /// What the manifest says.
        expected: String,
    },
    /// A token is none of the vocabulary.
    #[error(
        "{}: row {row}, token {position}: id {id}, expected less than the vocabulary of {vocabulary}", path.display()
    )]
    Id {
        /// The file of tokens.
        path: PathBuf,
        /// The row in it, from 0.
        row: usize,
        /// The place in the row, from 0.
        position: usize,
        /// What is there.
        id: u32,
        /// Different tokens.
        vocabulary: usize,
    },
    /// A file of tokens is not what the manifest says.
    #[error("{}: expected tokens of 'equalinfo tokenize': {found}", path.display())]
    Shard {
        /// Its name.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// There are fewer rows.
    #[error("there is no row {number}")]
    NoRow {
        /// What was asked for.
        number: usize,
    },
}

impl ShardError {
    pub(super) fn system(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::System { path, action, source }
    }
}
