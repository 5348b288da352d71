//! [`NewFile`]: an output, from its creation to its name.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::attributes;
use super::partial::Partial;
use super::{FileError, system};

const BUFFER: usize = 1 << 17;

/// A file that is being written.
pub struct NewFile {
    writer: BufWriter<Target>,
    path: PathBuf,
    overwrite: bool,
}

enum Target {
    /// Content that gets its name at the end.
    Partial(Partial),
    /// A device or a pipe, which is written into: replacing it would take it from everyone else.
    Node(File),
}

impl NewFile {
    /// Begins a file; `overwrite` allows to replace a regular one.
    ///
    /// Pipes and character devices are written into as they are, block devices only with `overwrite`, as they lose
    /// what they hold.
    ///
    /// # Errors
    /// The file exists, is a directory or a link of the system, or its directory cannot be written.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, FileError> {
        let target = match node(path, overwrite)? {
            Some(node) => Target::Node(node),
            None => Target::Partial(Partial::create(path).map_err(system(path, "create a file in this directory"))?),
        };
        Ok(Self { writer: BufWriter::with_capacity(BUFFER, target), path: path.to_owned(), overwrite })
    }

    /// Whether it becomes a regular file, rather than going to a device or pipe.
    pub fn is_regular(&self) -> bool {
        matches!(self.writer.get_ref(), Target::Partial(_))
    }

    /// Completes the file: it gets owner, permissions and time of `source` (else those of the file that it replaces,
    /// else the usual ones), goes to disk, and gets its name, which goes to disk as well.
    ///
    /// # Errors
    /// The rest cannot be written, another process created a file of that name meanwhile, or the file cannot be named.
    pub fn finish(self, source: Option<&Metadata>) -> Result<(), FileError> {
        let Self { writer, path, overwrite } = self;
        let target = writer.into_inner().map_err(|error| system(&path, "write")(error.into_error()))?;
        let partial = match target {
            Target::Node(mut file) => return file.flush().map_err(system(&path, "write")),
            Target::Partial(partial) => partial,
        };
        let replaced = path.symlink_metadata().ok().filter(Metadata::is_file);
        attributes::set(partial.file(), source.filter(|source| source.is_file()), replaced.as_ref());
        flushed(partial.file().sync_all()).map_err(system(&path, "write to disk"))?;
        partial.publish(&path, overwrite).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists if !overwrite => FileError::Exists { path: path.clone() },
            _ => system(&path, "give the finished output this name")(error),
        })?;
        flush_directory(&path)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Partial(partial) => partial.file().write(bytes),
            Self::Node(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written into instead of being replaced, if that stands under this name.
fn node(path: &Path, overwrite: bool) -> Result<Option<File>, FileError> {
    let Ok(named) = path.symlink_metadata() else { return Ok(None) };
    // A link that leads nowhere is a file like any other: only `overwrite` replaces it.
    let found = path.metadata().unwrap_or_else(|_| named.clone());
    if found.is_dir() {
        return Err(FileError::IsDirectory { path: path.to_owned() });
    }
    if found.is_file() || found.is_symlink() {
        if named.is_symlink() && belongs_to_system(path) {
            return Err(FileError::SystemLink { path: path.to_owned() });
        }
        return if overwrite { Ok(None) } else { Err(FileError::Exists { path: path.to_owned() }) };
    }
    if is_block_device(&found) && !overwrite {
        return Err(FileError::Exists { path: path.to_owned() });
    }
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A terminal that is written to does not become this process's own.
        options.custom_flags(rustix::fs::OFlags::NOCTTY.bits() as i32);
    }
    options.open(path).map(Some).map_err(system(path, "open for writing"))
}

/// Whether a link stands where only the system makes links: what they lead to is open, and has its name elsewhere.
fn belongs_to_system(link: &Path) -> bool {
    let directory = directory_of(link).canonicalize().unwrap_or_default();
    directory == Path::new("/dev") || directory.starts_with("/proc")
}

#[cfg(unix)]
fn is_block_device(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_block_device(_: &Metadata) -> bool {
    false
}

/// The directory that holds a name.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts a name on disk: without this, a crash may forget it although the file's content is there.
#[cfg(unix)]
fn flush_directory(path: &Path) -> Result<(), FileError> {
    let directory = directory_of(path);
    // A directory that may be written but not read cannot be opened, and so not be flushed.
    let Ok(file) = fs::File::open(directory) else { return Ok(()) };
    flushed(file.sync_all()).map_err(system(directory, "write this directory to disk"))
}

#[cfg(not(unix))]
fn flush_directory(_: &Path) -> Result<(), FileError> {
    Ok(())
}

/// Success also where a filesystem has no such operation.
fn flushed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}
