//! Messages and string tables through the functions for C.

mod common;

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr;

use equalinfo::*;
use equalinfo_codec::checksum::image_checksum;
use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::raw::{self, PayloadLayout};

use common::Device;

const CONTEXT: u16 = 16;
const TEXTS: [&str; 4] = ["Battery low", "", "No connection to the server", "Akku schwach"];

impl Device {
    /// What the codec itself makes of a text.
    fn message(&self, text: &[u8]) -> Vec<u8> {
        let model = Model::load(&self.image).expect("a model");
        let config = model.config();
        let context = usize::from(CONTEXT);
        let (mut bytes, mut words) = (vec![0; config.byte_buffer(context)], vec![0; config.word_buffer(context)]);
        let mut m1 = M1::new(&model, context, &mut bytes, &mut words).expect("memory");
        let mut message = vec![0; 2 * text.len() + 16];
        let length = raw::encode(&mut m1, PayloadLayout::Message, text, &mut message).expect("room");
        message.truncate(length);
        message
    }

    /// A table of two languages, `en` and `de`, with lengths of 16 bits: a Rice parameter of 15.
    fn table(&self) -> Vec<u8> {
        let messages = TEXTS.map(|text| self.message(text.as_bytes()));
        let index: Vec<u8> = messages.iter().flat_map(|message| (message.len() as u16).to_be_bytes()).collect();
        let id = (Model::load(&self.image).expect("a model").id() >> 32) as u32;
        let mut blob = b"EQT1\0\0\0\0\0\0\0\0".to_vec();
        blob.extend(id.to_le_bytes());
        blob.extend(CONTEXT.to_le_bytes());
        blob.extend([2, 0, 2, 15, 27, 0, index.len() as u8, 0]);
        blob.extend(b"\x02en\x02de");
        blob.extend(index);
        blob.extend(messages.concat());
        let length = blob.len() as u32;
        blob[4..8].copy_from_slice(&length.to_le_bytes());
        let checksum = image_checksum(&blob[..8], &blob[12..]);
        blob[8..12].copy_from_slice(&checksum.to_le_bytes());
        blob
    }

    fn get(
        &mut self,
        strings: &EqualinfoStrings,
        language: u8,
        id: u16,
        room: usize,
    ) -> Result<String, EqualinfoStatus> {
        let (mut text, mut written) = (vec![b'x'; room + 1], 99);
        // SAFETY: the model and the table have been loaded, and the buffers have these lengths.
        let status = unsafe {
            equalinfo_string_decode(
                strings,
                self.model.as_ptr(),
                self.memory.as_mut_ptr().cast(),
                self.length,
                language,
                id,
                text.as_mut_ptr().cast::<c_char>(),
                room,
                &mut written,
            )
        };
        assert_eq!(text[room], b'x', "a byte behind the buffer");
        if status != EqualinfoStatus::Ok {
            assert!(written == 0 && (room == 0 || text[0] == 0), "{status:?}");
            return Err(status);
        }
        let found = CStr::from_bytes_until_nul(&text).expect("an end").to_str().expect("UTF-8").to_owned();
        assert_eq!(found.len(), written);
        Ok(found)
    }
}

fn load(blob: &[u8]) -> Result<EqualinfoStrings, EqualinfoStatus> {
    let mut strings = MaybeUninit::uninit();
    // SAFETY: the blob outlives what is returned in every test.
    match unsafe { equalinfo_strings_load(strings.as_mut_ptr(), blob.as_ptr(), blob.len()) } {
        // SAFETY: it has been loaded.
        EqualinfoStatus::Ok => Ok(unsafe { strings.assume_init() }),
        status => Err(status),
    }
}

#[test]
fn messages_are_encoded_as_by_the_tool() {
    let mut device = Device::new(CONTEXT);
    for text in TEXTS {
        let (mut message, mut written) = ([0; 64], 0);
        // SAFETY: the model has been loaded, and the buffers have these lengths.
        let mut encode = |room| unsafe {
            equalinfo_message_encode(
                device.model.as_ptr(),
                CONTEXT,
                device.memory.as_mut_ptr().cast(),
                device.length,
                text.as_ptr(),
                text.len(),
                message.as_mut_ptr(),
                room,
                &mut written,
            )
        };
        assert_eq!(encode(64), EqualinfoStatus::Ok);
        assert_eq!(message[..written], device.message(text.as_bytes()));
    }
}

#[test]
fn texts_of_a_table_are_strings() {
    let mut device = Device::new(CONTEXT);
    let blob = device.table();
    let strings = load(&blob).expect("a table");
    assert_eq!((strings.strings, strings.languages, strings.longest, strings.context), (2, 2, 27, CONTEXT));
    for (number, text) in TEXTS.iter().enumerate() {
        let (language, id) = ((number / 2) as u8, (number % 2) as u16);
        assert_eq!(device.get(&strings, language, id, 28).as_deref(), Ok(*text));
        // Room for the text and its zero, and not a byte less.
        assert_eq!(device.get(&strings, language, id, text.len() + 1).as_deref(), Ok(*text));
        assert_eq!(device.get(&strings, language, id, text.len()), Err(EqualinfoStatus::OutputTooSmall));
    }
    assert_eq!(device.get(&strings, 0, 2, 28), Err(EqualinfoStatus::NoString));
    assert_eq!(device.get(&strings, 2, 0, 28), Err(EqualinfoStatus::NoString));
    let mut language = 9;
    let mut find = |name: &CStr| {
        // SAFETY: the table has been loaded.
        let status = unsafe { equalinfo_strings_language(&strings, name.as_ptr(), &mut language) };
        (status, language)
    };
    assert_eq!(find(c"de"), (EqualinfoStatus::Ok, 1));
    assert_eq!(find(c"d").0, EqualinfoStatus::NoString);
    // Another model.
    let mut other = blob.clone();
    other[12] ^= 1;
    let checksum = image_checksum(&other[..8], &other[12..]);
    other[8..12].copy_from_slice(&checksum.to_le_bytes());
    let strings = load(&other).expect("a table");
    assert_eq!(device.get(&strings, 0, 0, 28), Err(EqualinfoStatus::WrongModel));
}

#[test]
fn what_is_no_table_is_refused() {
    let device = Device::new(CONTEXT);
    let blob = device.table();
    for length in 0..blob.len() {
        assert!(load(&blob[..length]).is_err(), "{length}");
    }
    for bit in 0..8 * blob.len() {
        let mut damaged = blob.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(load(&damaged).is_err(), "bit {bit}");
    }
    // SAFETY: null is allowed.
    unsafe {
        assert_eq!(equalinfo_strings_load(ptr::null_mut(), blob.as_ptr(), blob.len()), EqualinfoStatus::NullPointer);
        let mut empty = MaybeUninit::<EqualinfoStrings>::zeroed();
        let text = ptr::null_mut();
        let status = equalinfo_string_decode(
            empty.as_mut_ptr(),
            device.model.as_ptr(),
            ptr::null_mut(),
            0,
            0,
            0,
            text,
            0,
            ptr::null_mut(),
        );
        assert_eq!(status, EqualinfoStatus::NotLoaded);
    }
}
