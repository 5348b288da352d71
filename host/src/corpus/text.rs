//! Plain text: a file is one document, cut into pieces when it is long, or one document a line.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::open_text;

/// The longest document taken from a plain text. Longer files are cut at the last line end before it.
pub const PIECE: usize = 1 << 20;

/// The longest line that is read; a longer one is a sign of a file that is not what its name says.
pub const LONGEST_LINE: usize = 1 << 28;

/// A plain text in pieces of at most [`PIECE`] bytes that end at a line end where one is near enough.
pub struct Pieces {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    carried: Vec<u8>,
}

impl Pieces {
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), reader: open_text(path)?, carried: Vec::new() })
    }
}

impl Iterator for Pieces {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = std::mem::take(&mut self.carried);
        let wanted = (PIECE - piece.len()) as u64;
        if let Err(error) = (&mut self.reader).take(wanted).read_to_end(&mut piece) {
            return Some(Err(error).with_context(|| format!("{}: cannot read", self.path.display())));
        }
        if piece.is_empty() {
            return None;
        }
        if piece.len() == PIECE {
            // Only the second half is searched: a piece never gets tiny because of one early line end.
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
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), reader: open_text(path)?, number: 0 })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next line into `line`; its number counted from 1, or `None` at the end.
    pub fn read(&mut self, line: &mut Vec<u8>) -> Result<Option<u64>> {
        line.clear();
        self.number += 1;
        let read = (&mut self.reader)
            .take(LONGEST_LINE as u64)
            .read_until(b'\n', line)
            .with_context(|| format!("{}: line {}: cannot read", self.path.display(), self.number))?;
        if read == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if read == LONGEST_LINE {
            bail!("{}: line {} is longer than {LONGEST_LINE} bytes", self.path.display(), self.number);
        }
        Ok(Some(self.number))
    }
}

/// One document a line.
pub struct Lines(NumberedLines);

impl Lines {
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self(NumberedLines::open(path)?))
    }
}

impl Iterator for Lines {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self.0.read(&mut line) {
            Ok(number) => number.map(|_| Ok(line)),
            Err(error) => Some(Err(error)),
        }
    }
}
