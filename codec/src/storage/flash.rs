//! Flash through the traits of `embedded-storage`.

use super::Storage;
use embedded_storage::ReadStorage;
use embedded_storage::nor_flash::ReadNorFlash;

/// Storage of `embedded-storage`, which reads any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Readable<T>(pub T);

impl<T: ReadStorage> Storage for Readable<T> {
    type Error = T::Error;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), T::Error> {
        self.0.read(offset, bytes)
    }

    fn length(&mut self) -> Result<u32, T::Error> {
        Ok(u32::try_from(self.0.capacity()).unwrap_or(u32::MAX))
    }
}

/// The largest unit that flash may be read in.
const LARGEST_UNIT: usize = 32;

/// NOR flash of `embedded-storage`. Where it reads whole units (`READ_SIZE`, at most 32 bytes), those at either end are
/// read into a buffer on the stack first.
///
/// ```
/// use embedded_storage::nor_flash::{ErrorType, ReadNorFlash};
/// use equalinfo_codec::storage::{NorFlash, Storage};
///
/// struct Words<'a>(&'a [u8]);
///
/// impl ErrorType for Words<'_> {
///     type Error = core::convert::Infallible;
/// }
///
/// impl ReadNorFlash for Words<'_> {
///     const READ_SIZE: usize = 4;
///
///     fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
///         assert!(offset % 4 == 0 && bytes.len() % 4 == 0);
///         bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
///         Ok(())
///     }
///
///     fn capacity(&self) -> usize {
///         self.0.len()
///     }
/// }
///
/// let mut bytes = [0; 9];
/// NorFlash(Words(b"0123456789abcdef")).read(3, &mut bytes)?;
/// assert_eq!(&bytes, b"3456789ab");
/// # Ok::<(), core::convert::Infallible>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NorFlash<T>(pub T);

impl<T: ReadNorFlash> NorFlash<T> {
    const UNIT: usize = {
        assert!(T::READ_SIZE > 0 && T::READ_SIZE <= LARGEST_UNIT, "flash that is read in units of up to 32 bytes");
        T::READ_SIZE
    };
}

impl<T: ReadNorFlash> Storage for NorFlash<T> {
    type Error = T::Error;

    fn read(&mut self, mut offset: u32, bytes: &mut [u8]) -> Result<(), T::Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let behind = offset as usize % Self::UNIT;
            let (place, after) = if behind == 0 && rest.len() >= Self::UNIT {
                let whole = rest.len() - rest.len() % Self::UNIT;
                let (place, after) = rest.split_at_mut_checked(whole).unwrap_or_default();
                self.0.read(offset, place)?;
                (place, after)
            } else {
                let mut buffer = [0; LARGEST_UNIT];
                let unit = buffer.get_mut(..Self::UNIT).unwrap_or_default();
                self.0.read(offset.wrapping_sub(behind as u32), unit)?;
                let count = rest.len().min(Self::UNIT - behind);
                let (place, after) = rest.split_at_mut_checked(count).unwrap_or_default();
                place.iter_mut().zip(unit.iter().skip(behind)).for_each(|(place, &byte)| *place = byte);
                (place, after)
            };
            offset = offset.wrapping_add(place.len() as u32);
            rest = after;
        }
        Ok(())
    }

    fn length(&mut self) -> Result<u32, T::Error> {
        Ok(u32::try_from(self.0.capacity()).unwrap_or(u32::MAX))
    }
}
