//! Files and other sources that are read at a position, through the traits of `embedded-io`.

use super::Storage;
use embedded_io::{Read, ReadExactError, Seek, SeekFrom};

/// A source that can be sought: of `embedded-io`, such as a file of `embedded-sdmmc`, or a file on a computer as
/// `embedded_io_adapters::std::FromStd`. Its first 4 GiB can be read.
#[derive(Clone, Copy, Debug)]
pub struct Seekable<T>(pub T);

impl<T: Read + Seek> Storage for Seekable<T> {
    type Error = ReadExactError<T::Error>;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.seek(SeekFrom::Start(offset.into()))?;
        self.0.read_exact(bytes)
    }

    fn length(&mut self) -> Result<u32, Self::Error> {
        let length = self.0.seek(SeekFrom::End(0))?;
        Ok(u32::try_from(length).unwrap_or(u32::MAX))
    }
}
