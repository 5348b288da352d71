//! Stdin, stdout and stderr, closed ones included.
//!
//! Before `main`, Rust's runtime opens `/dev/null` in the place of a standard stream that is closed, and its writers
//! take a closed or read-only stream for success: what is written there would be lost without a word. So which
//! streams are closed is looked at even earlier, and stdout is written to as a file.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

const BUFFER: usize = 1 << 17;

static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];
static FAILED: AtomicBool = AtomicBool::new(false);

#[cfg(unix)]
ctor::declarative::ctor! {
    /// Only system calls: nothing of the runtime is there yet.
    #[ctor(unsafe)]
    fn look_for_closed_streams() {
        let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        for (closed, stream) in CLOSED.iter().zip(streams) {
            closed.store(rustix::io::fcntl_getfd(stream).is_err(), Ordering::Relaxed);
        }
    }
}

fn closed(stream: usize) -> io::Result<()> {
    if CLOSED[stream].load(Ordering::Relaxed) {
        return Err(io::Error::other("it is closed"));
    }
    Ok(())
}

/// Whether stderr was closed when the process started.
pub fn error_is_closed() -> bool {
    closed(2).is_err()
}

/// Stdin.
///
/// # Errors
/// It is closed.
pub fn input() -> io::Result<impl Read> {
    closed(0)?;
    Ok(io::stdin().lock())
}

/// Stdout, as a file: every error is told, also when it is closed or open for reading only.
pub struct Stdout(Option<File>);

/// Stdout, buffered; what is left must be flushed.
pub fn output() -> BufWriter<Stdout> {
    BufWriter::with_capacity(BUFFER, Stdout::new())
}

/// Whether stdout could not be written to; then there is nothing left to do for further inputs.
pub fn output_failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

/// Writes all of `bytes` to stdout.
///
/// # Errors
/// It cannot be written.
pub fn print(bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
    use anyhow::Context;
    Stdout::new().write_all(bytes.as_ref()).context("(stdout): cannot write")
}

impl Stdout {
    #[cfg(unix)]
    fn new() -> Self {
        use std::os::fd::AsFd;
        Self(io::stdout().as_fd().try_clone_to_owned().ok().map(File::from))
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self(None)
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        closed(1)?;
        match &mut self.0 {
            Some(file) => file.write(bytes),
            None => io::stdout().write(bytes),
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                FAILED.store(true, Ordering::Relaxed);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.0 {
            Some(_) => Ok(()),
            None => io::stdout().flush(),
        }
    }
}
