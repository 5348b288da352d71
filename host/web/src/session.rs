//! A stream that is decoded window by window.

use equalinfo_codec::container::{
    BlockDecoder, BlockHeader, BlockKind, END_MARKER, Header, Method, ModelIdentity, Stream, find_block, parse_table,
};
use equalinfo_codec::error::{DecodeError, Part};
use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::{ByteModel, StaticModel, WindowCode};

use crate::Step;

/// The models that the page can decode with.
const IMAGES: [&[u8]; 2] = [equalinfo_determinism::NANO, include_bytes!("../../models/micro.m1q")];

/// Bytes of text in a step, for methods without windows.
const PIECE: usize = 64;

/// The longest text of a window.
const LONGEST: usize = 256;

/// A stream that is being decoded.
pub struct Session {
    stream: Vec<u8>,
    header: Header,
    model: Box<dyn ByteModel>,
    name: &'static str,
    /// Where the stream goes on.
    position: usize,
    /// The block there, unless none was begun.
    block: Option<BlockDecoder>,
    /// Whether its payload was coded by the stream's method.
    coded: bool,
    /// Where its payload ends.
    block_end: usize,
    /// The number of the next block.
    number: u32,
    ended: bool,
}

/// The model that a stream names, if it is one of the page's, in memory that is never given back.
fn load(identity: ModelIdentity) -> Result<(M1<'static, 'static>, &'static str), String> {
    let found = IMAGES.into_iter().filter_map(|image| Model::load(image).ok()).find(|model| model.id() == identity.id);
    let Some(model) = found else {
        return Err(format!("It needs model {:016x}, which is not part of this page.", identity.id));
    };
    let (config, context) = (model.config(), usize::from(identity.context));
    let bytes = vec![0; config.byte_buffer(context.min(LONGEST))].leak();
    let words = vec![0; config.word_buffer(context.min(LONGEST))].leak();
    let m1 = M1::new(&model, context, bytes, words).map_err(|error| error.to_string())?;
    Ok((m1, model.name()))
}

impl Session {
    /// Reads the header; an error is a sentence for the user.
    pub fn open(stream: Vec<u8>) -> Result<Self, String> {
        let header = Header::parse(&stream).map_err(|error| format!("This cannot be decoded: {error}."))?;
        let mut position = Header::LENGTH;
        let (model, name): (Box<dyn ByteModel>, _) = if header.method == Method::StaticAc {
            let (frequencies, length) =
                parse_table(&stream[position..]).map_err(|error| format!("This cannot be decoded: {error}."))?;
            position += length;
            (Box::new(StaticModel(frequencies)), "its own byte frequencies")
        } else {
            let (m1, name) = load(header.model)?;
            (Box::new(m1), name)
        };
        Ok(Self {
            stream,
            header,
            model,
            name,
            position,
            block: None,
            coded: false,
            block_end: position,
            number: 0,
            ended: false,
        })
    }

    /// A JSON object: what the header says.
    pub fn describe(&self) -> String {
        let (method, bits, code) = match self.header.method {
            Method::Ac => ("ac", 0, ""),
            Method::StaticAc => ("static-ac", 0, ""),
            Method::EqualInfo { bits, code } => {
                ("equal-info", bits.bits(), if code == WindowCode::Delay { "delay" } else { "default" })
            }
            _ => ("another method", 0, ""),
        };
        let Self { name, header, stream, .. } = self;
        format!(
            r#"{{"method":"{method}","bits":{bits},"code":"{code}","model":"{name}","context":{},"bytes":{}}}"#,
            header.model.context,
            stream.len()
        )
    }

    /// Decodes a little more into `output`.
    pub fn next(&mut self, output: &mut Vec<u8>) -> Step {
        if self.ended {
            return Step::End;
        }
        match self.step(output) {
            Ok(step) => step,
            Err(error) => {
                output.clear();
                output.extend(error.to_string().as_bytes());
                self.go_around();
                Step::Damage
            }
        }
    }

    fn step(&mut self, output: &mut Vec<u8>) -> Result<Step, DecodeError> {
        while self.block.as_ref().is_none_or(BlockDecoder::is_done) {
            self.position = self.block_end;
            if self.stream[self.position..].starts_with(&END_MARKER) {
                return self.end();
            }
            self.begin_block()?;
        }
        let (size, step) = match self.header.method {
            Method::EqualInfo { bits, .. } if self.coded => (bits.bytes(), Step::Window),
            _ if self.coded => (PIECE, Step::Text),
            _ => (PIECE, Step::Stored),
        };
        let payload = &self.stream[self.position..self.block_end];
        let input = payload.get(..size).unwrap_or(payload);
        let mut text = [0; LONGEST];
        // The window's text is all that fits between two windows; elsewhere any room will do.
        let room = if step == Step::Window { LONGEST } else { PIECE };
        let Some(block) = &mut self.block else { return Ok(Step::End) };
        let progress = block.decode(&mut &mut *self.model, input, &mut text[..room])?;
        if progress.consumed == 0 && progress.written == 0 {
            return Err(DecodeError::Truncated { part: Part::Payload, block: self.number.saturating_sub(1) });
        }
        self.position += progress.consumed;
        if step == Step::Window {
            output.extend(input);
        }
        output.extend(&text[..progress.written]);
        Ok(step)
    }

    fn begin_block(&mut self) -> Result<(), DecodeError> {
        self.block = None;
        let header = BlockHeader::parse(&self.stream[self.position..], &self.header, self.number)?;
        self.position += BlockHeader::LENGTH;
        self.number += 1;
        self.block_end = (self.position + header.payload_length as usize).min(self.stream.len());
        self.coded = header.kind == BlockKind::Coded;
        self.block = Some(BlockDecoder::new(&self.header, &header)?);
        Ok(())
    }

    /// Goes on at the next intact block behind damage, or gives up. Whatever failed, the position is behind the
    /// header of every block that was begun, so none is begun twice.
    fn go_around(&mut self) {
        self.block = None;
        match find_block(&self.stream, &self.header, self.position) {
            Some((position, block)) if block.number >= self.number && !self.ended => {
                (self.block_end, self.number) = (position, block.number);
            }
            _ => self.ended = true,
        }
    }

    /// Compares the index with what was seen.
    fn end(&mut self) -> Result<Step, DecodeError> {
        self.ended = true;
        let index = Stream::open(&self.stream)?.index().blocks();
        if index == self.number {
            Ok(Step::End)
        } else {
            Err(DecodeError::BlockCount { expected: index, found: self.number })
        }
    }
}
