//! String tables in storage.

use crate::common::{HashModel, Random};
use crate::flash::{Broken, Flash};
use equalinfo_codec::checksum::image_checksum;
use equalinfo_codec::container::ModelIdentity;
use equalinfo_codec::raw::{PayloadError, PayloadLayout, encode};
use equalinfo_codec::storage::StorageError;
use equalinfo_codec::strings::{StoredStringTable, StringError, StringTable, StringTableError, WithIdentity};

const IDENTITY: ModelIdentity = ModelIdentity { id: 0x1234_5678, context: 64 };
const NAMES: [&str; 3] = ["en", "de-AT", ""];
const STRINGS: u16 = 20;
/// The parameter of the index.
const PARAMETER: u8 = 2;

fn coder() -> WithIdentity<HashModel> {
    WithIdentity { model: HashModel::new(7, 200), identity: IDENTITY }
}

/// Texts of 0 to 60 bytes, some of which the model would make longer.
fn texts() -> Vec<Vec<u8>> {
    let (mut random, mut model) = (Random::new(5), HashModel::new(7, 200));
    (0..usize::from(STRINGS) * NAMES.len())
        .map(|number| {
            let length = random.below(61) as usize;
            if number % 5 == 0 {
                (0..length).map(|_| b' ' + random.below(90) as u8).collect()
            } else {
                model.sample(&mut random, length)
            }
        })
        .collect()
}

/// The table, field by field as `docs/string-table.md` has them.
fn blob(texts: &[Vec<u8>]) -> Vec<u8> {
    let (mut codes, mut bits) = (Vec::<u8>::new(), Vec::new());
    for text in texts {
        let mut code = [0; 80];
        let length = encode(&mut coder().model, PayloadLayout::Message, text, &mut code).expect("there is room");
        codes.extend(&code[..length]);
        bits.extend(std::iter::repeat_n(true, length >> PARAMETER));
        bits.push(false);
        bits.extend((0..PARAMETER).rev().map(|bit| length >> bit & 1 == 1));
    }
    let index: Vec<u8> = bits
        .chunks(8)
        .map(|bits| bits.iter().zip([7, 6, 5, 4, 3, 2, 1, 0]).map(|(&bit, at)| u8::from(bit) << at).sum())
        .collect();
    let mut blob = b"EQT1\0\0\0\0\0\0\0\0".to_vec();
    blob.extend(IDENTITY.id.to_le_bytes());
    blob.extend(IDENTITY.context.to_le_bytes());
    blob.extend(STRINGS.to_le_bytes());
    blob.extend([NAMES.len() as u8, PARAMETER, 60, 0]);
    blob.extend((index.len() as u16).to_le_bytes());
    for name in NAMES {
        blob.push(name.len() as u8);
        blob.extend(name.bytes());
    }
    blob.extend(index);
    blob.extend(codes);
    seal(&mut blob);
    blob
}

/// Sets length and checksum.
fn seal(blob: &mut [u8]) {
    let length = blob.len() as u32;
    blob[4..8].copy_from_slice(&length.to_le_bytes());
    let checksum = image_checksum(&blob[..8], &blob[12..]);
    blob[8..12].copy_from_slice(&checksum.to_le_bytes());
}

/// Every text of a table, or why it has none.
type Texts = Vec<Result<Vec<u8>, StringError>>;

fn all_of_slice(table: &StringTable) -> Texts {
    let mut coder = coder();
    places().map(|(language, id)| table.get(&mut coder, language, id, &mut [0; 60]).map(<[u8]>::to_vec)).collect()
}

fn all_of_storage<const BUFFER: usize>(table: &mut StoredStringTable<Flash, BUFFER>) -> Texts {
    let mut coder = coder();
    let mut get = |language, id| match table.get(&mut coder, language, id, &mut [0; 60]) {
        Ok(text) => Ok(text.to_vec()),
        Err(StorageError::Content(error)) => Err(error),
        Err(StorageError::Storage(Broken)) => panic!("the flash works"),
    };
    places().map(|(language, id)| get(language, id)).collect()
}

/// All places of the table, and some outside of it.
fn places() -> impl Iterator<Item = (u8, u16)> {
    (0..=NAMES.len() as u8).flat_map(|language| (0..=STRINGS).map(move |id| (language, id)))
}

/// Compares a table in a slice with the same bytes in storage, behind others and ahead of others.
fn compare<const BUFFER: usize>(blob: &[u8], trusting: bool) {
    let stored = [b"ahead of it", blob].concat();
    let slice = if trusting { StringTable::load_trusting(blob) } else { StringTable::load(blob) };
    let flash = Flash::new(&stored);
    let storage = if trusting {
        StoredStringTable::<_, BUFFER>::load_trusting(flash, 11)
    } else {
        StoredStringTable::<_, BUFFER>::load(flash, 11)
    };
    match (slice, storage) {
        (Ok(slice), Ok(mut storage)) => {
            assert_eq!(all_of_slice(&slice), all_of_storage(&mut storage));
            assert_eq!(slice.sizes(), storage.sizes());
            for name in ["en", "de-AT", "de", "", "de-ATX"] {
                assert_eq!(Ok(slice.language(name)), storage.language(name), "{name}");
            }
        }
        (Err(slice), Err(storage)) => assert_eq!(storage, StorageError::Content(slice)),
        (slice, storage) => panic!("{slice:?} in a slice and {:?} in storage", storage.map(|_| ())),
    }
}

#[test]
fn texts_are_those_of_a_slice() {
    let texts = texts();
    let mut blob = blob(&texts);
    let table = StringTable::load(&blob).expect("a table");
    let found: Vec<Vec<u8>> = all_of_slice(&table).into_iter().flatten().collect();
    assert_eq!(found, texts);
    blob.extend(b"more flash");
    compare::<1>(&blob, false);
    compare::<7>(&blob, false);
    compare::<64>(&blob, false);
}

#[test]
fn errors_are_those_of_a_slice() {
    let blob = blob(&texts());
    for place in (0..blob.len()).step_by(crate::common::stride()) {
        let mut damaged = blob.clone();
        damaged[place] ^= 1 << (place % 8);
        compare::<16>(&damaged, false);
        if place < 110 {
            // Header, names and index; a checksum that agrees leaves the other checks to be compared.
            compare::<16>(&damaged, true);
            if !(4..12).contains(&place) {
                seal(&mut damaged);
                compare::<16>(&damaged, false);
            }
        }
        compare::<16>(&blob[..place], false);
    }
}

#[test]
fn a_lookup_reads_the_index_and_a_code() {
    let texts = texts();
    let mut flash = Flash::new(&blob(&texts));
    for (number, text) in texts.iter().enumerate() {
        let (language, id) = (number / usize::from(STRINGS), number % usize::from(STRINGS));
        flash.reads = 0;
        let mut table = StoredStringTable::<_, 32>::load_trusting(&mut flash, 0).expect("a table");
        assert_eq!(table.get(&mut coder(), language as u8, id as u16, &mut [0; 60]), Ok(&text[..]));
        // The header, the names, and a code of up to 61 bytes.
        let most = 2 + table.sizes().1.div_ceil(32) + 2;
        assert!(flash.reads <= most && flash.longest <= 32, "{} reads for text {number}", flash.reads);
    }
}

#[test]
fn failures_of_the_flash_come_through() {
    let texts = texts();
    let blob = blob(&texts);
    let mut flash = Flash::new(&blob);
    StoredStringTable::<_, 16>::load(&mut flash, 0).expect("a table");
    for number in 0..flash.reads {
        let broken = Flash { fails_at: Some(number), ..Flash::new(&blob) };
        let error = StoredStringTable::<_, 16>::load(broken, 0).expect_err("the flash fails");
        assert_eq!(error, StorageError::Storage(Broken));
    }
    let (mut coder, mut buffer) = (coder(), [0; 60]);
    let number = 33;
    let (language, id) = (number / usize::from(STRINGS), number % usize::from(STRINGS));
    let mut failures = 0;
    for fails_at in 3..100 {
        let mut table =
            StoredStringTable::<_, 16>::load_trusting(Flash { fails_at: Some(fails_at), ..Flash::new(&blob) }, 0)
                .expect("header and names take three reads");
        let first = table.get(&mut coder, language as u8, id as u16, &mut buffer).map(<[u8]>::to_vec);
        if first == Err(StorageError::Storage(Broken)) {
            failures += 1;
        } else {
            assert_eq!(first.as_ref(), Ok(&texts[number]));
        }
        // Whether or not it failed, the next lookup is whole.
        if table.into_storage().reads > fails_at {
            continue;
        }
        break;
    }
    assert!(failures >= 3, "index and code");
}

#[test]
fn the_wrong_coder_and_a_short_buffer_are_refused() {
    let texts = texts();
    let blob = blob(&texts);
    let mut table = StoredStringTable::<_, 16>::load(&blob[..], 0).expect("a table");
    let mut other = WithIdentity { identity: ModelIdentity { id: 1, ..IDENTITY }, ..coder() };
    let error = table.get(&mut other, 0, 0, &mut [0; 60]).map(<[u8]>::to_vec);
    let expected = StringError::WrongModel { expected: IDENTITY, found: other.identity };
    assert_eq!(error, Err(StorageError::Content(expected)));
    let long = texts.iter().position(|text| text.len() > 20).expect("a long text") as u16;
    let error = table.get(&mut coder(), (long / STRINGS) as u8, long % STRINGS, &mut [0; 20]).map(<[u8]>::to_vec);
    let cause = PayloadError::OutputTooSmall { found: 20 };
    assert_eq!(error, Err(StorageError::Content(StringError::Payload { cause })));
    let beyond = StoredStringTable::<_, 16>::load(&blob[..], blob.len() as u32 + 5).expect_err("nothing there");
    assert_eq!(beyond, StorageError::Content(StringTableError::Truncated { expected: 26, found: 0 }));
}
