//! Output files that appear under their names only when they are complete and on disk.
//!
//! Invariant: until [`NewFile::finish`] has succeeded, nothing stands under the name that was not there before, nobody
//! but the owner can read the content, and an interrupted process leaves nothing that the next one writing the same
//! name does not clean up.
//!
//! * `new_file`: [`NewFile`], from its creation to its name.
//! * `partial`: where the content lies until then.
//! * `attributes`: owner, permissions and times of the finished file.
//! * `place`: whether two names are one file.
//! * `lock`: directories that one process at a time writes.

mod attributes;
mod lock;
mod new_file;
mod partial;
mod place;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use lock::DirectoryLock;
pub use new_file::NewFile;
pub use partial::remove_unfinished;
pub use place::Place;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The name is that of a directory.
    #[error("{}: is a directory, expected the name of a file", path.display())]
    IsDirectory {
        /// The name.
        path: PathBuf,
    },
    /// There is a file of that name, and overwriting was not allowed.
    #[error("{}: already exists", path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The name is a link that the system keeps, such as one in `/proc`.
    #[error("{}: is a link that belongs to the system; name the file that it leads to", path.display())]
    SystemLink {
        /// The name.
        path: PathBuf,
    },
    /// Another process writes the directory.
    #[error("{}: another process is writing into this directory", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// What was named is a device, a pipe or the like.
    #[error("{}: is no regular file", path.display())]
    NotRegular {
        /// The name.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{}: cannot {action}", path.display())]
    System {
        /// The name.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
}

/// Writes a whole file under its name or not at all, in a directory that is made if need be.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(system(directory, "make this directory"))?;
    }
    let mut file = NewFile::create(path, true)?;
    file.write_all(bytes).map_err(system(path, "write"))?;
    file.finish(None)
}

/// Opens a file for reading.
///
/// # Errors
/// It cannot be opened, or is a directory.
pub fn open(path: &Path) -> Result<File, FileError> {
    let file = File::open(path).map_err(system(path, "open"))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(FileError::IsDirectory { path: path.to_owned() });
    }
    Ok(file)
}

/// Opens a regular file for reading: what has no end, or waits for a writer, is refused before it is opened.
///
/// # Errors
/// It cannot be opened, or is a directory, a device or a pipe.
pub fn open_regular(path: &Path) -> Result<(File, u64), FileError> {
    let metadata = fs::metadata(path).map_err(system(path, "open"))?;
    if metadata.is_dir() {
        return Err(FileError::IsDirectory { path: path.to_owned() });
    }
    if !metadata.is_file() {
        return Err(FileError::NotRegular { path: path.to_owned() });
    }
    Ok((File::open(path).map_err(system(path, "open"))?, metadata.len()))
}

fn system(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::System { path, action, source }
}

#[cfg(test)]
mod tests;
