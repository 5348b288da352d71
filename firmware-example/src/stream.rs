//! Decodes a stream front to back through small buffers, as if from serial flash or radio.

use equalinfo_codec::container::{DecodeError, Decoder};
use equalinfo_codec::mix::Coder;

/// Bytes of the stream read at a time.
const INPUT: usize = 16;
/// Bytes of text decoded at a time.
const OUTPUT: usize = 32;

/// Decodes `stream` and passes the text to `print` as it comes. On success the text of every block has matched its
/// checksum; after an error, the part of the damaged block printed so far may be wrong.
///
/// # Errors
/// The stream is damaged, truncated or from another model.
pub fn decode<C: Coder>(
    decoder: &mut Decoder<C>,
    stream: &[u8],
    mut print: impl FnMut(&[u8]),
) -> Result<(), DecodeError> {
    let mut text = [0; OUTPUT];
    for mut input in stream.chunks(INPUT) {
        loop {
            let progress = crate::measured(|| decoder.decode(input, &mut text))?;
            print(text.get(..progress.written).unwrap_or_default());
            input = input.get(progress.consumed..).unwrap_or_default();
            if progress.written == 0 && progress.consumed == 0 {
                break;
            }
        }
    }
    decoder.finish()
}

/// Logs a summary of the stream that the decoder has decoded.
pub fn log_totals<C: Coder>(decoder: &Decoder<C>, stream: &[u8]) {
    if let Some(totals) = decoder.totals() {
        defmt::info!(
            "text of {=u64} bytes is intact: {=u32} blocks, {=u64} windows, {=usize} bytes of stream",
            totals.text_length(),
            totals.blocks(),
            totals.windows(),
            stream.len()
        );
    }
}
