//! [`Rows`]: tokens of shards, row by row.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::ShardError;
use super::manifest::{Manifest, Settings, Shard};
use super::npy::{self, width};
use crate::digest::finished;
use crate::files::open_regular;
use crate::tokens::row::Row;

/// Files that stay open. Of more shards, a file is opened for every row: systems give a process a thousand at least.
const OPEN: usize = 512;

/// Rows of all shards of one or several directories, read where they lie: a corpus may be larger than memory.
pub struct Rows {
    shards: Vec<OpenShard>,
    sequence: usize,
    vocabulary: usize,
}

struct OpenShard {
    /// `None` if it is opened for every row.
    file: Option<File>,
    path: PathBuf,
    /// Where the first row lies.
    start: u64,
    /// As in the file of rows.
    rows: Vec<[u32; 3]>,
}

/// A file that is being read, to which a matrix of a known size belongs.
struct Matrix {
    path: PathBuf,
    file: File,
    /// Where its values begin.
    start: u64,
}

impl Matrix {
    fn open(path: PathBuf, shape: [usize; 2], width: usize) -> Result<Self, ShardError> {
        let (mut file, length) = open_regular(&path)?;
        let mut beginning = Vec::new();
        let read = (&mut file).take(npy::LONGEST_HEADER as u64).read_to_end(&mut beginning);
        read.map_err(ShardError::system(&path, "read"))?;
        let shape = shape.map(|size| size as u64);
        let values = u128::from(shape[0]) * u128::from(shape[1]) * width as u128;
        let start = match npy::start(&beginning, shape, width) {
            Ok(start) => start as u64,
            Err(found) => return Err(ShardError::Shard { path, found }),
        };
        let expected = u128::from(start) + values;
        if u128::from(length) != expected {
            let found = format!("its length is {length}, expected {expected} for its shape");
            return Err(ShardError::Shard { path, found });
        }
        Ok(Self { path, file, start })
    }

    /// Shows all bytes of the file to `see`.
    fn read(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), ShardError> {
        let mut read = || -> io::Result<()> {
            self.file.rewind()?;
            let mut buffer = vec![0; 1 << 18];
            loop {
                match self.file.read(&mut buffer)? {
                    0 => return Ok(()),
                    length => see(&buffer[..length]),
                }
            }
        };
        read().map_err(ShardError::system(&self.path, "read"))
    }
}

impl OpenShard {
    fn open(directory: &Path, shard: &Shard, sequence: usize, width: usize) -> Result<Self, ShardError> {
        let mut tokens = Matrix::open(directory.join(&shard.file), [shard.rows, sequence], width)?;
        let mut described = Matrix::open(directory.join(&shard.row_file), [shard.rows, 3], size_of::<u32>())?;
        let (mut hash, mut values) = (Sha256::new(), Vec::new());
        tokens.read(|bytes| hash.update(bytes))?;
        described.read(|bytes| {
            hash.update(bytes);
            values.extend_from_slice(bytes);
        })?;
        let found = finished(hash);
        if found != shard.sha256 {
            let (path, rows, expected) = (tokens.path, described.path, shard.sha256.clone());
            return Err(ShardError::Damaged { path, rows, found, expected });
        }
        let values = values.get(described.start as usize..).unwrap_or_default();
        let (values, _) = values.as_chunks();
        let values: Vec<u32> = values.iter().copied().map(u32::from_le_bytes).collect();
        let (rows, _) = values.as_chunks();
        let fits = |row: &[u32; 3]| row[0] as usize <= sequence && row[1] <= row[0];
        let sum = |value: fn(&[u32; 3]) -> u32| rows.iter().map(value).map(u64::from).sum::<u64>();
        if !(rows.len() == shard.rows && rows.iter().all(fits)) {
            let found = format!("not a description of {} rows of {sequence}", shard.rows);
            return Err(ShardError::Shard { path: described.path, found });
        }
        let (scored, text) = (sum(|row| row[0] - row[1]), sum(|row| row[2]));
        if (scored, text) != (shard.tokens, shard.text) {
            let found =
                format!("{scored} tokens of {text} bytes, but the manifest has {} of {}", shard.tokens, shard.text);
            return Err(ShardError::Shard { path: described.path, found });
        }
        Ok(Self { file: Some(tokens.file), path: tokens.path, start: tokens.start, rows: rows.to_vec() })
    }
}

impl Rows {
    /// Opens the shards of a complete directory, and reads all of them once: what trains a model is what was written.
    ///
    /// # Errors
    /// A file is missing, is not what the manifest says, or is damaged.
    pub fn open(directory: &Path, manifest: &Manifest) -> Result<Self, ShardError> {
        Self::open_all([(directory, manifest)])
    }

    /// The rows of several directories, one after the other, whose settings [`Part::all`](super::Part::all) has
    /// compared.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_all<'a>(parts: impl IntoIterator<Item = (&'a Path, &'a Manifest)>) -> Result<Self, ShardError> {
        let mut all = Self { shards: Vec::new(), sequence: 0, vocabulary: 0 };
        for (directory, manifest) in parts {
            let Settings { sequence, vocabulary, .. } = manifest.settings;
            (all.sequence, all.vocabulary) = (sequence, vocabulary);
            for shard in &manifest.shards {
                let mut opened = OpenShard::open(directory, shard, sequence, width(vocabulary))?;
                if all.shards.len() >= OPEN {
                    opened.file = None;
                }
                all.shards.push(opened);
            }
        }
        Ok(all)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.rows.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tokens of a row, without padding.
    ///
    /// # Errors
    /// It cannot be read, or has an id that is none of the vocabulary.
    pub fn row(&mut self, number: usize) -> Result<Row, ShardError> {
        let mut index = number;
        for shard in &mut self.shards {
            let Some(&[length, given, text]) = shard.rows.get(index) else {
                index -= shard.rows.len();
                continue;
            };
            let (vocabulary, width) = (self.vocabulary, width(self.vocabulary));
            let mut bytes = vec![0; width * length as usize];
            let place = shard.start + (width * index * self.sequence) as u64;
            let mut opened = None;
            let file = match &mut shard.file {
                Some(file) => file,
                None => opened.insert(open_regular(&shard.path)?.0),
            };
            let read = file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(&mut bytes));
            read.map_err(ShardError::system(&shard.path, "read a row"))?;
            let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |id, &byte| id << 8 | u32::from(byte));
            let ids: Vec<u32> = bytes.chunks_exact(width).map(number).collect();
            if let Some(position) = ids.iter().position(|&id| id as usize >= vocabulary) {
                let (path, id) = (shard.path.clone(), ids[position]);
                return Err(ShardError::Id { path, row: index, position, id, vocabulary });
            }
            return Ok(Row { ids, given: given as usize, text: text.into() });
        }
        Err(ShardError::NoRow { number })
    }
}
