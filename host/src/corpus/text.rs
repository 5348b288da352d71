//! Plain text: a file is one document, cut into pieces if it is long, or one document per line.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::CorpusError;
use super::open::open_text;

/// The longest document taken from a plain text. Longer files are cut at the last line end before this length.
pub const PIECE: usize = 1 << 20;

/// The longest line that is read; a longer one suggests that the file's name is wrong about its contents.
pub const LONGEST_LINE: usize = 1 << 28;

/// A plain text in pieces of at most [`PIECE`] bytes, which end at a line end if one is close enough.
pub struct Pieces {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    carried: Vec<u8>,
}

impl Pieces {
    pub fn open(path: &Path) -> Result<Self, CorpusError> {
        Ok(Self { path: path.to_owned(), reader: open_text(path)?, carried: Vec::new() })
    }
}

impl Iterator for Pieces {
    type Item = Result<Vec<u8>, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = std::mem::take(&mut self.carried);
        let wanted = (PIECE - piece.len()) as u64;
        if let Err(error) = (&mut self.reader).take(wanted).read_to_end(&mut piece) {
            return Some(Err(CorpusError::system(&self.path, "read")(error)));
        }
        if piece.is_empty() {
            return None;
        }
        if piece.len() == PIECE {
            // Searches only the second half, so that an early line end never makes a tiny piece.
            let end = piece[PIECE / 2..].iter().rposition(|&byte| byte == b'\n').map_or(PIECE, |at| PIECE / 2 + at + 1);
            self.carried = piece.split_off(end);
        }
        Some(Ok(piece))
    }
}

/// The lines of a file with their numbers, without line ends (`\n` or `\r\n`).
pub struct NumberedLines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    number: u64,
}

impl NumberedLines {
    pub fn open(path: &Path) -> Result<Self, CorpusError> {
        Ok(Self { path: path.to_owned(), reader: open_text(path)?, number: 0 })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the next line into `line` and returns its number, counted from 1, or `None` at the end.
    pub fn read(&mut self, line: &mut Vec<u8>) -> Result<Option<u64>, CorpusError> {
        line.clear();
        self.number += 1;
        let read = (&mut self.reader)
            .take(LONGEST_LINE as u64)
            .read_until(b'\n', line)
            .map_err(|source| CorpusError::Line { path: self.path.clone(), line: self.number, source })?;
        if read == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if read == LONGEST_LINE {
            return Err(CorpusError::LongLine { expected: LONGEST_LINE, path: self.path.clone(), line: self.number });
        }
        Ok(Some(self.number))
    }
}

/// One document per line.
pub struct Lines(NumberedLines);

impl Lines {
    pub fn open(path: &Path) -> Result<Self, CorpusError> {
        Ok(Self(NumberedLines::open(path)?))
    }
}

impl Iterator for Lines {
    type Item = Result<Vec<u8>, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self.0.read(&mut line) {
            Ok(number) => number.map(|_| Ok(line)),
            Err(error) => Some(Err(error)),
        }
    }
}
