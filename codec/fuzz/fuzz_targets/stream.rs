//! Any bytes, decoded as a stream: pieces of any size give the same result as one piece, and no reader panics.
#![no_main]

use equalinfo_codec::Progress;
use equalinfo_codec::container::{DecodeError, Decoder, Header, ModelIdentity, Stream, find_block};
use equalinfo_codec_fuzz::Coder;
use libfuzzer_sys::fuzz_target;

/// The length of text at which decoding stops, as a few bytes of payload can stand for a very long text.
const ENOUGH: usize = 1 << 9;

fn decode(stream: &[u8], sharpness: u8, piece: usize) -> (Vec<u8>, Result<(), DecodeError>) {
    let identity = Header::parse(stream).map_or(ModelIdentity::default(), |header| header.model);
    let mut coder = Coder::new(sharpness);
    let mut decoder = Decoder::new(coder.get(), identity);
    let (mut position, mut text, mut output) = (0, Vec::new(), vec![0; piece]);
    while text.len() < ENOUGH {
        let end = (position + piece).min(stream.len());
        match decoder.decode(&stream[position..end], &mut output) {
            Ok(progress) => {
                position += progress.consumed;
                text.extend_from_slice(&output[..progress.written]);
                if progress == Progress::default() {
                    assert!(end == stream.len() || decoder.is_done());
                    return (text, decoder.finish());
                }
            }
            Err(error) => return (text, Err(error)),
        }
    }
    text.truncate(ENOUGH);
    (text, Ok(()))
}

fuzz_target!(|data: (u8, u8, &[u8])| {
    let (sharpness, piece, stream) = data;
    let (whole, end) = decode(stream, sharpness, ENOUGH);
    let (pieces, end_of_pieces) = decode(stream, sharpness, usize::from(piece) + 1);
    let is_cut = whole.len() == ENOUGH;
    if end.is_ok() && !is_cut {
        assert_eq!((&pieces, end_of_pieces), (&whole, Ok(())));
    } else {
        // In pieces, text of the damaged block from before the damage is delivered too. A text that was cut may be
        // damaged in the piece across the cut.
        assert!(pieces.starts_with(&whole) || is_cut && whole.starts_with(&pieces));
    }
    if let Ok(opened) = Stream::open(stream) {
        let mut coder = Coder::new(sharpness);
        let mut coder = coder.get();
        let mut output = vec![0; ENOUGH];
        for number in 0..opened.index().blocks().min(4) {
            let _ = opened.decode_block(&mut coder, number, &mut output);
        }
        let _ = opened.decode_window(&mut coder.model, u64::from(piece), |_| {});
    }
    if let Ok(header) = Header::parse(stream) {
        find_block(stream, &header, 0);
    }
});
