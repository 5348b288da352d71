//! Owner, permissions and times of a finished file.
//!
//! Invariant: a file is never open to anyone that its source was closed to, and never runs as its owner or group
//! (setuid, setgid): its content may be someone else's.

use std::fs::{File, Metadata};

/// Gives a file owner, permissions and time of `source`; without one, owner and permissions of what it replaces, or
/// the usual permissions of a new file. As far as the system allows: the content is what counts, and until this
/// succeeds only the owner can read it.
pub fn set(file: &File, source: Option<&Metadata>, replaced: Option<&Metadata>) {
    access(file, source.or(replaced));
    if let Some(modified) = source.and_then(|source| source.modified().ok()) {
        let _ = file.set_modified(modified);
    }
}

#[cfg(unix)]
fn access(file: &File, of: Option<&Metadata>) {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    let mode = match of {
        None => 0o666 & !umask(),
        Some(of) => {
            // Separately: a user may often give away the group, only root the owner.
            let _ = fchown(file, Some(of.uid()), None);
            let _ = fchown(file, None, Some(of.gid()));
            let has_group = file.metadata().is_ok_and(|file| file.gid() == of.gid());
            allowed(of.mode(), has_group)
        }
    };
    let _ = file.set_permissions(Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn access(file: &File, of: Option<&Metadata>) {
    if let Some(of) = of {
        let _ = file.set_permissions(of.permissions());
    }
}

/// What of a mode is kept. Another group than the source's may do only what everyone may.
#[cfg(unix)]
fn allowed(mode: u32, has_group: bool) -> u32 {
    let everyone = mode & 0o007;
    let group = if has_group { mode & 0o070 } else { mode & (everyone << 3) };
    mode & 0o700 | group | everyone
}

/// The permissions that new files of this process lack.
#[cfg(unix)]
fn umask() -> u32 {
    use rustix::fs::Mode;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let known = status.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("Umask:")?.trim(), 8).ok());
    known.unwrap_or_else(|| {
        // It can only be read by changing it; what other threads create meanwhile is private rather than open.
        let mask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
        rustix::process::umask(mask);
        #[allow(clippy::useless_conversion, reason = "the type of a mode differs between systems")]
        mask.bits().into()
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::allowed;

    #[test]
    fn modes_never_gain() {
        assert_eq!(allowed(0o100_644, true), 0o644);
        assert_eq!(allowed(0o104_755, true), 0o755);
        assert_eq!(allowed(0o102_770, true), 0o770);
        assert_eq!(allowed(0o640, false), 0o600);
        assert_eq!(allowed(0o664, false), 0o644);
        assert_eq!(allowed(0o604, false), 0o604);
    }
}
