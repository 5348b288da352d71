//! [`Coder`]: blocks and windows, by a model or by the lexicon that was made from one.

use std::sync::Arc;

use equalinfo_codec::container::{self, BlockHeader, Header};
use equalinfo_codec::error::{DecodeError, EncodeError};
use equalinfo_codec::{WindowBits, WindowCode};

use super::windows::{Cutter, Windows};
use crate::lexicon::LexiconImage;
use crate::model::Session;

/// What stands between text and code, with the memory of one stream.
pub enum Coder {
    /// A model, asked for every byte.
    Model(Session),
    /// The texts of windows of 16 bits. Only streams that `Lexicon::check_stream` accepts come here.
    Lexicon(Arc<LexiconImage>),
}

impl Coder {
    /// Encodes a block, header included, to the start of `output`.
    ///
    /// # Errors
    /// Those of the codec.
    pub fn encode_block(
        &mut self,
        header: &Header,
        number: u32,
        text: &[u8],
        output: &mut [u8],
    ) -> Result<BlockHeader, EncodeError> {
        match self {
            Self::Model(session) => container::encode_block(session, header, number, text, output),
            Self::Lexicon(image) => image.lexicon().encode_block(header, number, text, output),
        }
    }

    /// Decodes the payload of a block into `output`.
    ///
    /// # Errors
    /// Those of the codec.
    pub fn decode_block(
        &mut self,
        header: &Header,
        block: &BlockHeader,
        payload: &[u8],
        output: &mut [u8],
    ) -> Result<(), DecodeError> {
        match self {
            Self::Model(session) => container::decode_block(session, header, block, payload, output),
            Self::Lexicon(image) => image.lexicon().decode_block(block, payload, output),
        }
    }

    /// Cuts a text into windows; a lexicon's are always of 16 bits in the default code.
    pub fn windows(&mut self, cutter: Cutter) -> Windows {
        match self {
            Self::Model(session) => cutter.cut(session),
            Self::Lexicon(image) => cutter.cut_by(image.lexicon()),
        }
    }

    /// The text of one window.
    pub fn decode_window(&mut self, bits: WindowBits, code: WindowCode, context: usize, value: u128) -> Vec<u8> {
        match self {
            Self::Model(session) => {
                let mut text = Vec::new();
                // Windows of the code that has no decoder are in no stream.
                let _ = equalinfo_codec::decode_window(session, bits, code, context, value, |byte| text.push(byte));
                text
            }
            Self::Lexicon(image) => image.lexicon().text(value as u16).collect(),
        }
    }
}
