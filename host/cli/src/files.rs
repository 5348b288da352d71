//! Where bytes come from and go to: files, stdin, stdout.
//!
//! Invariant: an output file appears under its name only when it is complete ([`equalinfo::files`]), and before
//! anything is written, all inputs and outputs of a call are known to be different files ([`refuse_conflicts`]).

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use equalinfo::files::{self, FileError, NewFile, Place};

use super::messages::shown;
use super::say;
use super::standard::{self, Stdout};

const BUFFER: usize = 1 << 17;

/// An input: a file, or stdin for `-`.
#[derive(Debug, Clone)]
pub struct Input {
    /// How messages call it.
    pub name: String,
    /// The file's path; `None` for stdin.
    pub path: Option<PathBuf>,
}

/// An input that is being read.
pub enum Source {
    Stdin(Box<dyn Read>),
    File(File, Metadata),
}

impl Input {
    /// The input that an argument names.
    pub fn from_argument(argument: &Path) -> Self {
        if argument.as_os_str() == "-" {
            return Self { name: "(stdin)".to_owned(), path: None };
        }
        Self { name: shown(argument), path: Some(argument.to_owned()) }
    }

    /// The inputs that the arguments name; none means stdin.
    pub fn from_arguments(arguments: &[PathBuf]) -> Vec<Self> {
        if arguments.is_empty() {
            return vec![Self::from_argument(Path::new("-"))];
        }
        arguments.iter().map(|argument| Self::from_argument(argument)).collect()
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// The file cannot be opened or is a directory, or stdin is closed.
    pub fn open(&self) -> Result<Source> {
        match &self.path {
            None => Ok(Source::Stdin(Box::new(standard::input().context("(stdin): cannot read")?))),
            Some(path) => {
                let file = open_file(path)?;
                let metadata = file.metadata().with_context(|| format!("{}: cannot read", self.name))?;
                Ok(Source::File(file, metadata))
            }
        }
    }

    /// Opens a stream for reading at any place; stdin and pipes are copied into a temporary file without a name, but no
    /// further than their first bytes where those are of no stream: a device may have no end.
    ///
    /// # Errors
    /// As [`Self::open`], or there is no room for the copy.
    pub fn open_seekable(&self) -> Result<File> {
        match self.open()? {
            Source::File(file, metadata) if metadata.is_file() => Ok(file),
            source => {
                let mut copy = tempfile::tempfile().context("cannot create a temporary file")?;
                copy_stream(&mut source.reader(), &mut copy)
                    .with_context(|| format!("{}: cannot copy to a temporary file", self.name))?;
                Ok(copy)
            }
        }
    }

    /// Removes the file that was read and whose output is complete; whatever is not that file stays.
    ///
    /// # Errors
    /// The file has changed since, or cannot be removed.
    pub fn remove(&self, read: Option<&Metadata>) -> Result<()> {
        let (Some(path), Some(read)) = (&self.path, read) else { return Ok(()) };
        let now = path.symlink_metadata().with_context(|| format!("{}: cannot remove", self.name))?;
        if !now.is_file() {
            say!("equalinfo: {}: not removed, as it is not a regular file", self.name);
            return Ok(());
        }
        ensure!(is_unchanged(read, &now), "{}: not removed, as it has changed since it was opened", self.name);
        fs::remove_file(path).with_context(|| format!("{}: cannot remove", self.name))
    }
}

fn copy_stream(reader: &mut dyn Read, copy: &mut File) -> io::Result<()> {
    let mut magic = Vec::new();
    reader.take(4).read_to_end(&mut magic)?;
    copy.write_all(&magic)?;
    if is_stream(&magic) {
        io::copy(reader, copy)?;
    }
    Ok(())
}

/// Whether these bytes begin a stream of any version.
pub fn is_stream(start: &[u8]) -> bool {
    start.starts_with(b"\x93EQ")
}

fn is_unchanged(read: &Metadata, now: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if (read.dev(), read.ino()) != (now.dev(), now.ino()) {
            return false;
        }
    }
    read.len() == now.len() && read.modified().ok() == now.modified().ok()
}

impl Source {
    /// What is known of the file; `None` for stdin.
    pub fn metadata(&self) -> Option<&Metadata> {
        match self {
            Self::Stdin(_) => None,
            Self::File(_, metadata) => Some(metadata),
        }
    }

    /// The size in bytes, where it is known beforehand.
    pub fn size(&self) -> Option<u64> {
        self.metadata().filter(|metadata| metadata.is_file()).map(Metadata::len)
    }

    /// Its bytes.
    pub fn reader(self) -> Box<dyn Read> {
        match self {
            Self::Stdin(reader) => Box::new(BufReader::with_capacity(BUFFER, reader)),
            Self::File(file, _) => Box::new(BufReader::with_capacity(BUFFER, file)),
        }
    }
}

/// Opens a file.
///
/// # Errors
/// It cannot be opened, or is a directory.
pub fn open_file(path: &Path) -> Result<File> {
    files::open(path).map_err(|error| match error {
        FileError::IsDirectory { path } => {
            anyhow!("{}: is a directory; name the files in it, or use -r", path.display())
        }
        error => error.into(),
    })
}

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    Stdout,
    File(PathBuf),
}

/// Names of stdout. Opened anew, a file would be written from its beginning, whatever it holds already.
const STDOUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

impl Destination {
    /// `-` is stdout, anything else a file.
    pub fn from_argument(argument: &Path) -> Self {
        if STDOUT.iter().any(|name| argument.as_os_str() == *name) {
            Self::Stdout
        } else {
            Self::File(argument.to_owned())
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => formatter.write_str("(stdout)"),
            Self::File(path) => formatter.write_str(&shown(path)),
        }
    }
}

/// An output that is being written.
pub struct Output {
    target: Target,
    name: String,
    /// Whether it could not be written to.
    has_failed: bool,
}

enum Target {
    Stdout(BufWriter<Stdout>),
    File(NewFile),
}

impl Output {
    /// Opens `destination`; `overwrite` allows to replace a file, `binary` refuses a terminal.
    ///
    /// # Errors
    /// The file exists, its directory cannot be written, or binary data would go to a terminal.
    pub fn create(destination: &Destination, overwrite: bool, binary: bool) -> Result<Self> {
        let target = match destination {
            Destination::Stdout => {
                if binary && !overwrite && io::stdout().is_terminal() {
                    bail!(
                        "(stdout): binary data is not written to a terminal; use -o FILE, redirect the output, or force it with -f"
                    );
                }
                Target::Stdout(standard::output())
            }
            Destination::File(path) => Target::File(NewFile::create(path, overwrite).map_err(explained)?),
        };
        Ok(Self { target, name: destination.to_string(), has_failed: false })
    }

    /// Whether it becomes a regular file.
    pub fn is_regular_file(&self) -> bool {
        matches!(&self.target, Target::File(file) if file.is_regular())
    }

    /// The result of work that read an input and wrote here: an error of this side gets this name.
    ///
    /// # Errors
    /// That of the work.
    pub fn named<T>(&self, result: Result<T>) -> Result<T> {
        if self.has_failed { result.with_context(|| self.name.clone()) } else { result }
    }

    /// Completes the output: flushes it, or puts a file on disk, with owner, permissions and time of `source`, and
    /// gives it its name.
    ///
    /// # Errors
    /// The rest cannot be written or the file cannot be named.
    pub fn finish(self, source: Option<&Metadata>) -> Result<()> {
        match self.target {
            Target::Stdout(mut writer) => writer.flush().context("(stdout): cannot write"),
            Target::File(file) => file.finish(source).map_err(explained),
        }
    }
}

/// The library's error, with the options that help.
fn explained(error: FileError) -> anyhow::Error {
    match error {
        FileError::IsDirectory { path } => anyhow!("{}: is a directory; -o expects a file name", path.display()),
        FileError::Exists { path } => {
            anyhow!("{}: already exists; use -f to overwrite it or -o to choose another name", path.display())
        }
        error => error.into(),
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.target {
            Target::Stdout(writer) => writer.write(bytes),
            Target::File(file) => file.write(bytes),
        };
        self.has_failed |= written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = match &mut self.target {
            Target::Stdout(writer) => writer.flush(),
            Target::File(file) => file.flush(),
        };
        self.has_failed |= flushed.is_err();
        flushed
    }
}

/// Writes a whole file, or stdout for `-`.
///
/// # Errors
/// As [`Output::create`], or it cannot be written.
pub fn write(path: &Path, overwrite: bool, binary: bool, bytes: &[u8]) -> Result<()> {
    let destination = Destination::from_argument(path);
    let mut output = Output::create(&destination, overwrite, binary)?;
    let written = output.write_all(bytes).context("cannot write");
    output.named(written)?;
    output.finish(None)
}

/// Refuses a call in which a file is read and written, or written twice, whatever it is called: overwriting is
/// allowed for what was there before, not for what this call reads or makes.
///
/// # Errors
/// There is such a file.
pub fn refuse_conflicts<'a>(
    inputs: impl IntoIterator<Item = &'a Input>,
    outputs: impl IntoIterator<Item = &'a Destination>,
) -> Result<()> {
    let mut read: HashMap<Place, String> = HashMap::new();
    for input in inputs {
        let place = input.path.as_deref().map_or_else(stdin_place, Place::of);
        read.extend(place.map(|place| (place, input.name.clone())));
    }
    let mut written: HashMap<Place, String> = HashMap::new();
    for output in outputs {
        let (place, name) = match output {
            Destination::Stdout => (stdout_place(), output.to_string()),
            Destination::File(path) => (Place::of(path), shown(path)),
        };
        let Some(place) = place else { continue };
        if let Some(input) = read.get(&place) {
            let same = if *input == name { String::new() } else { format!(" (read as {input})") };
            bail!("{name}{same}: is an input of this command, which is never overwritten; choose another output");
        }
        // Several texts go to stdout one after the other.
        if let Some(other) = written.insert(place, name.clone())
            && *output != Destination::Stdout
        {
            let same = if other == name { String::new() } else { format!(" (also written as {other})") };
            bail!("{name}{same}: would be written twice by this command; give each input an output of its own");
        }
    }
    Ok(())
}

/// Refuses an output that is one of the files that a command reads.
///
/// # Errors
/// It is.
pub fn refuse_output<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let inputs: Vec<Input> = inputs.into_iter().map(Input::from_argument).collect();
    refuse_conflicts(&inputs, [&Destination::from_argument(output)])
}

#[cfg(unix)]
fn stdin_place() -> Option<Place> {
    Place::of_open(io::stdin())
}

#[cfg(unix)]
fn stdout_place() -> Option<Place> {
    Place::of_open(io::stdout())
}

#[cfg(not(unix))]
fn stdin_place() -> Option<Place> {
    None
}

#[cfg(not(unix))]
fn stdout_place() -> Option<Place> {
    None
}

/// Whether an error means that the reader of our output has gone: `equalinfo cat x.eqi | head`.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}
