//! Any text, by any method: it comes back.
#![no_main]

use equalinfo_codec::container::{BlockHeader, Header, Method, ModelIdentity, decode_block, encode_block};
use equalinfo_codec::raw::{Layout, decode, encode};
use equalinfo_codec::{WindowBits, WindowCode};
use equalinfo_codec_fuzz::Model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, u8, &[u8])| {
    let (sharpness, choice, text) = data;
    let mut model = Model::new(sharpness);
    let method = match WindowBits::from_bits(u32::from(choice & 0x1f) * 8) {
        Some(bits) if choice & 0x20 == 0 => Method::EqualInfo { bits, code: WindowCode::Default },
        Some(bits) => Method::EqualInfo { bits, code: WindowCode::Delay },
        None => Method::Ac,
    };
    let context = 1 + u16::from(choice >> 6) * 40;
    let header = Header { method, model: ModelIdentity { id: 1, context }, block_size: 1 << 16 };
    let mut text_again = vec![0; text.len()];
    let mut payload = vec![0; text.len() * 16];
    let length = encode(&mut model, Layout::Message, text, &mut payload).expect("a window holds a byte");
    assert_eq!(decode(&mut model, Layout::Message, &payload[..length], &mut text_again), Ok(text.len()));
    assert_eq!(text_again, text);
    let mut block = vec![0; text.len() + BlockHeader::LENGTH];
    if let Ok(written) = encode_block(&mut model, &header, 0, text, &mut block) {
        let read = BlockHeader::parse(&block, &header, 0).expect("what was written can be read");
        assert_eq!(read, written);
        text_again.fill(0);
        decode_block(&mut model, &header, &read, &block[BlockHeader::LENGTH..], &mut text_again).expect("intact");
        assert_eq!(text_again, text);
    }
});
