//! Output through the debugger (semihosting): a probe or QEMU prints it. A product has a display or a port here.

use semihosting::fd::{AsFd, OwnedFd};
use semihosting::sys::arm_compat::{OpenMode, sys_open, sys_write_orig};

/// An output of the debugger.
#[derive(Debug)]
pub struct Output(OwnedFd);

impl Output {
    /// Standard output, for decoded text. `None`: the debugger has none.
    pub fn standard() -> Option<Self> {
        sys_open(c":tt", OpenMode::WRONLY_TRUNC).ok().map(Self)
    }

    /// Standard error, for log messages. `None`: the debugger has none.
    pub fn error() -> Option<Self> {
        sys_open(c":tt", OpenMode::WRONLY_APPEND).ok().map(Self)
    }

    /// Writes bytes as well as can be: whatever fails here, the decoder has done its part.
    pub fn write(&self, bytes: &[u8]) {
        // No open file has the handle -1, and `as_fd` would panic for it. To say so here removes the panic.
        if self.0.as_raw_fd() != -1 {
            let _ = sys_write_orig(self.0.as_fd(), bytes);
        }
    }
}
