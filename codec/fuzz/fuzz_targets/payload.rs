//! Any bytes, decoded as a raw payload, give a text or an error, and the text survives encoding and decoding.
#![no_main]

use equalinfo_codec::raw::{PayloadLayout, decode, encode};
use equalinfo_codec::{WindowBits, WindowCode};
use equalinfo_codec_fuzz::Model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, u8, &[u8])| {
    let (sharpness, choice, payload) = data;
    let mut model = Model::new(sharpness);
    let layout = match WindowBits::from_bits(u32::from(choice & 0x1f) * 8) {
        Some(bits) => {
            let code = if choice & 0x20 == 0 { WindowCode::Default } else { WindowCode::Delay };
            PayloadLayout::Independent { bits, code, context: 1 + usize::from(choice >> 6) * 40 }
        }
        None => PayloadLayout::Message,
    };
    let mut text = [0; 1 << 9];
    let Ok(length) = decode(&mut model, layout, payload, &mut text) else { return };
    let mut again = vec![0; 16 * length];
    let again_length = encode(&mut model, layout, &text[..length], &mut again).expect("a window holds a byte");
    let mut text_again = vec![0; length];
    assert_eq!(decode(&mut model, layout, &again[..again_length], &mut text_again), Ok(length));
    assert_eq!(text_again, text[..length]);
});
