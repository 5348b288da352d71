//! Why a corpus cannot be read.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// Why a corpus cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// No input was named.
    #[error("no corpus given: expected a file, a directory or a pattern such as 'data/*.jsonl.zst'")]
    NoInput,
    /// An input is nothing.
    #[error("{input}: no such file or directory")]
    Missing {
        /// What was named.
        input: String,
    },
    /// A directory has no file of a known format.
    #[error("{input}: no .txt, .jsonl or .parquet file in this directory (compressed .gz, .zst and .xz ones count)")]
    EmptyDirectory {
        /// What was named.
        input: String,
    },
    /// No file matches.
    #[error("{input}: no file matches this pattern")]
    NoMatch {
        /// What was named.
        input: String,
    },
    /// The pattern is none.
    #[error("{input}: not a valid pattern")]
    Pattern {
        /// What was named.
        input: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// A file is a table of a format that is not read.
    #[error(
        "{}: tables of this format are not read: expected text, JSON lines (.jsonl) or Parquet with the text in one \
         field; to take it as plain text, give it a name in .txt",
        path.display()
    )]
    Table {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{}: cannot {action}", path.display())]
    System {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// A line cannot be read.
    #[error("{}: line {line}: cannot read", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// A line is too long.
    #[error("{}: line {line} is longer than {expected} bytes", path.display())]
    LongLine {
        /// The longest that is read.
        expected: usize,
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
    },
    /// A line is no object with the text in this field.
    #[error("{}: line {line}: expected a JSON object with the text in the field \"{field}\"", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The field.
        field: String,
        /// What was found.
        source: serde_json::Error,
    },
    /// A row of a Parquet file has no text.
    #[error("{}: row {row}: no value in the column \"{column}\"", path.display())]
    NoValue {
        /// The file.
        path: PathBuf,
        /// The row, counted from 1.
        row: u64,
        /// The column.
        column: String,
    },
    /// More documents cannot be read than may be left out.
    #[error("more than {allowed} documents cannot be read, the last of them")]
    Bad {
        /// How many may.
        allowed: u64,
        /// The one beyond them.
        source: Box<CorpusError>,
    },
    /// A Parquet file is damaged.
    #[error("{}: expected a Parquet file: {found}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Where.
        found: String,
        /// What was found.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// A Parquet file has no such column of strings.
    #[error("{}: no column \"{column}\" of strings; the columns are {}", path.display(), columns.join(", "))]
    Column {
        /// The file.
        path: PathBuf,
        /// The column that was asked for.
        column: String,
        /// What there is.
        columns: Vec<String>,
    },
    /// This build reads no Parquet.
    #[error("{}: this build reads no Parquet files; expected the feature 'parquet' of equalinfo", path.display())]
    NoParquet {
        /// The file.
        path: PathBuf,
    },
}

impl CorpusError {
    /// Whether one document cannot be read, and those behind it can.
    pub(super) fn is_of_one_document(&self) -> bool {
        matches!(self, Self::Json { .. } | Self::NoValue { .. })
    }

    /// Names a file and what was tried with it.
    pub(super) fn system(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::System { path, action, source }
    }
}
