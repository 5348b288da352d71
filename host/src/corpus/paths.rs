//! Expands the user's inputs into a list of files, and derives a file's format from its name.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::CorpusError;

/// The format of a corpus file, derived from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain text; also any file with another extension.
    Text,
    /// One JSON object per line.
    JsonLines,
    /// A Parquet table.
    Parquet,
}

/// The extensions of compressed files, which are read as their contents.
const COMPRESSED: [&str; 3] = [".gz", ".zst", ".xz"];

/// Tables that are not read: their separators, quotes and numbers are no text.
const TABLES: [&str; 6] = [".csv", ".tsv", ".arrow", ".feather", ".orc", ".avro"];

/// The file's name in small letters, and the same without the extension of a compressed file.
fn names(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let inner = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name).to_owned();
    Some((name, inner))
}

fn known_format(path: &Path) -> Option<Format> {
    let (name, inner) = names(path)?;
    if name.ends_with(".parquet") {
        return Some(Format::Parquet);
    }
    if inner.ends_with(".jsonl") || inner.ends_with(".ndjson") || inner.ends_with(".json") {
        Some(Format::JsonLines)
    } else if inner.ends_with(".txt") {
        Some(Format::Text)
    } else {
        None
    }
}

/// Refuses tables of formats that are not read, which would be taken for plain text.
pub fn refuse_tables(files: &[PathBuf]) -> Result<(), CorpusError> {
    let is_table = |file: &&PathBuf| {
        names(file).is_some_and(|(_, inner)| TABLES.iter().any(|extension| inner.ends_with(extension)))
    };
    match files.iter().find(is_table) {
        Some(path) => Err(CorpusError::Table { path: path.clone() }),
        None => Ok(()),
    }
}

/// The format of a file that the user named; an unknown extension means plain text.
pub fn format_of(path: &Path) -> Format {
    known_format(path).unwrap_or(Format::Text)
}

/// Appends the files that `input` (a file, a directory, a pattern) matches, sorted.
pub fn expand(input: &str, files: &mut Vec<PathBuf>) -> Result<(), CorpusError> {
    let path = Path::new(input);
    let before = files.len();
    if path.is_dir() {
        walk(path, files)?;
        if files.len() == before {
            return Err(CorpusError::EmptyDirectory { input: input.to_owned() });
        }
    } else if path.exists() {
        files.push(path.to_owned());
    } else if input.contains(['*', '?', '[']) {
        let matches = glob::glob(input).map_err(|source| CorpusError::Pattern { input: input.to_owned(), source })?;
        for file in matches {
            let file = file.map_err(|error| {
                CorpusError::system(Path::new(input), "list the files of this pattern")(error.into())
            })?;
            if file.is_file() {
                files.push(file);
            }
        }
        if files.len() == before {
            return Err(CorpusError::NoMatch { input: input.to_owned() });
        }
    } else {
        return Err(CorpusError::Missing { input: input.to_owned() });
    }
    files[before..].sort();
    Ok(())
}

/// Appends the corpus files of a directory and those below it. Pipes and devices are none: they might never end.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), CorpusError> {
    let list = || CorpusError::system(directory, "list the directory");
    for entry in fs::read_dir(directory).map_err(list())? {
        let path = entry.map_err(list())?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else if known_format(&path).is_some() && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
