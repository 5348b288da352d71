//! Blocks decoded by an accelerator. What it finds damaged is decoded once more on the CPU, which names the damage.

use equalinfo_codec::WindowBits;
use equalinfo_codec::container::DecodeError;
use equalinfo_codec::container::{self, BlockHeader, BlockKind, Header, Method};

use crate::accelerator::Accelerator;
use crate::coding::{CodingError, Session};

/// What [`container::decode_block`] gives for each of these blocks.
pub fn decode(
    accelerator: &dyn Accelerator,
    checker: &mut Session,
    header: &Header,
    blocks: &[(&BlockHeader, &[u8])],
) -> Result<Vec<Result<Vec<u8>, DecodeError>>, CodingError> {
    let is_coded = |block: &BlockHeader| block.kind == BlockKind::Coded;
    let coded: Vec<(&BlockHeader, &[u8])> = blocks.iter().copied().filter(|(block, _)| is_coded(block)).collect();
    let mut texts = match header.method {
        Method::EqualInfo { bits, .. } => texts_of_windows(accelerator, checker, header, bits, &coded)?,
        _ => {
            let lengths: Vec<usize> = coded.iter().map(|(block, _)| block.text_length as usize).collect();
            let payloads: Vec<&[u8]> = coded.iter().map(|(_, payload)| *payload).collect();
            let texts = accelerator.range_decode(&payloads, &lengths)?;
            // Whether a code that no encoder writes is damage, the codec knows.
            let known: Vec<&[u8]> = texts.iter().flatten().map(|text| &text[..]).collect();
            let mut codes = accelerator.range_encode(&known)?.into_iter();
            let written =
                |(text, payload): (Option<Vec<u8>>, &&[u8])| text.filter(|_| codes.next().as_deref() == Some(payload));
            texts.into_iter().zip(&payloads).map(written).collect()
        }
    }
    .into_iter();
    let decoded = blocks.iter().map(|&(block, payload)| {
        let text = if is_coded(block) { texts.next().flatten() } else { None };
        match text {
            Some(text) if BlockHeader::stored(block.number, &text).text_checksum == block.text_checksum => Ok(text),
            _ => {
                let mut text = vec![0; block.text_length as usize];
                container::decode_block(checker, header, block, payload, &mut text).map(|()| text)
            }
        }
    });
    Ok(decoded.collect())
}

/// The texts of blocks of windows, `None` where the codec has to look.
fn texts_of_windows(
    accelerator: &dyn Accelerator,
    checker: &mut Session,
    header: &Header,
    bits: WindowBits,
    blocks: &[(&BlockHeader, &[u8])],
) -> Result<Vec<Option<Vec<u8>>>, CodingError> {
    let whole = |payload: &[u8]| payload.len() - payload.len() % bits.bytes();
    let values: Vec<u8> = blocks.iter().flat_map(|(_, payload)| &payload[..whole(payload)]).copied().collect();
    let mut windows = accelerator.decode_windows(bits, &values)?.into_iter();
    let mut text_of = |block: &BlockHeader, payload: &[u8]| {
        let count = payload.len() / bits.bytes();
        let windows: Vec<_> = windows.by_ref().take(count).collect();
        let (_, before) = windows.split_last()?;
        let mut text = Vec::with_capacity(block.text_length as usize);
        for window in before {
            text.extend(&window.text);
        }
        let left = (block.text_length as usize).checked_sub(text.len())?;
        if !payload.len().is_multiple_of(bits.bytes()) || before.iter().any(|window| !window.is_canonical) || left == 0
        {
            return None;
        }
        // The text ends in the last window, which has a code of its own: the codec's.
        let last = &payload[payload.len() - bits.bytes()..];
        let mut end = vec![0; left];
        let unchecked = BlockHeader { text_length: left as u32, payload_length: last.len() as u32, ..*block };
        match container::decode_block(checker, header, &unchecked, last, &mut end) {
            Ok(()) | Err(DecodeError::TextChecksum { .. }) => text.extend(end),
            Err(_) => return None,
        }
        Some(text)
    };
    Ok(blocks.iter().map(|(block, payload)| text_of(block, payload)).collect())
}
