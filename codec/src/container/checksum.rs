//! CRC-32 as in zip (ISO-HDLC): reflected polynomial 0xedb88320, initial value and final complement of all ones.

use core::fmt;
use crc::{CRC_32_ISO_HDLC, Crc, Digest};

/// Small machines have less flash to spare, 1 KiB for a table, than time.
#[cfg(target_pointer_width = "64")]
type Implementation = crc::Table<1>;
#[cfg(not(target_pointer_width = "64"))]
type Implementation = crc::NoTable;

static CRC: Crc<u32, Implementation> = Crc::<u32, Implementation>::new(&CRC_32_ISO_HDLC);

/// The checksum of a part.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// The checksum of two parts, one after the other.
pub(crate) fn checksum_of_both(first: &[u8], second: &[u8]) -> u32 {
    let mut checksum = Checksum::new();
    checksum.update(first);
    checksum.update(second);
    checksum.value()
}

/// The checksum of a part that comes in pieces.
#[derive(Clone)]
pub(crate) struct Checksum(Digest<'static, u32, Implementation>);

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
