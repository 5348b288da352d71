//! Compiled kernels on disk.
//!
//! A file's name is the hash of everything that determines the code, so an entry never goes stale. Its last 32 bytes
//! are the hash of all before them, so a damaged entry is recognised and ignored. Entries are written through a
//! temporary file: a reader sees a whole entry or nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const HASH_BYTES: usize = 32;

/// A folder of compiled kernels. A failure costs only time: what can't be read is compiled, and what can't be written
/// isn't kept.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in `folder`, which is created when something is stored.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The cache's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self, signature: &str, source: &str) -> PathBuf {
        let mut hash = Sha256::new();
        hash.update(signature);
        hash.update([0]);
        hash.update(source);
        let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{name}.cubin"))
    }

    /// The code of `source` compiled with `signature`, if it was stored.
    pub fn load(&self, signature: &str, source: &str) -> Option<Vec<u8>> {
        let file = self.file(signature, source);
        if !is_private(&self.folder) || !is_private(&file) {
            return None;
        }
        let mut bytes = std::fs::read(file).ok()?;
        let hash = bytes.split_off(bytes.len().checked_sub(HASH_BYTES)?);
        (Sha256::digest(&bytes)[..] == hash[..]).then_some(bytes)
    }

    /// Stores `cubin`.
    pub fn store(&self, signature: &str, source: &str, cubin: &[u8]) -> std::io::Result<()> {
        create_private(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(cubin)?;
        file.write_all(&Sha256::digest(cubin))?;
        file.persist(self.file(signature, source)).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Whether nobody but this user, or root, could have written it: what is stored here runs on the GPU.
#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    const WRITABLE_BY_OTHERS: u32 = 0o022;
    std::fs::metadata(path).is_ok_and(|metadata| {
        let is_own = metadata.uid() == rustix::process::geteuid().as_raw() || metadata.uid() == 0;
        is_own && metadata.mode() & WRITABLE_BY_OTHERS == 0
    })
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    true
}

/// Creates a folder and those above it that are missing, for this user alone.
fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_others_can_write_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("kernels"));
        cache.store("sm_90a", "source", b"code").unwrap();
        let allow = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        for (path, mode, private) in
            [(cache.file("sm_90a", "source"), 0o666, 0o600), (cache.folder.clone(), 0o777, 0o700)]
        {
            allow(&path, mode);
            assert_eq!(cache.load("sm_90a", "source"), None, "{}", path.display());
            allow(&path, private);
            assert_eq!(cache.load("sm_90a", "source").as_deref(), Some(&b"code"[..]));
        }
    }

    #[test]
    fn gives_back_what_was_stored_for_the_same_source_and_signature_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("kernels"));
        assert_eq!(cache.load("sm_90a", "source"), None);
        cache.store("sm_90a", "source", b"code").unwrap();
        assert_eq!(cache.load("sm_90a", "source").as_deref(), Some(&b"code"[..]));
        assert_eq!(cache.load("sm_80", "source"), None);
        assert_eq!(cache.load("sm_90a", "other"), None);
    }

    #[test]
    fn a_damaged_entry_is_none_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        cache.store("sm_90a", "source", b"code").unwrap();
        let file = cache.file("sm_90a", "source");
        let whole = std::fs::read(&file).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&file, &whole[..length]).unwrap();
            assert_eq!(cache.load("sm_90a", "source"), None, "{length} bytes");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&file, &damaged).unwrap();
            assert_eq!(cache.load("sm_90a", "source"), None, "byte {at}");
        }
        cache.store("sm_90a", "source", b"code").unwrap();
        assert_eq!(cache.load("sm_90a", "source").as_deref(), Some(&b"code"[..]));
    }
}
