//! Whether two names are one file.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::new_file::directory_of;

/// Where a name leads: equal for two names of one file, through links of both kinds, also when it does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file, or the directory that it would be created in.
    node: Node,
    /// The name that it would have there.
    new: Option<std::ffi::OsString>,
}

#[cfg(unix)]
type Node = (u64, u64);
#[cfg(not(unix))]
type Node = PathBuf;

impl Place {
    /// The place of a name; `None` if nothing can be created there, or it is a character device (a terminal,
    /// `/dev/null`), which can be read and written at once without harm.
    pub fn of(path: &Path) -> Option<Self> {
        match path.metadata() {
            Ok(metadata) if is_character_device(&metadata) => None,
            Ok(metadata) => Some(Self { node: node(path, &metadata)?, new: None }),
            Err(_) => {
                let path = followed(path);
                let directory = directory_of(&path);
                let node = node(directory, &directory.metadata().ok()?)?;
                Some(Self { node, new: Some(path.file_name()?.to_owned()) })
            }
        }
    }

    /// The place of an open file; `None` for devices, and for pipes and sockets, whose two ends are different places.
    #[cfg(unix)]
    pub fn of_open(file: impl std::os::fd::AsFd) -> Option<Self> {
        let file = std::fs::File::from(file.as_fd().try_clone_to_owned().ok()?);
        let metadata = file.metadata().ok().filter(Metadata::is_file)?;
        Some(Self { node: node(Path::new(""), &metadata)?, new: None })
    }
}

/// Where a link that leads nowhere leads.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        let Ok(next) = path.read_link() else { break };
        path = directory_of(&path).join(next);
    }
    path
}

#[cfg(unix)]
fn node(_: &Path, metadata: &Metadata) -> Option<Node> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn node(path: &Path, _: &Metadata) -> Option<Node> {
    path.canonicalize().ok()
}

#[cfg(unix)]
fn is_character_device(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_char_device()
}

#[cfg(not(unix))]
fn is_character_device(_: &Metadata) -> bool {
    false
}
