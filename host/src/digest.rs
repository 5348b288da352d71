//! SHA-256 as files of this crate write it.

use sha2::{Digest, Sha256};

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of what a hash has been given, in hexadecimal digits.
pub fn finished(hash: Sha256) -> String {
    hex(&hash.finalize())
}
