//! What a corpus holds, as one short text to compare.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::CorpusError;
use super::open::Compression;
use super::paths::{Format, format_of};
use crate::digest::finished;

/// Corpora up to this size are read whole: that takes less than a second.
const WHOLE: u64 = 256 << 20;
/// Of each file of a larger one so many blocks are read, evenly from its first byte to its last.
const BLOCKS: u64 = 64;
const BLOCK: u64 = 4 << 10;

/// The digest of these files, in this order, whatever their names are: a corpus that was moved is the same.
pub fn of_files(paths: &[PathBuf]) -> Result<String, CorpusError> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        files.push((path, fs::metadata(path).map_err(CorpusError::system(path, "open"))?));
    }
    let whole = files.iter().map(|(_, metadata)| metadata.len()).fold(0, u64::saturating_add) <= WHOLE;
    let mut hash = Sha256::new();
    for (path, metadata) in files {
        let length = metadata.len();
        hash.update([kind(path)]);
        hash.update(length.to_le_bytes());
        // What can be read only once, such as a pipe, is known by its name alone.
        if !metadata.is_file() {
            hash.update(path.as_os_str().as_encoded_bytes());
            continue;
        }
        let mut file = File::open(path).map_err(CorpusError::system(path, "open"))?;
        let read = if whole || length <= BLOCKS * BLOCK {
            all(&mut file, &mut hash)
        } else {
            some(&mut file, length, &mut hash)
        };
        read.map_err(CorpusError::system(path, "read"))?;
    }
    Ok(finished(hash))
}

/// How the file's name says that its bytes are read.
fn kind(path: &Path) -> u8 {
    let format = match format_of(path) {
        Format::Text => 0,
        Format::JsonLines => 1,
        Format::Parquet => 2,
    };
    format << 4 | Compression::of(path) as u8
}

fn all(file: &mut File, hash: &mut Sha256) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        hash.update(&buffer[..read]);
    }
}

fn some(file: &mut File, length: u64, hash: &mut Sha256) -> io::Result<()> {
    let mut block = [0; BLOCK as usize];
    for number in 0..BLOCKS {
        let place = u128::from(length - BLOCK) * u128::from(number) / u128::from(BLOCKS - 1);
        file.seek(SeekFrom::Start(place as u64))?;
        file.read_exact(&mut block)?;
        hash.update(block);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_count_and_contents_do() {
        let directory = tempfile::tempdir().unwrap();
        let digest = |files: &[(&str, &[u8])]| {
            let write = |(name, content): &(&str, &[u8])| {
                let path = directory.path().join(name);
                fs::write(&path, content).unwrap();
                path
            };
            of_files(&files.iter().map(write).collect::<Vec<_>>()).unwrap()
        };
        let first = digest(&[("a.txt", b"one"), ("b.txt", b"two")]);
        assert_eq!(digest(&[("c.txt", b"one"), ("d.txt", b"two")]), first);
        for other in [
            digest(&[("a.txt", b"one"), ("b.txt", b"twO")]),
            digest(&[("a.txt", b"two"), ("b.txt", b"one")]),
            digest(&[("a.txt", b"onet"), ("b.txt", b"wo")]),
            digest(&[("a.txt", b"one"), ("b.jsonl", b"two")]),
            digest(&[("a.txt", b"one")]),
        ] {
            assert_ne!(other, first);
        }
    }

    #[test]
    fn of_a_large_file_length_beginning_and_end_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large");
        let of = |length: usize, changed: usize| {
            let mut text = vec![b'x'; length];
            text[changed] = b'y';
            fs::write(&path, text).unwrap();
            let mut hash = Sha256::new();
            some(&mut File::open(&path).unwrap(), length as u64, &mut hash).unwrap();
            finished(hash)
        };
        let length = 3 << 20;
        // Between two blocks nothing is read.
        let first = of(length, BLOCK as usize);
        assert_eq!(of(length, BLOCK as usize + 1), first);
        for other in [of(length, 0), of(length, length - 1), of(length, length / 63)] {
            assert_ne!(other, first);
        }
    }
}
