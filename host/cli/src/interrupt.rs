//! Ctrl-C, termination and hang-up: partial outputs are removed before the process ends.
//!
//! A signal that was ignored when the process started stays ignored: `nohup` and a shell's background jobs ask for it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::say;

/// What a shell adds to the number of a signal that ended a process.
const SIGNALLED: u8 = 128;
const CTRL_C: u8 = 2;

static GRACEFUL: AtomicBool = AtomicBool::new(false);
static REQUESTED: AtomicBool = AtomicBool::new(false);
static SIGNAL: AtomicU8 = AtomicU8::new(CTRL_C);

/// Starts to watch for signals. Called once, by `main`.
///
/// # Errors
/// The system refuses the handler or its thread.
#[cfg(unix)]
pub fn install() -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let ignored = ignored();
    let watched = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = signal_hook::iterator::Signals::new(watched)?;
    let handle = signals.handle();
    let watch = move || signals.forever().for_each(|signal| received(signal as u8));
    std::thread::Builder::new().name("signals".into()).spawn(watch).inspect_err(|_| handle.close())?;
    Ok(())
}

/// The signals that are ignored, one bit each; none where the system does not say.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Starts to watch for Ctrl-C. Called once, by `main`.
///
/// # Errors
/// The system refuses the handler.
#[cfg(not(unix))]
pub fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| received(CTRL_C))
}

fn received(signal: u8) {
    SIGNAL.store(signal, Ordering::SeqCst);
    let again = REQUESTED.swap(true, Ordering::SeqCst);
    if GRACEFUL.load(Ordering::SeqCst) && !again {
        say!("equalinfo: stopping after this step and saving; press Ctrl-C again to quit at once");
        return;
    }
    equalinfo::files::remove_unfinished();
    super::spool::remove();
    std::process::exit(code().into());
}

/// From now on the first Ctrl-C only makes [`requested`] true, so that long work can save its state; a second one
/// ends the process.
pub fn make_graceful() {
    GRACEFUL.store(true, Ordering::SeqCst);
}

/// From now on a first Ctrl-C ends the process again: there is nothing to save.
pub fn make_abrupt() {
    GRACEFUL.store(false, Ordering::SeqCst);
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// The exit code after a signal, as a shell reports it.
pub fn code() -> u8 {
    SIGNALLED + SIGNAL.load(Ordering::SeqCst)
}
