//! Anything at all behind an intact header, read as a block: an error or the text, in one piece and in small ones.
#![no_main]

use equalinfo_codec::container::{BlockDecoder, BlockHeader, BlockKind, Header, Method, ModelIdentity, decode_block};
use equalinfo_codec::error::DecodeError;
use equalinfo_codec::{Progress, WindowBits, WindowCode};
use equalinfo_codec_fuzz::Model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, u8, u16, u8, &[u8])| {
    let (sharpness, choice, text_length, piece, payload) = data;
    let method = match WindowBits::from_bits(u32::from(choice & 0x1f) * 8) {
        Some(bits) if choice & 0x20 == 0 => Method::EqualInfo { bits, code: WindowCode::Default },
        Some(bits) => Method::EqualInfo { bits, code: WindowCode::Delay },
        None => Method::Ac,
    };
    let header = Header { method, model: ModelIdentity { id: 1, context: 64 }, block_size: 1 << 16 };
    let block = BlockHeader {
        number: 0,
        kind: BlockKind::Coded,
        text_length: u32::from(text_length & 0xfff) + 1,
        payload_length: payload.len() as u32,
        text_checksum: 0,
    };
    let mut whole = vec![0; 1 << 12];
    let end = decode_block(&mut Model::new(sharpness), &header, &block, payload, &mut whole);
    let Ok(mut decoder) = BlockDecoder::new(&header, &block) else { return assert!(end.is_err()) };
    let mut model = Model::new(sharpness);
    let piece = usize::from(piece) + 1;
    let (mut position, mut text, mut output) = (0, Vec::new(), vec![0; piece]);
    let end_of_pieces = loop {
        let next = (position + piece).min(payload.len());
        match decoder.decode(&mut model, &payload[position..next], &mut output) {
            Ok(progress) => {
                position += progress.consumed;
                text.extend_from_slice(&output[..progress.written]);
                if progress == Progress::default() {
                    assert!(next == payload.len() || decoder.is_done());
                    break Ok(());
                }
            }
            Err(error) => break Err(error),
        }
    };
    match (end, end_of_pieces) {
        // The text went by before the payload turned out too long, or was never checked as it never ended.
        (Err(DecodeError::TextChecksum { .. } | DecodeError::Payload { .. }), Err(_)) => {}
        (end, end_of_pieces) => assert_eq!(end, end_of_pieces),
    }
    assert_eq!(text, whole[..text.len()]);
});
