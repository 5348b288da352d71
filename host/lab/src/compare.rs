//! `compare`: general-purpose compressors and ours on the same texts.
//!
//! Invariant: every row covers exactly the same bytes, each text compressed alone, and names what the decoder must
//! hold beside its program (a dictionary, a model), so that no gain hides in data that is not counted.

use std::time::Instant;

use equalinfo_codec::{WindowBits, WindowCode};
use serde::Serialize;

use crate::classical::{Classical, Program, WITH_DICTIONARY, ZstdWithDictionary};
use crate::{LabError, Result};
use equalinfo::ordered::ordered;
use equalinfo::{CodingModel, Compressor, Decompressor, Level, MessageCoder, Model, StreamMethod};

/// One row of the comparison; the fields of `compare --json`.
#[derive(Debug, Clone, Serialize)]
pub struct ComparisonRow {
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
    /// Seconds to compress all texts, one after the other; for messages, and with several threads, of all threads.
    pub seconds: f64,
    /// Bytes that remain of each text, in their order.
    pub each: Vec<u64>,
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
) -> Result<ComparisonRow> {
    let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
    let (mut each, mut seconds) = (Vec::with_capacity(texts.len()), 0.0);
    ordered(
        threads.min(texts.len()),
        texts.iter().map(Ok::<_, LabError>),
        worker,
        |size, text| {
            let started = Instant::now();
            size(text).map(|size| (size, started.elapsed().as_secs_f64()))
        },
        |measured| {
            let (size, taken) = measured?;
            each.push(size);
            seconds += taken;
            Ok(())
        },
    )?;
    let compressed: u64 = each.iter().sum();
    let bits_per_byte = compressed as f64 * 8.0 / bytes as f64;
    Ok(ComparisonRow { compressor: name.into(), bytes, compressed, bits_per_byte, side_data, seconds, each })
}

/// The rows of the general-purpose compressors: libraries, and the programs that are installed.
///
/// # Errors
/// zstd cannot train a dictionary on the samples, or a program fails.
pub fn classical(texts: &[Vec<u8>], samples: &[Vec<u8>], messages: bool, threads: usize) -> Result<Vec<ComparisonRow>> {
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
            Ok(move |text: &[u8]| Ok(compressor.size(text)? as u64))
        };
        rows.push(measure(WITH_DICTIONARY, trained.dictionary_size() as u64, texts, threads, worker)?);
    }
    if !messages {
        for program in Program::ALL.into_iter().filter(|program| program.is_installed()) {
            let worker = || Ok(move |text: &[u8]| Ok(program.size(text)? as u64));
            rows.push(measure(program.name(), 0, texts, threads, worker)?);
        }
    }
    Ok(rows)
}

/// The row of messages: a model's, one by one.
///
/// # Errors
/// None in practice: buffers are large enough for any text.
pub fn messages(model: &Model, texts: &[Vec<u8>], threads: usize) -> Result<ComparisonRow> {
    let worker = || {
        let coder = MessageCoder::new(model);
        Ok(move |text: &[u8]| Ok(coder.encode(text)?.len() as u64))
    };
    measure(format!("equalinfo {} --raw", model.name()), model.bytes().len() as u64, texts, threads, worker)
}

/// The row of a level.
///
/// # Errors
/// A text does not come back as it was.
pub fn level(level: Level, texts: &[Vec<u8>], threads: usize) -> Result<ComparisonRow> {
    let name = level.model_name().map_or_else(|| "tables".to_owned(), |name| format!("{name}, tables"));
    ours(format!("equalinfo -{level} ({name} {})", level.class()), &Compressor::at(level)?, texts, threads)
}

/// The rows of a model's streams without tables: arithmetic coding, and windows.
///
/// # Errors
/// As [`level`].
pub fn model(model: &Model, texts: &[Vec<u8>], threads: usize) -> Result<Vec<ComparisonRow>> {
    let stream = |method| {
        let name = match method {
            StreamMethod::EqualInfo { bits, .. } => format!("equalinfo {} equal-info b={}", model.name(), bits.bits()),
            _ => format!("equalinfo {} ac", model.name()),
        };
        ours(name, &Compressor::new(model).method(method), texts, threads)
    };
    let windows = |bits| StreamMethod::EqualInfo { bits, code: WindowCode::Default };
    [StreamMethod::Ac, windows(WindowBits::B128), windows(WindowBits::B16)].into_iter().map(stream).collect()
}

/// The row of a compressor of ours, every stream decompressed again.
fn ours(name: String, compressor: &Compressor, texts: &[Vec<u8>], threads: usize) -> Result<ComparisonRow> {
    let (side_data, models) = match compressor.model() {
        CodingModel::Model(model) => (model.bytes().len() as u64, Some(model.clone())),
        _ => (0, None),
    };
    let compressor = compressor.clone().threads(threads);
    let mut streams = Vec::with_capacity(texts.len());
    let row = {
        let streams = std::sync::Mutex::new(&mut streams);
        // The blocks of a text are what runs in parallel here, not the texts.
        measure(name, side_data, texts, 1, || {
            Ok(|text: &[u8]| {
                let stream = compressor.compress_to_vec(text)?;
                let length = stream.len() as u64;
                streams.lock().expect("no thread panicked").push(stream);
                Ok(length)
            })
        })?
    };
    for (number, (text, stream)) in texts.iter().zip(&streams).enumerate() {
        let decompressor = models.iter().fold(Decompressor::new(), Decompressor::model).threads(threads);
        if decompressor.decompress_to_vec(stream)? != *text {
            return Err(LabError::NotTheSame { compressor: row.compressor, text: number });
        }
    }
    Ok(row)
}
