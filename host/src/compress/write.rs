//! Text to a stream.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};
use equalinfo_codec::WindowCode;
use equalinfo_codec::container::{
    BlockHeader, END_MARKER, IndexBuilder, IndexEntry, Method, TABLE_LENGTH, write_table,
};

use super::batch::Batch;
use super::coder::Coder;
use super::lockstep::{self, LANES};
use super::ordered::{batched, grouped, ordered};
use super::windows::{Cutter, Encoding};
use super::{Recipe, Workers};
use crate::engine;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes of text.
    pub text: u64,
    /// Bytes of stream.
    pub stream: u64,
    /// Blocks.
    pub blocks: u32,
    /// Windows, for `equal-info`.
    pub windows: u64,
}

/// Writes `input` as a stream; `progress` is told the bytes of text and of stream so far.
///
/// # Errors
/// The input cannot be read or the output cannot be written.
pub fn compress(
    recipe: &Recipe,
    workers: &Workers,
    mut input: impl Read,
    output: &mut impl Write,
    progress: impl Fn(u64, u64),
) -> Result<Written> {
    let mut ahead = Vec::new();
    let recipe = &compiled(recipe, workers, &mut input, &mut ahead)?;
    let input = ahead.as_slice().chain(input);
    let header = &recipe.header;
    let mut start = header.to_bytes().to_vec();
    if let Some(frequencies) = recipe.model.frequencies().filter(|_| header.method == Method::StaticAc) {
        let mut table = [0; TABLE_LENGTH];
        let length = write_table(frequencies, &mut table);
        start.extend_from_slice(&table[..length]);
    }
    output.write_all(&start).context("cannot write")?;
    let mut index = IndexBuilder::new(header, start.len());
    let mut entries: Vec<IndexEntry> = Vec::new();
    let mut consume = |(block, bytes): (BlockHeader, Vec<u8>)| -> Result<()> {
        output.write_all(&bytes).context("cannot write")?;
        let entry = index.add(&block);
        if block.number > 0 {
            entries.push(entry);
        }
        progress(index.text_length(), index.offset());
        Ok(())
    };
    let blocks = Blocks { input, size: header.block_size as usize, number: 0 };
    let context = usize::from(header.model.context);
    match (workers, header.method, recipe.model.engine()) {
        (Workers::Threads(threads), Method::EqualInfo { bits, code }, Some(engine)) if code != WindowCode::Paper => {
            let encoding = recipe.encoding(code);
            let code_of = |batch: &mut engine::Batch, texts: &[&[u8]]| {
                let all = lockstep::encode_windows(batch, (bits, encoding), context, usize::MAX, texts);
                Ok(all.into_iter().map(|windows| windows.code).collect())
            };
            ordered(
                *threads,
                grouped(*threads, lockstep::group(header.block_size), blocks),
                || Ok(engine.batch(LANES, context)?),
                |batch, blocks| encode_all(&blocks, |texts| code_of(batch, texts)),
                |all| all?.into_iter().try_for_each(&mut consume),
            )?;
        }
        (Workers::Threads(threads), ..) => ordered(
            *threads,
            blocks,
            || recipe.model.coder(context),
            |coder, (number, text)| encode(recipe, coder, number, &text),
            |encoded| consume(encoded?),
        )?,
        (Workers::Batch(batch), ..) => batched(
            batch.texts(),
            blocks,
            |(_, text)| text.len(),
            |blocks| encode_all(&blocks, |texts| encode_batch(recipe, batch.as_ref(), texts)),
            consume,
        )?,
    }
    let mut end = END_MARKER.to_vec();
    end.extend(entries.iter().flat_map(IndexEntry::to_bytes));
    end.extend(index.trailer().to_bytes());
    output.write_all(&end).context("cannot write")?;
    Ok(Written {
        text: index.text_length(),
        stream: index.offset() + end.len() as u64,
        blocks: index.blocks(),
        windows: index.windows(),
    })
}

/// The recipe with the lexicon of its model, where that pays: the stream is the same. What was read to know goes to `ahead`.
fn compiled(recipe: &Recipe, workers: &Workers, input: impl Read, ahead: &mut Vec<u8>) -> Result<Recipe> {
    let mut recipe = recipe.clone();
    if let Workers::Threads(threads) = *workers
        && let Method::EqualInfo { bits, code } = recipe.header.method
        && let Some(pays_from) = recipe.encoding(code).compiled_from(bits)
        && recipe.model.engine().is_some()
    {
        input.take(pays_from as u64).read_to_end(ahead).context("cannot read")?;
        if ahead.len() == pays_from
            && let Some(lexicon) = recipe.model.compiled(recipe.header.model.context.into(), threads)?
        {
            recipe.model = lexicon;
        }
    }
    Ok(recipe)
}

/// Cuts the input into numbered blocks.
struct Blocks<R> {
    input: R,
    size: usize,
    number: u32,
}

impl<R: Read> Iterator for Blocks<R> {
    type Item = Result<(u32, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = Vec::new();
        if let Err(error) = (&mut self.input).take(self.size as u64).read_to_end(&mut text) {
            return Some(Err(error).context("cannot read"));
        }
        let number = self.number;
        self.number += 1;
        (!text.is_empty()).then_some(Ok((number, text)))
    }
}

fn encode(recipe: &Recipe, coder: &mut Coder, number: u32, text: &[u8]) -> Result<(BlockHeader, Vec<u8>)> {
    let header = &recipe.header;
    if is_noise(text) {
        return Ok(stored(number, text));
    }
    let mut bytes = vec![0; BlockHeader::LENGTH + text.len()];
    let block = match header.method {
        // The codec's own encoder asks for one byte after the other; here they are all known.
        Method::Ac => {
            let shorter = &mut bytes[BlockHeader::LENGTH..][..text.len() - 1];
            let Some(length) = recipe.model.range_encode(usize::from(header.model.context), text, shorter)? else {
                return Ok(stored(number, text));
            };
            let block = BlockHeader::coded(number, text, length);
            bytes[..BlockHeader::LENGTH].copy_from_slice(&block.to_bytes());
            block
        }
        Method::EqualInfo { bits, .. } if recipe.flexible => {
            let lexicon = recipe.model.as_lexicon().context("flexible windows need a model or a lexicon")?;
            let cutter = Cutter::new((bits, Encoding::Flexible), usize::from(header.model.context), usize::MAX, text);
            return Ok(block_of(number, text, Some(cutter.cut_by(lexicon).code)));
        }
        _ => coder.encode_block(header, number, text, &mut bytes)?,
    };
    bytes.truncate(block.stream_length() as usize);
    Ok((block, bytes))
}

/// The codes of texts, by a GPU.
fn encode_batch(recipe: &Recipe, batch: &dyn Batch, texts: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
    match recipe.header.method {
        Method::Ac => batch.range_encode(texts),
        Method::EqualInfo { bits, code: WindowCode::Default } if !recipe.flexible => {
            Ok(batch.encode_windows(bits, texts)?.into_iter().map(|windows| windows.code).collect())
        }
        _ => bail!("--device cuda has methods ac and equal-info with the default code"),
    }
}

/// Blocks as [`encode`] makes them; `codes` gives the codes of all texts that are not noise.
fn encode_all(
    blocks: &[(u32, Vec<u8>)],
    codes: impl FnOnce(&[&[u8]]) -> Result<Vec<Vec<u8>>>,
) -> Result<Vec<(BlockHeader, Vec<u8>)>> {
    let is_coded: Vec<bool> = blocks.iter().map(|(_, text)| !is_noise(text)).collect();
    let texts = blocks.iter().zip(&is_coded).filter(|(_, is_coded)| **is_coded);
    let mut codes = codes(&texts.map(|((_, text), _)| &text[..]).collect::<Vec<_>>())?.into_iter();
    let block = |((number, text), is_coded): (&(u32, Vec<u8>), bool)| {
        block_of(*number, text, if is_coded { codes.next() } else { None })
    };
    Ok(blocks.iter().zip(is_coded).map(block).collect())
}

/// The block of a text with this code, which is its text unless the code is shorter.
fn block_of(number: u32, text: &[u8], code: Option<Vec<u8>>) -> (BlockHeader, Vec<u8>) {
    match code.filter(|code| code.len() < text.len()) {
        Some(code) => {
            let block = BlockHeader::coded(number, text, code.len());
            (block, [&block.to_bytes()[..], &code].concat())
        }
        None => stored(number, text),
    }
}

/// A block that is its text.
fn stored(number: u32, text: &[u8]) -> (BlockHeader, Vec<u8>) {
    let block = BlockHeader::stored(number, text);
    (block, [&block.to_bytes(), text].concat())
}

/// Whether all byte values are about equally frequent, as in compressed or encrypted data, which no model of text
/// makes smaller: such a block is stored without asking the model, which would take a thousand times longer.
///
/// Noise of `n` bytes has a sum of squared counts of `n^2 / 256 + n`; a quarter more than `n^2 / 256` is the limit. In
/// integers, so that every machine decides alike.
fn is_noise(text: &[u8]) -> bool {
    const ENOUGH: usize = 4096;
    if text.len() < ENOUGH {
        return false;
    }
    let mut counts = [0u64; 256];
    for &byte in text {
        counts[usize::from(byte)] += 1;
    }
    let squares: u64 = counts.iter().map(|&count| count * count).sum();
    let length = text.len() as u64;
    squares * 256 * 4 <= length * length * 5
}
