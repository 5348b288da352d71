//! A stream to text, around any damage.
//!
//! Invariant: text is written block by block, in order, and only from blocks whose checksum agrees; whatever is not
//! delivered is in [`Restored::losses`] with its cause.

use std::io::{Read, Write};
use std::ops::Range;

use anyhow::{Context, Result};
use equalinfo_codec::container::{Header, Method, TABLE_LENGTH, parse_table};
use equalinfo_codec::error::DecodeError;

use super::blocks::{BlockReader, Event};
use super::coder::Coder;
use super::index_map::IndexMap;
use super::ordered::ordered;
use super::source::Source;
use crate::model::LoadedModel;

/// What a file of one or more streams held.
#[derive(Debug, Default)]
pub struct Restored {
    /// Bytes of text delivered.
    pub text: u64,
    /// Bytes of input.
    pub stream: u64,
    /// What was not delivered.
    pub losses: Vec<Loss>,
}

/// Damage, and the text that it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The blocks that are missing; empty when all text was delivered all the same.
    pub blocks: Range<u32>,
    /// Where their text begins in the whole, if that is known.
    pub text_offset: Option<u64>,
    /// Bytes of text that are missing, if that is known.
    pub length: Option<u64>,
    /// What was found.
    pub cause: DecodeError,
}

/// Writes the text of all streams in `input`; `progress` is told the bytes of input and of text so far.
///
/// `model` finds the model that a header asks for. `map` is the index of the first stream, where it could be read beforehand.
///
/// # Errors
/// The input cannot be read, does not begin with a readable header, asks for a model that is not there; or the output
/// cannot be written. Damaged blocks are no error but [`Restored::losses`].
pub fn decompress(
    threads: usize,
    input: impl Read,
    output: &mut impl Write,
    mut map: Option<IndexMap>,
    model: impl Fn(&Header) -> Result<LoadedModel>,
    progress: impl Fn(u64, u64),
) -> Result<Restored> {
    let mut source = Source::new(input);
    let mut restored = Restored::default();
    let mut first = true;
    loop {
        let beginning = source.peek(Header::LENGTH + TABLE_LENGTH).context("cannot read")?;
        if beginning.is_empty() && !first {
            break;
        }
        let (header, table) = match parse_start(beginning) {
            Ok(start) => start,
            Err(error) if first => return Err(error.into()),
            Err(cause) => {
                // Something follows a complete stream that is no other stream: all text is there, but the file is not as it was.
                restored.losses.push(Loss { blocks: 0..0, text_offset: Some(restored.text), length: Some(0), cause });
                break;
            }
        };
        let model = match &table {
            Some((frequencies, _)) => LoadedModel::from_frequencies(frequencies.clone()),
            None => model(&header)?,
        };
        let start = Header::LENGTH + table.map_or(0, |(_, length)| length);
        source.take(start).context("cannot read")?;
        let complete =
            restore(threads, &mut source, output, &header, start, map.take(), &model, &mut restored, &progress)?;
        restored.stream = source.position();
        first = false;
        if !complete {
            break;
        }
    }
    Ok(restored)
}

type Start = (Header, Option<(equalinfo_codec::Frequencies, usize)>);

fn parse_start(bytes: &[u8]) -> Result<Start, DecodeError> {
    let header = Header::parse(bytes)?;
    let table = match header.method {
        Method::StaticAc => Some(parse_table(&bytes[Header::LENGTH..])?),
        _ => None,
    };
    Ok((header, table))
}

/// One stream after its header; whether its end was found, so that another may follow.
#[expect(clippy::too_many_arguments, reason = "the parts of one loop over one stream")]
fn restore<R: Read>(
    threads: usize,
    source: &mut Source<R>,
    output: &mut impl Write,
    header: &Header,
    start: usize,
    map: Option<IndexMap>,
    model: &LoadedModel,
    restored: &mut Restored,
    progress: &impl Fn(u64, u64),
) -> Result<bool> {
    let text_before = restored.text;
    let mut reader = BlockReader::new(source, header, start, map);
    ordered(
        threads,
        reader.by_ref(),
        || model.coder(usize::from(header.model.context)),
        |coder, event| decode(coder, header, event),
        |decoded: Decoded| {
            match decoded {
                Ok((position, text)) => {
                    output.write_all(&text).context("cannot write")?;
                    restored.text += text.len() as u64;
                    progress(position, restored.text);
                }
                Err(mut loss) => {
                    // Offsets count from the start of this stream's text; with several streams, from that of all.
                    loss.text_offset = loss.text_offset.map(|offset| offset + text_before);
                    restored.losses.push(loss);
                }
            }
            Ok(())
        },
    )?;
    Ok(reader.is_complete())
}

type Decoded = Result<(u64, Vec<u8>), Loss>;

fn decode(coder: &mut Coder, header: &Header, event: Event) -> Decoded {
    let (block, payload, text_offset, position) = match event {
        Event::Block { block, payload, text_offset, position } => (block, payload, text_offset, position),
        Event::Loss(loss) => return Err(loss),
    };
    let mut text = vec![0; block.text_length as usize];
    match coder.decode_block(header, &block, &payload, &mut text) {
        Ok(()) => Ok((position, text)),
        Err(cause) => Err(Loss {
            blocks: block.number..block.number + 1,
            text_offset,
            length: Some(u64::from(block.text_length)),
            cause,
        }),
    }
}
