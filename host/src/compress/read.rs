//! A stream to text, around any damage.
//!
//! Invariant: text is written block by block, in order, and only from blocks whose checksum agrees; whatever is not
//! delivered is in [`Restored::losses`] with its cause.

use std::io::{Read, Write};
use std::ops::Range;

use anyhow::{Context, Result};
use equalinfo_codec::WindowBits;
use equalinfo_codec::container::{BlockHeader, BlockKind, Header, Method, TABLE_LENGTH, parse_table};
use equalinfo_codec::error::{DecodeError, Part};

use super::Workers;
use super::batch::Batch;
use super::blocks::{BlockReader, Event};
use super::coder::Coder;
use super::index_map::IndexMap;
use super::lockstep::{self, LANES};
use super::ordered::{batched, grouped, ordered};
use super::source::Source;
use super::windows::Encoding;
use crate::engine;
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
/// `model` finds the model that a header asks for, and `workers` those that run it. `map` is the index of the first stream, where it could be read beforehand.
///
/// # Errors
/// The input cannot be read, does not begin with a readable header, asks for a model that is not there; or the output
/// cannot be written. Damaged blocks are no error but [`Restored::losses`].
pub fn decompress(
    input: impl Read,
    output: &mut impl Write,
    mut map: Option<IndexMap>,
    model: impl Fn(&Header) -> Result<LoadedModel>,
    workers: impl Fn(&LoadedModel, &Header) -> Result<Workers>,
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
        let complete = restore(
            &workers(&model, &header)?,
            &mut source,
            output,
            &header,
            start,
            map.take(),
            &model,
            &mut restored,
            &progress,
        )?;
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
    workers: &Workers,
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
    let compiled = compiled(model, workers, source, header)?;
    let model = compiled.as_ref().unwrap_or(model);
    let mut reader = BlockReader::new(source, header, start, map);
    let mut consume = |decoded: Decoded| -> Result<()> {
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
    };
    let context = usize::from(header.model.context);
    let coder = || model.coder(context);
    match (workers, model.engine()) {
        (Workers::Threads(threads), Some(engine)) => {
            let lanes = || Ok(engine.batch(LANES, context)?);
            let work = |batch: &mut engine::Batch, events| decode_lanes(batch, header, events);
            let groups = grouped(*threads, lockstep::group(header.block_size), reader.by_ref());
            ordered(*threads, groups, lanes, work, |all| all.into_iter().try_for_each(&mut consume))?;
        }
        (Workers::Threads(threads), None) => {
            ordered(*threads, reader.by_ref(), coder, |coder, event| decode(coder, header, event), consume)?;
        }
        (Workers::Batch(batch), _) => {
            let mut coder = coder()?;
            let size = |event: &Event| event.block().map_or(0, |(block, _)| block.text_length as usize);
            let work = |events| decode_batch(&mut coder, batch.as_ref(), header, events);
            batched(batch.texts(), reader.by_ref(), size, work, consume)?;
        }
    }
    Ok(reader.is_complete())
}

/// The lexicon of the model, where what is left of the stream is long enough for that to pay.
fn compiled<R: Read>(
    model: &LoadedModel,
    workers: &Workers,
    source: &mut Source<R>,
    header: &Header,
) -> Result<Option<LoadedModel>> {
    let Method::EqualInfo { bits, code } = header.method else { return Ok(None) };
    // Text is a little more than twice as long as its windows.
    let pays_from = Encoding::Greedy(code).compiled_from(bits).map(|text| text / 2);
    match (workers, pays_from.filter(|_| model.engine().is_some())) {
        (Workers::Threads(threads), Some(pays_from))
            if source.peek(pays_from).context("cannot read")?.len() == pays_from =>
        {
            model.compiled(header.model.context.into(), *threads)
        }
        _ => Ok(None),
    }
}

type Decoded = Result<(u64, Vec<u8>), Loss>;

fn decode(coder: &mut Coder, header: &Header, event: Event) -> Decoded {
    decode_with(event, |block, payload| {
        let mut text = vec![0; block.text_length as usize];
        coder.decode_block(header, block, payload, &mut text).map(|()| text)
    })
}

/// What an event becomes when `text` gives the text of its block.
fn decode_with(event: Event, text: impl FnOnce(&BlockHeader, &[u8]) -> Result<Vec<u8>, DecodeError>) -> Decoded {
    let (block, payload, text_offset, position) = match event {
        Event::Block { block, payload, text_offset, position } => (block, payload, text_offset, position),
        Event::Loss(loss) => return Err(loss),
    };
    let lost = |cause| Loss {
        blocks: block.number..block.number + 1,
        text_offset,
        length: Some(u64::from(block.text_length)),
        cause,
    };
    text(&block, &payload).map(|text| (position, text)).map_err(lost)
}

/// Blocks as [`decode`] gives them, in lockstep.
fn decode_lanes(batch: &mut engine::Batch, header: &Header, events: Vec<Event>) -> Vec<Decoded> {
    let blocks: Vec<(&BlockHeader, &[u8])> = events.iter().filter_map(Event::block).collect();
    let mut texts = lockstep::decode(batch, header, &blocks).into_iter();
    let mut next = |block: &BlockHeader| {
        // There is a text for every block.
        let missing = DecodeError::Truncated { part: Part::Payload, block: block.number };
        texts.next().unwrap_or(Err(missing))
    };
    events.into_iter().map(|event| decode_with(event, |block, _| next(block))).collect()
}

/// Blocks as [`decode`] gives them, by a GPU. What it finds damaged is decoded once more on the CPU, which names the damage.
fn decode_batch(coder: &mut Coder, batch: &dyn Batch, header: &Header, events: Vec<Event>) -> Result<Vec<Decoded>> {
    let is_coded = |block: &BlockHeader| block.kind == BlockKind::Coded;
    let blocks: Vec<(&BlockHeader, &[u8])> =
        events.iter().filter_map(Event::block).filter(|(block, _)| is_coded(block)).collect();
    let mut texts = match header.method {
        Method::EqualInfo { bits, .. } => texts_of_windows(coder, batch, header, bits, &blocks)?,
        _ => {
            let lengths: Vec<usize> = blocks.iter().map(|(block, _)| block.text_length as usize).collect();
            let payloads: Vec<&[u8]> = blocks.iter().map(|(_, payload)| *payload).collect();
            let texts = batch.range_decode(&payloads, &lengths)?;
            // Whether a code that no encoder writes is damage, the codec knows.
            let known: Vec<&[u8]> = texts.iter().flatten().map(|text| &text[..]).collect();
            let mut codes = batch.range_encode(&known)?.into_iter();
            let written =
                |(text, payload): (Option<Vec<u8>>, &&[u8])| text.filter(|_| codes.next().as_deref() == Some(payload));
            texts.into_iter().zip(&payloads).map(written).collect()
        }
    }
    .into_iter();
    let decoded = events.into_iter().map(|event| {
        let text = match &event {
            Event::Block { block, .. } if is_coded(block) => texts.next().flatten(),
            _ => None,
        };
        match (&event, text) {
            (Event::Block { block, position, .. }, Some(text))
                if BlockHeader::stored(block.number, &text).text_checksum == block.text_checksum =>
            {
                Ok((*position, text))
            }
            _ => decode(coder, header, event),
        }
    });
    Ok(decoded.collect())
}

/// The texts of blocks of windows, `None` where the codec has to look.
fn texts_of_windows(
    coder: &mut Coder,
    batch: &dyn Batch,
    header: &Header,
    bits: WindowBits,
    blocks: &[(&BlockHeader, &[u8])],
) -> Result<Vec<Option<Vec<u8>>>> {
    let whole = |payload: &[u8]| payload.len() - payload.len() % bits.bytes();
    let values: Vec<u8> = blocks.iter().flat_map(|(_, payload)| &payload[..whole(payload)]).copied().collect();
    let mut windows = batch.decode_windows(bits, &values)?.into_iter();
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
        match coder.decode_block(header, &unchecked, last, &mut end) {
            Ok(()) | Err(DecodeError::TextChecksum { .. }) => text.extend(end),
            Err(_) => return None,
        }
        Some(text)
    };
    Ok(blocks.iter().map(|(block, payload)| text_of(block, payload)).collect())
}
