//! [`DirectoryLock`]: a directory that one process at a time writes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use super::{FileError, system};

/// The name of the file that is locked. It stays in the directory: removing it would let two processes lock two files
/// of this name.
const NAME: &str = ".lock";

/// Keeps other processes from writing a directory, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Makes the directory if need be, and locks it. Where a filesystem has no locks, nothing is kept away.
    ///
    /// # Errors
    /// Another process has it ([`FileError::InUse`]), or it cannot be made or written.
    pub fn take(directory: &Path) -> Result<Self, FileError> {
        fs::create_dir_all(directory).map_err(system(directory, "make this directory"))?;
        let path = directory.join(NAME);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let file = options.open(&path).map_err(system(&path, "open for writing"))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(FileError::InUse { path: directory.to_owned() }),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self { _file: file }),
        }
    }
}
