//! Decoding a stream front to back through small buffers, as from a serial flash or a radio.

use equalinfo_codec::ByteModel;
use equalinfo_codec::container::Decoder;
use equalinfo_codec::error::DecodeError;

/// Bytes of the stream that are read at a time.
const INPUT: usize = 16;
/// Bytes of text that are decoded at a time.
const OUTPUT: usize = 32;

/// Decodes `stream` and gives the text to `print` as it comes. The text of every block has been compared with its
/// checksum when this succeeds; after an error, what has been printed of the damaged block may be wrong.
///
/// # Errors
/// The stream is damaged, cut short or another model's.
pub fn decode<M: ByteModel>(
    decoder: &mut Decoder<M>,
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

/// Logs what a decoder knows of the stream that it has decoded.
pub fn log_totals<M: ByteModel>(decoder: &Decoder<M>, stream: &[u8]) {
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
