//! Output through the debugger (semihosting): a probe or QEMU prints it. A product would use a display or a port.

use semihosting::fd::{AsFd, OwnedFd};
use semihosting::sys::arm_compat::{OpenMode, sys_open, sys_write_orig};

/// An output of the debugger.
#[derive(Debug)]
pub struct Output(OwnedFd);

impl Output {
    /// Standard output, for decoded text; `None` if the debugger has none.
    pub fn standard() -> Option<Self> {
        sys_open(c":tt", OpenMode::WRONLY_TRUNC).ok().map(Self)
    }

    /// Standard error, for log messages; `None` if the debugger has none.
    pub fn error() -> Option<Self> {
        sys_open(c":tt", OpenMode::WRONLY_APPEND).ok().map(Self)
    }

    /// Writes as many bytes as possible and ignores errors: the decoder has done its part.
    pub fn write(&self, bytes: &[u8]) {
        // No open file has the handle -1, for which `as_fd` would panic. Saying so here removes the panic.
        if self.0.as_raw_fd() != -1 {
            let _ = sys_write_orig(self.0.as_fd(), bytes);
        }
    }
}
