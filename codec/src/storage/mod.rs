//! [`Storage`]: bytes that are read by calls, because no address reaches them: serial flash, an SD card, a file.
//!
//! Invariants: whoever reads storage here asks for nothing beyond [`Storage::length`], and keeps no more of it than a
//! buffer whose size the caller names. What is decoded is the same, bit for bit, as from a slice.
//!
//! * [`StoredStringTable`](crate::strings::StoredStringTable): texts of a table;
//! * [`StoredStream`](crate::container::StoredStream): blocks and windows of a stream;
//! * [`Decoder::read`](crate::container::Decoder::read): a stream from front to back.
//!
//! Models and lexicons are not read so: [`Model`](crate::m1::Model) and [`Lexicon`](crate::lexicon::Lexicon) borrow
//! their images, so flash that holds one must be mapped into memory (XIP), or the image copied to RAM. A byte of text
//! takes nearly all weights of a model, so every byte would cost the time to read the image; the decoder in C99 does
//! that where time allows (`codec/c99/README.md`, "External flash").
//!
//! Slices are storage. So are, with the feature `embedded-storage`, everything that implements its `ReadStorage`
//! (`Readable`) or `ReadNorFlash` (`NorFlash`), and with `embedded-io` everything that can be read and sought
//! (`Seekable`), such as files on an SD card or, through `embedded-io-adapters`, on a computer.

mod cursor;
#[cfg(feature = "embedded-storage")]
mod flash;
#[cfg(feature = "embedded-io")]
mod seekable;

pub use cursor::Cursor;
#[cfg(feature = "embedded-storage")]
pub use flash::{NorFlash, Readable};
#[cfg(feature = "embedded-io")]
pub use seekable::Seekable;

use core::fmt;

/// Bytes at offsets of 32 bits.
pub trait Storage {
    /// Why it cannot be read.
    type Error;

    /// Fills `bytes` with those from `offset` on.
    ///
    /// # Errors
    /// The storage fails, or it ends before.
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error>;

    /// The number of bytes that can be read; `u32::MAX` if there are more.
    ///
    /// # Errors
    /// The storage fails.
    fn length(&mut self) -> Result<u32, Self::Error>;
}

impl<S: Storage + ?Sized> Storage for &mut S {
    type Error = S::Error;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        (**self).read(offset, bytes)
    }

    fn length(&mut self) -> Result<u32, Self::Error> {
        (**self).length()
    }
}

impl Storage for &[u8] {
    type Error = OutOfBounds;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), OutOfBounds> {
        let error = OutOfBounds { expected: (offset as usize).saturating_add(bytes.len()), found: self.len() };
        let from = self.get(offset as usize..).and_then(|rest| rest.get(..bytes.len())).ok_or(error)?;
        for (place, &byte) in bytes.iter_mut().zip(from) {
            *place = byte;
        }
        Ok(())
    }

    fn length(&mut self) -> Result<u32, OutOfBounds> {
        Ok(u32::try_from(self.len()).unwrap_or(u32::MAX))
    }
}

/// A slice is shorter than what was to be read of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OutOfBounds {
    /// Where the bytes end that were to be read.
    pub expected: usize,
    /// Where the slice ends.
    pub found: usize,
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected at least {} bytes of storage, found {}", self.expected, self.found)
    }
}

impl core::error::Error for OutOfBounds {}

/// Something in storage cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StorageError<S, C> {
    /// The storage failed.
    Storage(S),
    /// What was read is damaged or not what was expected.
    Content(C),
}

impl<S, C> From<C> for StorageError<S, C> {
    fn from(content: C) -> Self {
        Self::Content(content)
    }
}

impl<S: fmt::Display, C: fmt::Display> fmt::Display for StorageError<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => error.fmt(f),
            Self::Content(error) => error.fmt(f),
        }
    }
}

impl<S: fmt::Debug + fmt::Display, C: fmt::Debug + fmt::Display> core::error::Error for StorageError<S, C> {}
