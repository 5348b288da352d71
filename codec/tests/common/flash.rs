//! Flash that counts what is read of it and fails when told.
#![allow(dead_code)] // Each test binary uses its own part.

use equalinfo_codec::storage::Storage;

/// Why [`Flash`] could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken;

/// Bytes behind an interface.
#[derive(Clone, Debug)]
pub struct Flash {
    pub bytes: Vec<u8>,
    /// Calls so far, and the longest of them.
    pub reads: usize,
    pub longest: usize,
    /// The call that fails, counted from 0; the following ones succeed.
    pub fails_at: Option<usize>,
}

impl Flash {
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), reads: 0, longest: 0, fails_at: None }
    }
}

impl Storage for Flash {
    type Error = Broken;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Broken> {
        let number = self.reads;
        self.reads += 1;
        self.longest = self.longest.max(bytes.len());
        if self.fails_at == Some(number) {
            return Err(Broken);
        }
        // Nobody asks for what is not there.
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn length(&mut self) -> Result<u32, Broken> {
        Ok(self.bytes.len() as u32)
    }
}
