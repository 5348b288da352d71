//! Messages whose text comes byte by byte, through the functions for C: they are those of the Rust encoder.

mod common;

use std::ptr;

use equalinfo::*;
use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::raw::{self, Check};

use common::Device;

const CONTEXT: u16 = 24;
/// None, one byte, one window, and several.
const TEXTS: [&str; 4] = [
    "",
    "x",
    "t=21.4 ok",
    "t=21.4 h=38 p=1013.2 co2=612 bat=3.94 warn co2 above 700, t=21.4 h=38 p=1013.2 co2=731 bat=3.93 window open",
];

impl Device {
    fn begin(&mut self, check_bits: u8, length: usize) -> Result<*mut EqualinfoEncoder, EqualinfoStatus> {
        let mut encoder = ptr::null_mut();
        let (model, memory) = (self.model.as_ptr(), self.memory.as_mut_ptr().cast());
        // SAFETY: the model has been loaded, and the memory has at least this length.
        match unsafe { equalinfo_encoder_begin(&mut encoder, model, CONTEXT, check_bits, memory, length) } {
            EqualinfoStatus::Ok => Ok(encoder),
            status => Err(status),
        }
    }

    fn decode(&mut self, check_bits: u8, message: &[u8]) -> Result<String, EqualinfoStatus> {
        let (mut text, mut written) = (vec![0; 200], 99);
        // SAFETY: the model has been loaded, and the buffers have these lengths.
        let status = unsafe {
            equalinfo_message_decode_checked(
                self.model.as_ptr(),
                CONTEXT,
                self.memory.as_mut_ptr().cast(),
                self.length,
                check_bits,
                message.as_ptr(),
                message.len(),
                text.as_mut_ptr(),
                text.len(),
                &mut written,
            )
        };
        if status != EqualinfoStatus::Ok {
            assert_eq!(written, 0, "{status:?}");
            return Err(status);
        }
        text.truncate(written);
        Ok(String::from_utf8(text).expect("UTF-8"))
    }
}

/// A message, and what the calls wrote, which is nothing beyond the bytes that they counted.
fn encode(encoder: *mut EqualinfoEncoder, text: &str) -> Vec<u8> {
    let mut message = Vec::new();
    let mut take = |buffer: [u8; 20], written: usize| {
        assert!(buffer[written..].iter().all(|&byte| byte == 0xee), "bytes beyond those written");
        message.extend(&buffer[..written]);
        written
    };
    for &byte in text.as_bytes() {
        let (mut window, mut written) = ([0xee; 20], 99);
        // SAFETY: the encoder has been begun, and the buffer has this length.
        let status = unsafe { equalinfo_encoder_push(encoder, byte, window.as_mut_ptr(), 16, &mut written) };
        assert_eq!(status, EqualinfoStatus::Ok);
        assert!([0, 16].contains(&take(window, written)));
    }
    let (mut end, mut written) = ([0xee; 20], 99);
    // SAFETY: as above.
    let status = unsafe { equalinfo_encoder_finish(encoder, end.as_mut_ptr(), 18, &mut written) };
    assert_eq!(status, EqualinfoStatus::Ok);
    take(end, written);
    message
}

#[test]
fn messages_are_those_of_the_rust_encoder() {
    for (bits, check) in [(0, Check::None), (8, Check::Bits8), (16, Check::Bits16)] {
        let mut device = Device::new(CONTEXT);
        let (length, image) = (device.length, device.image.clone());
        let model = Model::load(&image).expect("a model");
        let (mut bytes, config) = (vec![0; model.config().byte_buffer(CONTEXT.into())], model.config());
        let mut words = vec![0; config.word_buffer(CONTEXT.into())];
        let mut m1 = M1::new(&model, CONTEXT.into(), &mut bytes, &mut words).expect("memory");
        let identity = m1.identity();
        let encoder = device.begin(bits, length).expect("memory");
        // One encoder for all: nothing of a message is left in the next.
        let messages: Vec<Vec<u8>> = TEXTS.iter().map(|text| encode(encoder, text)).collect();
        for (text, message) in TEXTS.iter().zip(&messages) {
            let mut expected = [0; 200];
            let length = raw::encode_checked(&mut m1, identity, check, text.as_bytes(), &mut expected).expect("room");
            assert_eq!(message[..], expected[..length], "{bits} {text}");
            assert_eq!(device.decode(bits, message).as_deref(), Ok(*text), "{bits}");
        }
        assert!(messages[3].len() > 18, "more than a window");
    }
}

#[test]
fn damage_is_told_by_the_check() {
    let mut device = Device::new(CONTEXT);
    let length = device.length;
    let message = encode(device.begin(16, length).expect("memory"), TEXTS[3]);
    for bit in 0..8 * message.len() {
        let mut damaged = message.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(device.decode(16, &damaged).is_err(), "bit {bit}");
    }
    assert!(device.decode(16, &message[..1]).is_err());
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    let mut device = Device::new(CONTEXT);
    let length = device.length;
    assert_eq!(device.begin(16, length - 1), Err(EqualinfoStatus::MemoryTooSmall));
    assert_eq!(device.begin(24, length), Err(EqualinfoStatus::BadWindowBits));
    assert_eq!(device.decode(1, b"x"), Err(EqualinfoStatus::BadWindowBits));
    let encoder = device.begin(0, length).expect("memory");
    let whole = encode(encoder, TEXTS[3]);
    let (mut message, mut buffer, mut written) = (Vec::<u8>::new(), [0; 18], 99);
    for &byte in TEXTS[3].as_bytes() {
        // SAFETY: the encoder has been begun, and the buffer is longer; null is allowed.
        unsafe {
            let status = equalinfo_encoder_push(encoder, b'?', buffer.as_mut_ptr(), 15, &mut written);
            assert_eq!((status, written), (EqualinfoStatus::OutputTooSmall, 0));
            let status = equalinfo_encoder_push(encoder, b'?', ptr::null_mut(), 16, &mut written);
            assert_eq!(status, EqualinfoStatus::NullPointer);
            let status = equalinfo_encoder_finish(encoder, buffer.as_mut_ptr(), 17, &mut written);
            assert_eq!((status, written), (EqualinfoStatus::OutputTooSmall, 0));
            let status = equalinfo_encoder_push(encoder, byte, buffer.as_mut_ptr(), 16, &mut written);
            assert_eq!(status, EqualinfoStatus::Ok);
        }
        message.extend(&buffer[..written]);
    }
    // SAFETY: as above.
    unsafe {
        let status = equalinfo_encoder_finish(encoder, buffer.as_mut_ptr(), 18, &mut written);
        assert_eq!(status, EqualinfoStatus::Ok);
        let status = equalinfo_encoder_push(ptr::null_mut(), 0, buffer.as_mut_ptr(), 16, &mut written);
        assert_eq!(status, EqualinfoStatus::NullPointer);
    }
    message.extend(&buffer[..written]);
    // What failed is not in it.
    assert_eq!(message, whole);
}
