//! Stdin as a file, for what reads its input more than once or from its end.

use std::fs::File;
use std::io::{self, Seek};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use tempfile::TempPath;

use super::standard;

/// What stdin was copied to: it can be read only once, and is kept for as long as the process runs.
static COPY: Mutex<Option<Copy>> = Mutex::new(None);

struct Copy {
    path: PathBuf,
    /// On Linux the file has no name and ends with the process.
    _open: File,
    /// Elsewhere it is removed at the end.
    named: Option<TempPath>,
}

/// The path of a private copy of stdin.
///
/// # Errors
/// Stdin cannot be read, or there is no room for the copy.
pub fn stdin() -> Result<PathBuf> {
    let mut copy = COPY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(copy) = &*copy {
        return Ok(copy.path.clone());
    }
    let made = make().context("(stdin): cannot copy to a temporary file")?;
    Ok(copy.insert(made).path.clone())
}

fn make() -> io::Result<Copy> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let file = filled(tempfile::tempfile()?)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if path.exists() {
            return Ok(Copy { path, _open: file, named: None });
        }
    }
    let (file, named) = tempfile::NamedTempFile::new()?.into_parts();
    Ok(Copy { path: named.to_path_buf(), _open: filled(file)?, named: Some(named) })
}

fn filled(mut file: File) -> io::Result<File> {
    io::copy(&mut standard::input()?, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// Removes the copy: for the end of the process.
pub fn remove() {
    // Dropping the path removes the file. A copy that is being made is not waited for.
    if let Ok(mut copy) = COPY.try_lock()
        && let Some(copy) = copy.as_mut()
    {
        copy.named = None;
    }
}
