//! The checksums of streams and images, and the id of an image.
//!
//! Invariant: every checksum in a format of this crate is a CRC-32 as in zip (ISO-HDLC: reflected polynomial
//! `edb88320`, initial value and final complement all ones), but that of the text in a stream, which is a CRC-32C
//! (iSCSI: `82f63b78`). A header and its checksum are a codeword of the one polynomial, so exchanging them for another
//! header and its checksum would not change the CRC-32 of a text that holds them, which any stored stream does.
//! Both catch accidents, not forgers.

use core::fmt;
use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, Crc, Digest};

/// A table makes it fast but takes 1 KiB of flash, which small machines can spare less than time.
#[cfg(target_pointer_width = "64")]
type Implementation = crc::Table<1>;
#[cfg(not(target_pointer_width = "64"))]
type Implementation = crc::NoTable;

static CRC: Crc<u32, Implementation> = Crc::<u32, Implementation>::new(&CRC_32_ISO_HDLC);
static TEXT: Crc<u32, Implementation> = Crc::<u32, Implementation>::new(&CRC_32_ISCSI);

/// The checksum of bytes that are all at hand.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// The checksum of the text of a block.
pub(crate) fn text_checksum(text: &[u8]) -> u32 {
    TEXT.checksum(text)
}

/// The checksum of bytes that arrive in pieces.
#[derive(Clone)]
pub(crate) struct Checksum(Digest<'static, u32, Implementation>);

impl Checksum {
    pub(crate) fn new() -> Self {
        Self(CRC.digest())
    }

    /// Of the text of a block.
    pub(crate) fn of_text() -> Self {
        Self(TEXT.digest())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u32 {
        self.0.clone().finalize()
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({:08x})", self.value())
    }
}

/// The checksum of two parts of an image: of a lexicon's first 16 bytes and its content, which is everything from
/// offset 20 on; of a model's header without the checksum itself.
pub fn image_checksum(head: &[u8], content: &[u8]) -> u32 {
    let mut checksum = Checksum::new();
    checksum.update(head);
    checksum.update(content);
    checksum.value()
}

/// The id of an image with this content, its 64-bit FNV-1a hash. The content of a model (`.m1q`) is everything from
/// offset 24 on, that of a lexicon (`.lex`) from offset 20 on.
pub fn image_id(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
