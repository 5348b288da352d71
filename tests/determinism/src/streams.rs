//! Whole streams in a buffer of fixed size, written and read back.
//!
//! The functions are not inlined, so that the stack holds what one of them needs rather than the sum.

use equalinfo_codec::container::{BlockKind, Decoder, Header, Stream, encode_stream};
use equalinfo_codec::mix::Coder;

use super::Failure;

/// Writes `text` as a stream, and returns its length in bytes. At least `coded` of its blocks must have become smaller.
#[inline(never)]
pub(crate) fn write(
    coder: &mut impl Coder,
    header: &Header,
    text: &[u8],
    coded: usize,
    buffer: &mut [u8],
) -> Result<usize, Failure> {
    let length = encode_stream(coder, header, text, buffer)?;
    if count_coded(&buffer[..length])? < coded { Err(Failure::Stored) } else { Ok(length) }
}

#[inline(never)]
fn count_coded(stream: &[u8]) -> Result<usize, Failure> {
    let stream = Stream::open(stream)?;
    let mut coded = 0;
    for number in 0..stream.index().blocks() {
        coded += usize::from(stream.block(number)?.0.kind == BlockKind::Coded);
    }
    Ok(coded)
}

/// Reads a stream through pieces smaller than any part of it, and compares its text.
#[inline(never)]
pub(crate) fn read(coder: impl Coder, header: &Header, stream: &[u8], text: &[u8]) -> Result<(), Failure> {
    let mut decoder = Decoder::new(coder, header.model);
    let (mut rest, mut expected) = (stream, text);
    let mut output = [0; 5];
    loop {
        let progress = decoder.decode(rest.get(..7).unwrap_or(rest), &mut output)?;
        expected = expected.strip_prefix(&output[..progress.written]).ok_or(Failure::RoundTrip)?;
        rest = &rest[progress.consumed..];
        if progress.consumed == 0 && progress.written == 0 {
            break;
        }
    }
    decoder.finish()?;
    if rest.is_empty() && expected.is_empty() { Ok(()) } else { Err(Failure::RoundTrip) }
}
