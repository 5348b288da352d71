//! `compare`: general-purpose compressors and ours on the same texts.
//!
//! Invariant: every row covers exactly the same bytes, each text compressed alone, and names what the decoder must
//! hold beside its program (a dictionary, a model), so that no gain hides in data that is not counted.

use std::io;

use anyhow::Result;
use equalinfo_codec::container::{DEFAULT_BLOCK_SIZE, Method};
use equalinfo_codec::{WindowBits, WindowCode, raw};
use serde::Serialize;

use super::classical::{Classical, ZstdWithDictionary};
use crate::compress::ordered::ordered;
use crate::compress::write::compress;
use crate::compress::{Recipe, Workers};
use crate::model::LoadedModel;

/// One row of the comparison; the fields of `compare --json`.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The program and its options.
    pub compressor: String,
    /// Bytes of text.
    pub bytes: u64,
    /// Bytes that remain.
    pub compressed: u64,
    /// Bits that remain for a byte of text.
    pub bits_per_byte: f64,
    /// Bytes that the decoder holds beside its program.
    pub side_data: u64,
}

/// Sums the size that `worker`'s function gives for each text.
///
/// # Errors
/// The first one of the function.
pub fn measure<F: FnMut(&[u8]) -> Result<u64>>(
    name: impl Into<String>,
    side_data: u64,
    texts: &[Vec<u8>],
    threads: usize,
    worker: impl Fn() -> Result<F> + Sync,
) -> Result<Row> {
    let bytes = texts.iter().map(|text| text.len() as u64).sum();
    let mut compressed = 0;
    ordered(
        threads.min(texts.len()),
        texts.iter().map(Ok::<_, anyhow::Error>),
        worker,
        |size, text| size(text),
        |size| {
            compressed += size?;
            Ok(())
        },
    )?;
    Ok(Row {
        compressor: name.into(),
        bytes,
        compressed,
        bits_per_byte: compressed as f64 * 8.0 / bytes as f64,
        side_data,
    })
}

/// The rows of the general-purpose compressors.
///
/// # Errors
/// zstd cannot train a dictionary on the samples.
pub fn classical(texts: &[Vec<u8>], samples: &[Vec<u8>], messages: bool, threads: usize) -> Result<Vec<Row>> {
    // A message's receiver knows what comes, so deflate goes without the header of a file, and xz, which is nothing
    // but header there, does not take part.
    let files = [Classical::Gzip, Classical::Xz, Classical::Zstd, Classical::Brotli];
    let compressors = if messages { &[Classical::Deflate, Classical::Zstd, Classical::Brotli][..] } else { &files };
    let mut rows = Vec::new();
    for &compressor in compressors {
        rows.push(measure(compressor.name(), 0, texts, threads, || {
            Ok(move |text: &[u8]| Ok(compressor.size(text)? as u64))
        })?);
    }
    if !samples.is_empty() {
        let trained = ZstdWithDictionary::train(samples)?;
        let worker = || {
            let mut compressor = trained.compressor()?;
            Ok(move |text: &[u8]| Ok(compressor.compress(text)?.len() as u64))
        };
        rows.push(measure("zstd -19 with dictionary", trained.dictionary_size() as u64, texts, threads, worker)?);
    }
    Ok(rows)
}

/// The rows of our own methods: arithmetic coding and windows for files, the message layout for messages.
///
/// # Errors
/// None in practice: buffers are large enough for any text.
pub fn ours(model: &LoadedModel, texts: &[Vec<u8>], messages: bool, threads: usize) -> Result<Vec<Row>> {
    let (side_data, context) = (model.image().len() as u64, model.context());
    if messages {
        let worker = || {
            let mut session = model.session(context)?;
            Ok(move |text: &[u8]| {
                let mut payload = vec![0; 2 * text.len() + 16];
                Ok(raw::encode(&mut session, raw::Layout::Message, text, &mut payload)? as u64)
            })
        };
        return Ok(vec![measure(format!("equalinfo {} --raw", model.name()), side_data, texts, threads, worker)?]);
    }
    let stream = |method| {
        let worker = move || {
            let recipe = Recipe::new(method, model.clone(), context, u64::from(DEFAULT_BLOCK_SIZE))?;
            // As `compress` makes windows when it is not told how.
            let recipe = Recipe { flexible: matches!(method, Method::EqualInfo { .. }), ..recipe };
            Ok(move |text: &[u8]| {
                Ok(compress(&recipe, &Workers::Threads(threads), text, &mut io::sink(), |_, _| ())?.stream)
            })
        };
        let name = match method {
            Method::EqualInfo { bits, .. } => format!("equalinfo {} equal-info b={}", model.name(), bits.bits()),
            _ => format!("equalinfo {} ac", model.name()),
        };
        // The blocks of a text are what runs in parallel here, not the texts.
        measure(name, side_data, texts, 1, worker)
    };
    let windows = |bits| Method::EqualInfo { bits, code: WindowCode::Default };
    [Method::Ac, windows(WindowBits::B128), windows(WindowBits::B16)].into_iter().map(stream).collect()
}
