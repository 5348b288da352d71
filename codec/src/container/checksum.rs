//! CRC-32 as in zip (ISO-HDLC): reflected polynomial 0xedb88320, initial value and final complement of all ones.

use core::fmt;
use crc::{CRC_32_ISO_HDLC, Crc, Digest};

static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The checksum of a part.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// The checksum of a part that comes in pieces.
#[derive(Clone)]
pub(crate) struct Checksum(Digest<'static, u32>);

impl Checksum {
    pub(crate) fn new() -> Self {
        Self(CRC.digest())
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
