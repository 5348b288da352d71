//! The texts of the 16-bit window code.
//!
//! Nothing of the code is restated: each of the 65,536 codes has one of the codec's decoders, and all step together;
//! those with the same text so far share its frequencies. Such codes are always neighbours.

use std::ops::Range;

use equalinfo_codec::window::WindowDecoder;
use equalinfo_codec::{WindowBits, WindowCode};

use super::expand::Expander;
use super::image::{CODES, Code};

/// A text that is a prefix of more than one code's text.
struct Branch {
    text: Vec<u8>,
    /// The codes below the text's own.
    codes: Range<usize>,
}

/// The codes with windows of at most `context` bytes; `None` means left over.
pub fn codes(expander: &mut Expander, context: usize) -> Vec<Option<Code>> {
    let decoder = |value| WindowDecoder::new(WindowBits::B16, WindowCode::Default, context, value);
    // The default code has a decoder for every value.
    let mut decoders: Vec<WindowDecoder> = (0..CODES as u128).filter_map(decoder).collect();
    let mut codes = vec![None; CODES];
    codes[0] = Some(Code { byte: 0, below: (CODES - 1) as u16 });
    let mut level = vec![Branch { text: Vec::new(), codes: 1..CODES }];
    while !level.is_empty() {
        let texts: Vec<&[u8]> = level.iter().map(|branch| &branch.text[..]).collect();
        let frequencies = expander.frequencies(&texts);
        let mut next = Vec::new();
        for (branch, frequencies) in level.iter().zip(&frequencies) {
            let mut start = branch.codes.start;
            let steps: Vec<Option<u8>> =
                decoders[branch.codes.clone()].iter_mut().map(|decoder| decoder.step(frequencies)).collect();
            for run in steps.chunk_by(|one, other| one == other) {
                let end = start + run.len();
                if let Some(byte) = run[0] {
                    codes[start] = Some(Code { byte, below: (run.len() - 1) as u16 });
                    // If the window is full, the codes below are left over.
                    if run.len() > 1 && branch.text.len() + 1 < context {
                        next.push(Branch { text: [&branch.text[..], &[byte]].concat(), codes: start + 1..end });
                    }
                }
                start = end;
            }
        }
        level = next;
    }
    codes
}
