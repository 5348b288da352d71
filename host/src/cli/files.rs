//! Where bytes come from and go to: files, stdin, stdout.
//!
//! Invariant: an output file appears under its name only when it is complete; until then it is a temporary
//! beside it, removed on any error and on Ctrl-C.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use super::interrupt::Partial;

const BUFFER: usize = 1 << 17;

/// An input: a file, or stdin for `-`.
pub struct Input {
    /// How messages call it.
    pub name: String,
    /// The file's path; `None` for stdin.
    pub path: Option<PathBuf>,
}

impl Input {
    /// The inputs that the arguments name; none means stdin.
    pub fn from_arguments(arguments: &[PathBuf]) -> Vec<Self> {
        let stdin = || Self { name: "(stdin)".to_owned(), path: None };
        if arguments.is_empty() {
            return vec![stdin()];
        }
        let one = |argument: &PathBuf| {
            if argument.as_os_str() == "-" {
                stdin()
            } else {
                Self { name: argument.display().to_string(), path: Some(argument.clone()) }
            }
        };
        arguments.iter().map(one).collect()
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// The file cannot be opened or is a directory.
    pub fn open(&self) -> Result<Box<dyn Read>> {
        match &self.path {
            None => Ok(Box::new(BufReader::with_capacity(BUFFER, io::stdin().lock()))),
            Some(path) => Ok(Box::new(BufReader::with_capacity(BUFFER, open_file(path)?))),
        }
    }

    /// The size in bytes, where it is known beforehand.
    pub fn size(&self) -> Option<u64> {
        let metadata = self.path.as_deref()?.metadata().ok()?;
        metadata.is_file().then_some(metadata.len())
    }
}

/// Opens a regular file.
///
/// # Errors
/// It cannot be opened, or is a directory.
pub fn open_file(path: &Path) -> Result<File> {
    let file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        bail!("{}: is a directory; name the files in it", path.display());
    }
    Ok(file)
}

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    Stdout,
    File(PathBuf),
}

impl Destination {
    /// `-` is stdout, anything else a file.
    pub fn from_argument(argument: &Path) -> Self {
        if argument.as_os_str() == "-" { Self::Stdout } else { Self::File(argument.to_owned()) }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => formatter.write_str("(stdout)"),
            Self::File(path) => path.display().fmt(formatter),
        }
    }
}

/// An output that is being written.
pub enum Output {
    Stdout(BufWriter<io::StdoutLock<'static>>),
    File { writer: BufWriter<NamedTempFile>, path: PathBuf, partial: Partial },
}

impl Output {
    /// Opens `destination`; `overwrite` allows to replace a file, `binary` refuses a terminal.
    ///
    /// # Errors
    /// The file exists, its directory cannot be written, or binary data would go to a terminal.
    pub fn create(destination: &Destination, overwrite: bool, binary: bool) -> Result<Self> {
        match destination {
            Destination::Stdout => {
                if binary && !overwrite && io::stdout().is_terminal() {
                    bail!(
                        "(stdout): compressed data is not written to a terminal; use -o FILE, redirect the output, or force it with -f"
                    );
                }
                Ok(Self::Stdout(BufWriter::with_capacity(BUFFER, io::stdout().lock())))
            }
            Destination::File(path) => {
                if path.is_dir() {
                    bail!("{}: is a directory; -o expects a file name", path.display());
                }
                if path.exists() && !overwrite {
                    bail!("{}: already exists; use -f to overwrite it or -o to choose another name", path.display());
                }
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let mut builder = tempfile::Builder::new();
                builder.prefix(".equalinfo-").suffix(".partial");
                #[cfg(unix)]
                {
                    use std::os::unix::fs::PermissionsExt;
                    // The usual mode of a new file, reduced by the umask; the crate's default is private.
                    builder.permissions(std::fs::Permissions::from_mode(0o666));
                }
                let file = builder
                    .tempfile_in(directory)
                    .with_context(|| format!("{}: cannot create a file in this directory", path.display()))?;
                let partial = Partial::new(file.path());
                Ok(Self::File { writer: BufWriter::with_capacity(BUFFER, file), path: path.clone(), partial })
            }
        }
    }

    /// Completes the output: flushes it and gives a file its name, permissions and time of `source`.
    ///
    /// # Errors
    /// The rest cannot be written or the file cannot be renamed.
    pub fn finish(self, source: Option<&Path>) -> Result<()> {
        match self {
            Self::Stdout(mut writer) => writer.flush().context("(stdout): cannot write"),
            Self::File { writer, path, partial } => {
                let name = path.display();
                let file = writer
                    .into_inner()
                    .map_err(io::IntoInnerError::into_error)
                    .with_context(|| format!("{name}: cannot write"))?;
                if let Some(metadata) =
                    source.and_then(|source| source.metadata().ok()).filter(std::fs::Metadata::is_file)
                {
                    // Best effort, as other compressors do: the content is what counts.
                    let _ = file.as_file().set_permissions(metadata.permissions());
                    if let Ok(modified) = metadata.modified() {
                        let _ = file.as_file().set_modified(modified);
                    }
                }
                file.persist(&path)
                    .map_err(|error| error.error)
                    .with_context(|| format!("{name}: cannot rename the finished output"))?;
                drop(partial);
                Ok(())
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(writer) => writer.write(bytes),
            Self::File { writer, .. } => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(writer) => writer.flush(),
            Self::File { writer, .. } => writer.flush(),
        }
    }
}

/// Writes a whole file under its name or not at all, in a directory that is made if need be.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("{}: cannot make this directory", directory.display()))?;
    }
    let mut output = Output::create(&Destination::File(path.to_owned()), true, true)?;
    output.write_all(bytes).with_context(|| format!("{}: cannot write", path.display()))?;
    output.finish(None)
}

/// Whether an error means that the reader of our output has gone: `equalinfo cat x.eqi | head`.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}
