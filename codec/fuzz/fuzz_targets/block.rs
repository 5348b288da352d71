//! Any bytes after an intact header, decoded as a block: decoding in one piece and in small ones gives the same result.
#![no_main]

use equalinfo_codec::Progress;
use equalinfo_codec::container::{BlockDecoder, BlockHeader, BlockKind, DecodeError, decode_block};
use equalinfo_codec_fuzz::{Coder, header, method};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, u8, u16, u8, &[u8])| {
    let (sharpness, choice, text_length, piece, payload) = data;
    let header = header(method(choice), 64);
    let (mut coder, mut coder_of_pieces) = (Coder::new(sharpness), Coder::new(sharpness));
    let block = BlockHeader {
        number: 0,
        kind: BlockKind::Coded,
        text_length: u32::from(text_length & 0x1ff) + 1,
        payload_length: payload.len() as u32,
        text_checksum: 0,
    };
    let mut whole = [0; 1 << 9];
    let end = decode_block(&mut coder.get(), &header, &block, payload, &mut whole);
    let Ok(mut decoder) = BlockDecoder::new(&header, &block) else { return assert!(end.is_err()) };
    let mut coder = coder_of_pieces.get();
    let piece = usize::from(piece) + 1;
    let (mut position, mut text, mut output) = (0, Vec::new(), vec![0; piece]);
    let end_of_pieces = loop {
        let next = (position + piece).min(payload.len());
        match decoder.decode(&mut coder, &payload[position..next], &mut output) {
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
        // The text was complete before the payload turned out too long, or was never checked because it did not end.
        (Err(DecodeError::TextChecksum { .. } | DecodeError::Payload { .. }), Err(_)) => {}
        (end, end_of_pieces) => assert_eq!(end, end_of_pieces),
    }
    assert_eq!(text, whole[..text.len()]);
});
