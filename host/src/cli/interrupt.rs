//! Ctrl-C (and termination): partial outputs are removed before the process ends.
//!
//! Invariant: a file listed in `PARTIAL` is either unfinished or already renamed away, so removing it can
//! never take a finished output.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Exit code after Ctrl-C: 128 + SIGINT, as a shell reports it.
pub const INTERRUPTED: i32 = 130;

static PARTIAL: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static GRACEFUL: AtomicBool = AtomicBool::new(false);
static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Starts to watch for Ctrl-C. Called once, by `main`.
///
/// # Errors
/// The system refuses the handler.
pub fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        let again = REQUESTED.swap(true, Ordering::SeqCst);
        if GRACEFUL.load(Ordering::SeqCst) && !again {
            return;
        }
        for path in PARTIAL.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // Already renamed or removed: nothing is left to do.
            let _ = fs::remove_file(path);
        }
        std::process::exit(INTERRUPTED);
    })
}

/// From now on the first Ctrl-C only makes [`requested`] true, so that long work can save its state; a second one ends the process.
pub fn make_graceful() {
    GRACEFUL.store(true, Ordering::SeqCst);
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Marks a file as unfinished for as long as the value lives.
pub struct Partial(PathBuf);

impl Partial {
    /// Removes `path` on Ctrl-C.
    pub fn new(path: &Path) -> Self {
        PARTIAL.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        PARTIAL.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| *path != self.0);
    }
}
