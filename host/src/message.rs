//! [`MessageCoder`]: short texts to bare windows, without any framing: both sides know the model and the layout.

use std::io::{self, Write};

pub use equalinfo_codec::raw::Check;
use equalinfo_codec::raw::{self, PayloadDecoder, PayloadLayout};
use equalinfo_codec::raw::{EncodeError, PayloadError};
use equalinfo_codec::{ByteModel, WindowBits, WindowCode};

use crate::coding::{CodingError, CodingModel};

/// A message is coded in one piece, in memory; anything longer than this many bytes is a file.
pub const LONGEST_MESSAGE: usize = 1 << 24;

/// Why a message cannot be coded or decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The text or the message is too long.
    #[error("longer than {LONGEST_MESSAGE} bytes, which is a file and no message")]
    TooLong,
    /// The model does not run so.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// The text cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The payload is no message.
    #[error("not a message of {name} in this layout")]
    Payload {
        /// The model or lexicon, as `model 'nano'`.
        name: String,
        /// What was found.
        source: PayloadError,
    },
    /// The payload ends too early.
    #[error("the message is cut short")]
    Truncated,
    /// A lexicon has one width of windows, and texts of one length.
    #[error("the windows of a lexicon have 16 bits and texts of up to {expected} bytes")]
    LexiconLayout {
        /// Its context.
        expected: usize,
    },
    /// Only messages of an M1 or of byte frequencies that are one text to it have checks.
    #[error("windows that decode alone have no check")]
    CheckOfWindows,
    /// The text cannot be written.
    #[error("cannot write")]
    Output(#[source] io::Error),
}

/// Codes messages.
///
/// ```
/// use equalinfo::message::Check;
/// use equalinfo::{MessageCoder, Model, WindowBits};
///
/// let model = Model::shipped("micro")?;
/// let coder = MessageCoder::new(&model);
/// let message = coder.encode(b"The train is late, see you at eight.")?;
/// assert!(message.len() < 16);
/// assert_eq!(coder.decode(&message)?, b"The train is late, see you at eight.");
/// // Windows that decode alone.
/// let windows = MessageCoder::new(&model).window_bits(WindowBits::B32);
/// assert_eq!(windows.encode(b"The train is late.")?.len() % 4, 0);
/// // With a check, damage is an error.
/// let coder = coder.check(Check::Bits16);
/// let mut message = coder.encode(b"The train is late.")?;
/// message[0] ^= 1;
/// assert!(coder.decode(&message).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MessageCoder {
    model: CodingModel,
    bits: Option<WindowBits>,
    context: usize,
    check: Check,
    threads: usize,
}

impl MessageCoder {
    /// Messages of this model, as short as possible: each is one text to the model, so its windows do not decode alone.
    /// Those of a lexicon are codes of 16 bits, which do.
    pub fn new(model: impl Into<CodingModel>) -> Self {
        let model = model.into();
        let context = model.context();
        Self { model, bits: None, context, check: Check::None, threads: 1 }
    }

    /// Windows of this width that decode alone.
    pub fn window_bits(self, bits: WindowBits) -> Self {
        Self { bits: Some(bits), ..self }
    }

    /// Bytes of context, at most the model's.
    pub fn context(self, context: usize) -> Self {
        Self { context, ..self }
    }

    /// What follows each message, so that damage and another model are noticed: both sides must ask for the same.
    pub fn check(self, check: Check) -> Self {
        Self { check, ..self }
    }

    /// Threads that run a model ahead of the coder, in texts of more than some kilobytes. The message does not depend on
    /// their number, which is 1 unless it is said.
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// What it codes with.
    pub fn model(&self) -> &CodingModel {
        &self.model
    }

    fn layout(&self) -> PayloadLayout {
        match self.bits {
            None => PayloadLayout::Message,
            Some(bits) => PayloadLayout::Independent { bits, code: WindowCode::Default, context: self.context },
        }
    }

    /// The message of a text.
    ///
    /// # Errors
    /// The text is longer than [`LONGEST_MESSAGE`], or the model does not have this context or width.
    pub fn encode(&self, text: &[u8]) -> Result<Vec<u8>, MessageError> {
        if text.len() > LONGEST_MESSAGE {
            return Err(MessageError::TooLong);
        }
        // Windows hold at least one byte of text each; messages never need more than two bytes for one.
        let largest = match self.bits {
            None => 2 * text.len() + 16,
            Some(bits) => bits.bytes() * text.len(),
        };
        let mut payload = vec![0; largest];
        let has_check = self.has_check()?;
        let mut code = |mut model: &mut dyn ByteModel| {
            if has_check {
                raw::encode_checked(&mut model, self.model.identity(self.context), self.check, text, &mut payload)
            } else {
                raw::encode(&mut model, self.layout(), text, &mut payload)
            }
        };
        let length = match &self.model {
            CodingModel::Lexicon(lexicon) => {
                self.check_lexicon()?;
                lexicon.view().encode_payload(text, &mut payload)?
            }
            // All of the text is known, and read once from the first byte on.
            CodingModel::Model(model) if self.bits.is_none() => {
                let ahead = model.engine().ahead(self.threads, text, self.context, |ahead| code(ahead));
                ahead.map_err(CodingError::from)??
            }
            model => code(&mut model.session(self.context)?)?,
        };
        payload.truncate(length);
        Ok(payload)
    }

    /// The text of a message.
    ///
    /// # Errors
    /// The payload is longer than [`LONGEST_MESSAGE`] or no message of this model and layout.
    pub fn decode(&self, payload: &[u8]) -> Result<Vec<u8>, MessageError> {
        let mut text = Vec::new();
        self.decode_to(payload, &mut text)?;
        Ok(text)
    }

    /// Writes the text of a message as it is decoded, and returns its length.
    ///
    /// # Errors
    /// As [`Self::decode`], or the text cannot be written.
    pub fn decode_to(&self, payload: &[u8], mut output: impl Write) -> Result<u64, MessageError> {
        if payload.len() > LONGEST_MESSAGE {
            return Err(MessageError::TooLong);
        }
        let other = |source| self.no_message(source);
        if self.has_check()? {
            // Nothing of a text is delivered before its check.
            let text = self.decode_checked(payload)?;
            output.write_all(&text).map_err(MessageError::Output)?;
            return Ok(text.len() as u64);
        }
        if let CodingModel::Lexicon(lexicon) = &self.model {
            self.check_lexicon()?;
            let text = lexicon.view().payload(payload).and_then(|text| text.collect::<Result<Vec<u8>, _>>());
            let text = text.map_err(other)?;
            output.write_all(&text).map_err(MessageError::Output)?;
            return Ok(text.len() as u64);
        }
        let mut session = self.model.session(self.context)?;
        let mut decoder = PayloadDecoder::new(self.layout(), payload.len()).map_err(other)?;
        let mut buffer = vec![0; 1 << 16];
        let (mut rest, mut length) = (payload, 0);
        while !decoder.is_done() {
            let progress = decoder.decode(&mut session, rest, &mut buffer).map_err(other)?;
            rest = &rest[progress.consumed..];
            length += progress.written as u64;
            output.write_all(&buffer[..progress.written]).map_err(MessageError::Output)?;
            if progress.consumed + progress.written == 0 && !decoder.is_done() {
                return Err(MessageError::Truncated);
            }
        }
        Ok(length)
    }

    fn no_message(&self, source: PayloadError) -> MessageError {
        let kind = if matches!(self.model, CodingModel::Lexicon(_)) { "lexicon" } else { "model" };
        MessageError::Payload { name: format!("{kind} '{}'", self.model.name()), source }
    }

    fn decode_checked(&self, payload: &[u8]) -> Result<Vec<u8>, MessageError> {
        let (mut session, identity) = (self.model.session(self.context)?, self.model.identity(self.context));
        let mut text = vec![0; 8 * payload.len() + 64];
        loop {
            match raw::decode_checked(&mut session, identity, self.check, payload, &mut text) {
                Err(PayloadError::OutputTooSmall { .. }) if text.len() <= LONGEST_MESSAGE => {
                    text.resize(2 * text.len(), 0);
                }
                Err(PayloadError::OutputTooSmall { .. }) => return Err(MessageError::TooLong),
                result => {
                    text.truncate(result.map_err(|source| self.no_message(source))?);
                    return Ok(text);
                }
            }
        }
    }

    fn has_check(&self) -> Result<bool, MessageError> {
        match (self.check, self.bits, &self.model) {
            (Check::None, ..) => Ok(false),
            (_, None, CodingModel::Model(_) | CodingModel::Frequencies(_)) => Ok(true),
            _ => Err(MessageError::CheckOfWindows),
        }
    }

    fn check_lexicon(&self) -> Result<(), MessageError> {
        let expected = self.model.context();
        let is_its_own = self.bits.is_none_or(|bits| bits == WindowBits::B16) && self.context == expected;
        if is_its_own { Ok(()) } else { Err(MessageError::LexiconLayout { expected }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn messages_of_every_layout_come_back() {
        let model = Model::shipped("nano").unwrap();
        let lexicon = model.lexicon(64, 2).unwrap();
        let coders = [
            MessageCoder::new(&model),
            MessageCoder::new(&model).window_bits(WindowBits::B16),
            MessageCoder::new(&model).window_bits(WindowBits::B64).context(20),
            MessageCoder::new(&lexicon),
            MessageCoder::new(&model).check(Check::Bits8),
            MessageCoder::new(&model).check(Check::Bits16),
        ];
        for coder in &coders {
            for text in [&b""[..], b"a", b"The train is late, see you at eight.", &[255; 300]] {
                let message = coder.encode(text).unwrap();
                assert_eq!(coder.decode(&message).unwrap(), text, "{coder:?}");
            }
        }
        // On any number of threads, and by a model that is asked byte by byte.
        let alice = &include_bytes!("../../tests/data/alice29.txt")[..20_000];
        for coder in [&coders[0], &coders[5], &MessageCoder::new(&model).context(3)] {
            let message = coder.encode(alice).unwrap();
            assert!(coder.clone().threads(3).encode(alice).unwrap() == message && message.len() < 10_000);
            let mut slowly = vec![0; 20_000];
            let mut session = model.session(coder.context).unwrap();
            let length = raw::encode(&mut session, PayloadLayout::Message, alice, &mut slowly).unwrap();
            assert!(slowly[..length] == message[..length]);
        }
        // Text that is far longer than its message.
        let long = b"the ".repeat(2000);
        assert_eq!(coders[5].decode(&coders[5].encode(&long).unwrap()).unwrap(), long);
        let text = b"see you at eight";
        let [plain, checked] = [0, 5].map(|coder| coders[coder].encode(text).unwrap());
        assert_eq!(checked[..plain.len()], plain);
        assert_eq!(checked.len(), plain.len() + 2);
        let micro = MessageCoder::new(Model::shipped("micro").unwrap()).check(Check::Bits16);
        assert!(matches!(micro.decode(&checked), Err(MessageError::Payload { .. })));
        let windows = MessageCoder::new(&model).window_bits(WindowBits::B16).check(Check::Bits8);
        assert!(matches!(windows.encode(text), Err(MessageError::CheckOfWindows)));
        // The lexicon's windows are those of its model.
        let windows = MessageCoder::new(&model).window_bits(WindowBits::B16).context(64);
        assert_eq!(windows.encode(b"see you at eight").unwrap(), coders[3].encode(b"see you at eight").unwrap());
        assert!(matches!(coders[3].decode(&[1]), Err(MessageError::Payload { .. })));
        assert!(matches!(
            MessageCoder::new(&lexicon).window_bits(WindowBits::B32).encode(b"a"),
            Err(MessageError::LexiconLayout { expected: 64 })
        ));
    }
}
