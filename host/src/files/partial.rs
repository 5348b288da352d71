//! Where the content of an output lies until it has its name.
//!
//! On Linux it has no name at all where the filesystem allows (`O_TMPFILE`), so that the kernel removes it with the
//! process. Elsewhere it has a name that follows from the output's, with a lock on it: a file of such a name that
//! nobody has locked was left by a process that was killed, and is removed by the next one that writes this output.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::new_file::directory_of;

/// How many processes can write one output at once.
const SLOTS: usize = 100;

/// Bytes of the output's name in that of its partial file, which fits filesystems with names of 140 bytes and more.
const LONGEST_NAME: usize = 100;

/// Content on its way to a name.
pub struct Partial {
    file: File,
    /// Its name until then, if it has one.
    named: Option<Named>,
}

impl Partial {
    /// An empty one for the output `path`, private to its owner.
    pub fn create(path: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(file) = unnamed(directory_of(path)) {
            return Ok(Self { file, named: None });
        }
        Self::create_named(path)
    }

    /// One with a name, for filesystems without unnamed files.
    pub fn create_named(path: &Path) -> io::Result<Self> {
        remove_strays(path);
        for slot in 0..SLOTS {
            let name = slot_name(path, slot);
            match private().create_new(true).open(&name) {
                Ok(file) => {
                    // Another process may have taken it for a stray before it was locked, and remove it. Where a
                    // filesystem has no locks, nobody removes strays.
                    let taken = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
                    if !taken && is_at(&file, &name) {
                        return Ok(Self { file, named: Some(Named::new(name)) });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("too many processes are writing this file"))
    }

    /// The content.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name, in the place of another file only with `replace`.
    pub fn publish(self, path: &Path, replace: bool) -> io::Result<()> {
        let Self { file, named } = self;
        match named {
            Some(named) if replace => named.rename(|from| fs::rename(from, path)),
            Some(named) => named.rename(|from| rename_new(from, path)),
            None => publish_unnamed(&file, path, replace),
        }
    }
}

/// A file without a name, where there is such a thing and it can be given one later.
#[cfg(target_os = "linux")]
fn unnamed(directory: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::TMPFILE.bits() as i32;
    let file = OpenOptions::new().write(true).mode(0o600).custom_flags(flags).open(directory).ok()?;
    own_link(&file).symlink_metadata().is_ok().then_some(file)
}

/// The link to an open file that the kernel keeps.
#[cfg(target_os = "linux")]
fn own_link(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(target_os = "linux")]
fn publish_unnamed(file: &File, path: &Path, replace: bool) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    let link = |name: &Path| -> io::Result<()> { Ok(linkat(CWD, own_link(file), CWD, name, AtFlags::SYMLINK_FOLLOW)?) };
    match link(path) {
        // Only a rename can replace a file, and only a file with a name can be renamed.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && replace => {}
        result => return result,
    }
    remove_strays(path);
    // Locked, so that no other process takes it for a stray. Not every filesystem has locks; then there are no strays.
    let _ = file.try_lock();
    for slot in 0..SLOTS {
        let name = slot_name(path, slot);
        match link(&name) {
            Ok(()) => return Named::new(name).rename(|from| fs::rename(from, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many processes are writing this file"))
}

#[cfg(not(target_os = "linux"))]
fn publish_unnamed(_: &File, _: &Path, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Renames a file, but not over another one.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // The filesystem or the kernel does not have it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            result => return Ok(result?),
        }
    }
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Nor hard links: the name is taken by an empty file of our own, which may then be replaced.
        Err(_) => {
            OpenOptions::new().write(true).create_new(true).open(to)?;
            fs::rename(from, to).inspect_err(|_| {
                let _ = fs::remove_file(to);
            })
        }
    }
}

/// How files are opened that only their owner can read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// The name of a partial file.
fn slot_name(path: &Path, slot: usize) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let end = (0..=LONGEST_NAME.min(name.len())).rfind(|&end| name.is_char_boundary(end)).unwrap_or(0);
    directory_of(path).join(format!(".{}.equalinfo-{slot}.partial", &name[..end]))
}

/// Removes the partial files of this output that killed processes have left.
fn remove_strays(path: &Path) {
    let names = (0..SLOTS).map(|slot| slot_name(path, slot));
    for name in names.take_while(|name| name.symlink_metadata().is_ok()) {
        // Whoever holds the lock is still writing; where that cannot be known, the file stays.
        if let Some(file) = open_stray(&name)
            && file.try_lock().is_ok()
            && is_at(&file, &name)
        {
            let _ = fs::remove_file(&name);
        }
    }
}

/// A file that may be a stray one of this user's.
#[cfg(unix)]
fn open_stray(name: &Path) -> Option<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(name).ok()?;
    let metadata = file.metadata().ok()?;
    (metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw()).then_some(file)
}

#[cfg(not(unix))]
fn open_stray(name: &Path) -> Option<File> {
    OpenOptions::new().read(true).open(name).ok()
}

/// Whether an open file still has this name.
fn is_at(file: &File, name: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (Ok(open), Ok(named)) = (file.metadata(), name.symlink_metadata()) else { return false };
        (open.dev(), open.ino()) == (named.dev(), named.ino())
    }
    #[cfg(not(unix))]
    {
        file.metadata().is_ok() && name.symlink_metadata().is_ok()
    }
}

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the partial files of everything that is being written: for a process that ends on a signal.
pub fn remove_unfinished() {
    let mut names = unfinished();
    for name in names.drain(..) {
        let _ = fs::remove_file(name);
    }
}

/// The name of a partial file, which is removed unless it was renamed.
struct Named(PathBuf);

impl Named {
    fn new(name: PathBuf) -> Self {
        unfinished().push(name.clone());
        Self(name)
    }

    /// Renames it. A signal finds it before or after, never in between: by then another process could have the name.
    fn rename(self, rename: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let mut names = unfinished();
        rename(&self.0)?;
        names.retain(|name| *name != self.0);
        Ok(())
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let mut names = unfinished();
        let before = names.len();
        names.retain(|name| *name != self.0);
        // Whatever is no longer in the list has been renamed or removed.
        if names.len() < before {
            let _ = fs::remove_file(&self.0);
        }
    }
}
