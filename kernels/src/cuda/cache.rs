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
        let mut bytes = std::fs::read(self.file(signature, source)).ok()?;
        let hash = bytes.split_off(bytes.len().checked_sub(HASH_BYTES)?);
        (Sha256::digest(&bytes)[..] == hash[..]).then_some(bytes)
    }

    /// Stores `cubin`.
    pub fn store(&self, signature: &str, source: &str, cubin: &[u8]) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(cubin)?;
        file.write_all(&Sha256::digest(cubin))?;
        file.persist(self.file(signature, source)).map_err(|error| error.error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
