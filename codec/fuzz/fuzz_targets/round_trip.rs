//! Any text survives encoding and decoding by any method.
#![no_main]

use equalinfo_codec::container::{BlockHeader, decode_block, decode_stream, encode_block, encode_stream, stream_bound};
use equalinfo_codec::raw::{PayloadLayout, decode, encode};
use equalinfo_codec_fuzz::{Coder, Model, header, method};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, u8, &[u8])| {
    let (sharpness, choice, text) = data;
    let mut model = Model::new(sharpness);
    let mut header = header(method(choice), 1 + u16::from(choice >> 6) * 40);
    let mut text_again = vec![0; text.len()];
    let mut payload = vec![0; text.len() * 16];
    let length = encode(&mut model, PayloadLayout::Message, text, &mut payload).expect("a window holds a byte");
    assert_eq!(decode(&mut model, PayloadLayout::Message, &payload[..length], &mut text_again), Ok(text.len()));
    assert_eq!(text_again, text);
    let mut block = vec![0; text.len() + BlockHeader::LENGTH];
    let mut coder = Coder::new(sharpness);
    let mut coder = coder.get();
    if let Ok(written) = encode_block(&mut coder, &mut header, 0, text, &mut block) {
        let read = BlockHeader::parse(&block, &header, 0).expect("what was written can be read");
        assert_eq!(read, written);
        text_again.fill(0);
        decode_block(&mut coder, &header, &read, &block[BlockHeader::LENGTH..], &mut text_again).expect("intact");
        assert_eq!(text_again, text);
    }
    let mut stream = vec![0; stream_bound(&header, text.len())];
    let length = encode_stream(&mut coder, &header, text, &mut stream).expect("room");
    text_again.fill(0);
    let read = decode_stream(&mut coder, header.model, &stream[..length], &mut text_again);
    assert_eq!((read, &text_again[..]), (Ok(text.len()), text));
});
