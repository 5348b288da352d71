//! Flash that is read in units, through `embedded-storage`.

use embedded_storage::ReadStorage;
use embedded_storage::nor_flash::{ErrorType, NorFlashErrorKind, ReadNorFlash, check_read};
use equalinfo_codec::storage::{NorFlash, Readable, Storage};

struct Units<'a, const UNIT: usize> {
    bytes: &'a [u8],
    reads: usize,
}

impl<const UNIT: usize> ErrorType for Units<'_, UNIT> {
    type Error = NorFlashErrorKind;
}

impl<const UNIT: usize> ReadNorFlash for Units<'_, UNIT> {
    const READ_SIZE: usize = UNIT;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        self.reads += 1;
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

fn every_range_of_units<const UNIT: usize>() {
    let bytes: Vec<u8> = (0..96).collect();
    for from in 0..bytes.len() {
        for end in from..=bytes.len() {
            let mut flash = NorFlash(Units::<UNIT> { bytes: &bytes, reads: 0 });
            let mut found = vec![0xff; end - from];
            flash.read(from as u32, &mut found).expect("it is aligned and within");
            assert_eq!(found, bytes[from..end]);
            assert!(flash.0.reads <= 3, "a unit at either end and all between");
        }
    }
    let mut flash = NorFlash(Units::<UNIT> { bytes: &bytes, reads: 0 });
    assert_eq!(flash.length(), Ok(96));
    assert_eq!(flash.read(90, &mut [0; 7]), Err(NorFlashErrorKind::OutOfBounds));
}

#[test]
fn every_range_is_read_in_units() {
    every_range_of_units::<1>();
    every_range_of_units::<4>();
    every_range_of_units::<32>();
}

#[test]
fn storage_of_the_crate_is_storage() {
    struct Bytes(Vec<u8>);

    impl ReadStorage for Bytes {
        type Error = ();

        fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), ()> {
            let from = self.0.get(offset as usize..).and_then(|rest| rest.get(..bytes.len())).ok_or(())?;
            bytes.copy_from_slice(from);
            Ok(())
        }

        fn capacity(&self) -> usize {
            self.0.len()
        }
    }

    let (mut storage, mut found) = (Readable(Bytes(vec![1, 2, 3, 4])), [0; 2]);
    assert_eq!((storage.length(), storage.read(1, &mut found), found), (Ok(4), Ok(()), [2, 3]));
    assert_eq!(storage.read(3, &mut found), Err(()));
}
