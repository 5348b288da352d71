//! What lies in storage is the same, bit for bit, as in memory: texts, errors on damage, and that nothing is read twice
//! or beyond its end.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/flash.rs"]
mod flash;
#[cfg(feature = "embedded-storage")]
mod nor_flash;
mod streams;
mod strings;

#[cfg(feature = "embedded-io")]
#[test]
fn a_file_is_storage() {
    use embedded_io_adapters::std::FromStd;
    use equalinfo_codec::storage::{Seekable, Storage, StorageError};
    use equalinfo_codec::strings::{StoredStringTable, StringTableError};
    use std::fs::File;

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE-MIT");
    let text = std::fs::read(path).expect("the licence");
    let mut file = Seekable(FromStd::new(File::open(path).expect("the licence")));
    assert_eq!(file.length().expect("a length"), text.len() as u32);
    let mut piece = [0; 20];
    file.read(100, &mut piece).expect("twenty bytes");
    assert_eq!(piece, text[100..120]);
    assert!(file.read(text.len() as u32 - 19, &mut piece).is_err());
    let found: [u8; 4] = text[..4].try_into().expect("four bytes");
    let error = StoredStringTable::<_, 16>::load(&mut file, 0).map(|_| ()).expect_err("no table");
    assert!(matches!(error, StorageError::Content(StringTableError::Magic { found: other }) if other == found));
}
