//! From what the user wrote to a list of files, and from a file's name to its format.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What a corpus file holds, told by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain text; also any file with another name.
    Text,
    /// One JSON object a line.
    JsonLines,
    /// A Parquet table.
    Parquet,
}

/// The endings of compressed files that are read as what they hold.
const COMPRESSED: [&str; 3] = [".gz", ".zst", ".xz"];

fn known_format(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    if name.ends_with(".parquet") {
        return Some(Format::Parquet);
    }
    let inner = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
    if inner.ends_with(".jsonl") || inner.ends_with(".ndjson") || inner.ends_with(".json") {
        Some(Format::JsonLines)
    } else if inner.ends_with(".txt") {
        Some(Format::Text)
    } else {
        None
    }
}

/// The format of a file that the user named; an unknown ending means plain text.
pub fn format_of(path: &Path) -> Format {
    known_format(path).unwrap_or(Format::Text)
}

/// Appends the files that `input` (a file, a directory, a pattern) stands for, sorted.
pub fn expand(input: &str, files: &mut Vec<PathBuf>) -> Result<()> {
    let path = Path::new(input);
    let before = files.len();
    if path.is_dir() {
        walk(path, files)?;
        if files.len() == before {
            bail!(
                "{input}: no .txt, .jsonl or .parquet file in this directory (compressed .gz, .zst and .xz ones count)"
            );
        }
    } else if path.exists() {
        files.push(path.to_owned());
    } else if input.contains(['*', '?', '[']) {
        let matches = glob::glob(input).with_context(|| format!("{input}: not a valid pattern"))?;
        for file in matches {
            let file = file.with_context(|| format!("{input}: cannot list the files of this pattern"))?;
            if file.is_file() {
                files.push(file);
            }
        }
        if files.len() == before {
            bail!("{input}: no file matches this pattern");
        }
    } else {
        bail!("{input}: no such file or directory");
    }
    files[before..].sort();
    Ok(())
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let list = || format!("{}: cannot list the directory", directory.display());
    for entry in fs::read_dir(directory).with_context(list)? {
        let path = entry.with_context(list)?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else if known_format(&path).is_some() {
            files.push(path);
        }
    }
    Ok(())
}
