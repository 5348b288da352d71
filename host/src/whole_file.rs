//! [`read_file`]: files that are read into memory as a whole.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of the longest file that is read as a whole: an M1 of the widest layers and longest tables that its format has
/// is shorter, and so is every other image. A device such as `/dev/zero` has no end.
const LONGEST_FILE: u64 = 512 << 20;

/// Reads all that a file, pipe or device holds into memory, up to 512 MiB.
///
/// # Errors
/// It cannot be read, or memory is short. [`io::ErrorKind::FileTooLarge`] if it is longer, as a device without an end is.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, LONGEST_FILE)
}

fn read_at_most(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(file.metadata()?.len().min(longest) as usize)?;
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        let reason = format!("longer than {longest} bytes, the most that is read into memory");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_the_longest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, [7; 100]).unwrap();
        assert_eq!(read_at_most(&path, 100).unwrap(), [7; 100]);
        let error = read_at_most(&path, 99).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("longer than 99 bytes"), "{error}");
        assert_eq!(read_file(&path).unwrap(), [7; 100]);
        assert_eq!(read_file(&directory.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_without_an_end_is_refused() {
        let error = read_at_most(Path::new("/dev/zero"), 1000).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
