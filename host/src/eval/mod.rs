//! `eval`: every method of the paper on the same text, and the [`bound`] for window codes.
//!
//! Data flow: documents become [`pieces`]; each pair of a piece and a [`Measure`] is one job for the threads and
//! comes back as a [`Tally`]; sums of tallies become [`Row`]s. Tallies are
//! summed in the order of the text, so the figures do not depend on the threads.

pub mod bound;
pub mod classical;
pub mod compare;
pub mod pieces;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use equalinfo_codec::WindowBits;
use equalinfo_codec::lexicon::Lexicon;
use serde::Serialize;

use crate::compress::ordered::ordered;
use crate::compress::windows::{Cutter, Encoding, Windows};
use crate::lexicon::kind_name;
use crate::model::{LoadedModel, Session};
use pieces::{PIECE, Piece, Pieces};

/// What is measured on a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The text itself.
    Bytes,
    /// zlib at its default level, header and checksum included, as the paper uses it.
    Gzip,
    /// Arithmetic coding with fixed byte frequencies.
    StaticAc,
    /// Arithmetic coding with M1, each document on its own.
    Ac,
    /// Windows of one width and code.
    Windows(WindowBits, Encoding),
    /// Codes of a lexicon, by its place in [`Evaluation::lexicons`].
    Lexicon(usize, Encoding),
    /// Windows of an ideal coder: see [`bound`].
    Bound(WindowBits),
}

impl Measure {
    /// The width of its windows, if it has any that are compared with the bound.
    fn window_bits(self) -> Option<WindowBits> {
        match self {
            Self::Windows(bits, _) => Some(bits),
            Self::Lexicon(..) => Some(WindowBits::B16),
            _ => None,
        }
    }
}

/// The sum of one measure.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    text: u64,
    coded_bytes: u64,
    windows: u64,
    /// Bytes in an ideal coder's windows, shares of bytes included: of the bound, or begun where a code's windows begin.
    ideal_bytes: f64,
}

/// One line of the report; the fields of `eval --json`.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The method as the command line names it.
    pub method: &'static str,
    /// Bits in a window, for `equal-info` and `lexicon`.
    pub window_bits: Option<u32>,
    /// Bits in a token.
    pub token_bits: u32,
    /// The window code, for `equal-info`; the kind, for `lexicon`.
    pub code: Option<String>,
    /// The model, for the methods that have one.
    pub model: Option<String>,
    /// Bytes of text.
    pub bytes: u64,
    /// Windows, for `equal-info` and `lexicon`.
    pub windows: Option<u64>,
    /// Bits of code per byte of text.
    pub bits_per_byte: f64,
    /// Bytes of text in a window, on average.
    pub bytes_per_window: Option<f64>,
    /// What an ideal coder would reach: see [`bound`].
    pub bound_bytes_per_window: Option<f64>,
    /// The same, if its windows began where this code's do.
    pub same_starts_bytes_per_window: Option<f64>,
    /// Bytes of text per token.
    pub token_ratio: f64,
}

impl Row {
    /// The method's name in the paper.
    pub fn paper_name(&self) -> String {
        let vocabulary = match self.token_bits {
            8 => "256".to_owned(),
            16 => "65k".to_owned(),
            bits => format!("2^{bits}"),
        };
        match (self.method, self.window_bits) {
            ("bytes", _) => "Bytes".to_owned(),
            ("gzip", _) => format!("GZip[v={vocabulary}]"),
            ("static-ac", _) => format!("StaticAC[v={vocabulary}]"),
            ("ac", _) => format!("AC[v={vocabulary}]"),
            ("lexicon", _) => format!("Lexicon[b=16,v={vocabulary}]"),
            (_, Some(bits)) => format!("EqualInfoAC[b={bits},v={vocabulary}]"),
            (method, None) => method.to_owned(),
        }
    }
}

/// What to evaluate.
pub struct Evaluation<'a> {
    /// M1; may be absent when no measure needs it.
    pub m1: Option<&'a LoadedModel>,
    /// The byte frequencies of `static-ac`.
    pub frequencies: &'a LoadedModel,
    /// The lexicons that are measured, all compiled from M1.
    pub lexicons: &'a [LoadedModel],
    /// Bytes of context.
    pub context: usize,
    /// The measures, in the order of the report. Bounds are added as needed.
    pub measures: Vec<Measure>,
    /// Widths of tokens.
    pub token_bits: Vec<u32>,
    /// Threads.
    pub threads: usize,
}

impl Evaluation<'_> {
    /// Runs every measure over the documents; `progress` is told the bytes of text as they are done.
    ///
    /// # Errors
    /// Those of the documents, or a measure that needs M1 when there is none.
    pub fn run(&self, documents: impl Iterator<Item = Result<Vec<u8>>>, progress: impl Fn(u64)) -> Result<Vec<Row>> {
        let measures = self.with_bounds();
        let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
        let mut pieces = Pieces::new(documents).peekable();
        let is_long = pieces.peek().is_some_and(|piece| piece.as_ref().is_ok_and(|piece| piece.text.len() == PIECE));
        let lexicon = if is_long && measures.contains(&Measure::Windows(WindowBits::B16, Encoding::Flexible)) {
            self.m1.map(|model| model.compiled(self.context, self.threads)).transpose()?.flatten()
        } else {
            None
        };
        let lexicon = lexicon.as_ref().and_then(LoadedModel::as_lexicon);
        let jobs = pieces.flat_map(|piece| match piece.map(Arc::new) {
            Ok(piece) => (0..measures.len()).map(|index| Ok((Arc::clone(&piece), index))).collect(),
            Err(error) => vec![Err(error)],
        });
        ordered(
            self.threads,
            jobs,
            || self.m1.unwrap_or(self.frequencies).session(self.context),
            |session, (piece, index)| Ok((index, self.measure(session, lexicon, measures[index], &piece)?)),
            |measured: Result<(usize, Tally)>| {
                let (index, tally) = measured?;
                let sum = tallies.entry(index).or_default();
                sum.text += tally.text;
                sum.coded_bytes += tally.coded_bytes;
                sum.windows += tally.windows;
                sum.ideal_bytes += tally.ideal_bytes;
                if index + 1 == measures.len() {
                    progress(tally.text);
                }
                Ok(())
            },
        )?;
        let tally = |measure: Measure| {
            measures.iter().position(|&other| other == measure).and_then(|index| tallies.get(&index)).copied()
        };
        Ok(self.measures.iter().flat_map(|&measure| self.rows(measure, &tally)).collect())
    }

    fn with_bounds(&self) -> Vec<Measure> {
        let mut measures = Vec::new();
        for &measure in &self.measures {
            if let Some(bits) = measure.window_bits()
                && !measures.contains(&Measure::Bound(bits))
            {
                measures.push(Measure::Bound(bits));
            }
            measures.push(measure);
        }
        measures
    }

    /// `lexicon` is that of M1's window code, where there is one.
    fn measure(
        &self,
        session: &mut Session,
        lexicon: Option<&Lexicon>,
        measure: Measure,
        piece: &Piece,
    ) -> Result<Tally> {
        let text = &piece.text;
        let mut tally = Tally { text: text.len() as u64, ..Tally::default() };
        match measure {
            Measure::Bytes => tally.coded_bytes = tally.text,
            Measure::Gzip => tally.coded_bytes = zlib_size(text),
            Measure::StaticAc => {
                let coded = |document| range_coded_size(self.frequencies, self.context, document);
                tally.coded_bytes = piece.documents().map(coded).sum::<Result<u64>>()?;
            }
            Measure::Ac => {
                let coded = |document| range_coded_size(self.m1.unwrap_or(self.frequencies), self.context, document);
                tally.coded_bytes = piece.documents().map(coded).sum::<Result<u64>>()?;
            }
            Measure::Windows(bits, encoding) => {
                let cutter = Cutter::new((bits, encoding), self.context, usize::MAX, text);
                let windows = match lexicon.filter(|_| encoding.compiled_from(bits).is_some()) {
                    Some(lexicon) => cutter.cut_by(lexicon),
                    None => cutter.cut(session),
                };
                self.tally_windows(session, bits, &windows, text, &mut tally);
            }
            Measure::Lexicon(index, encoding) => {
                let lexicon = self.lexicons.get(index).and_then(LoadedModel::as_lexicon).context("not a lexicon")?;
                let windows = Cutter::new((WindowBits::B16, encoding), self.context, usize::MAX, text).cut_by(lexicon);
                self.tally_windows(session, WindowBits::B16, &windows, text, &mut tally);
            }
            Measure::Bound(bits) => {
                let ideal = bound::windows(session, bits.bits(), self.context, text);
                (tally.windows, tally.ideal_bytes) = (ideal.windows, ideal.bytes);
            }
        }
        Ok(tally)
    }

    /// Counts windows, and what an ideal coder holds that begins where each of them begins.
    fn tally_windows(
        &self,
        session: &mut Session,
        bits: WindowBits,
        windows: &Windows,
        text: &[u8],
        tally: &mut Tally,
    ) {
        let mut rest = text;
        for &length in &windows.lengths {
            tally.ideal_bytes += bound::window(session, bits.bits(), self.context, rest).bytes();
            rest = &rest[usize::from(length)..];
        }
        tally.windows = windows.lengths.len() as u64;
        tally.coded_bytes = windows.code.len() as u64;
    }

    fn rows(&self, measure: Measure, tally: &impl Fn(Measure) -> Option<Tally>) -> Vec<Row> {
        let Some(sum) = tally(measure).filter(|sum| sum.text > 0) else { return Vec::new() };
        let text = sum.text as f64;
        let code_bits = sum.coded_bytes as f64 * 8.0;
        let (mut windows, mut window_bits, mut code) = (None, None, None);
        let method = match measure {
            Measure::Bytes => "bytes",
            Measure::Gzip => "gzip",
            Measure::StaticAc => "static-ac",
            Measure::Ac => "ac",
            Measure::Bound(_) => return Vec::new(),
            Measure::Windows(bits, variant) => {
                (windows, window_bits, code) = (Some(sum.windows), Some(bits.bits()), Some(variant.name().to_owned()));
                "equal-info"
            }
            Measure::Lexicon(index, encoding) => {
                let kind = self.lexicons.get(index).and_then(LoadedModel::as_lexicon).map(Lexicon::kind);
                let name = kind.map(|kind| match (kind_name(kind), encoding) {
                    (kind, Encoding::Flexible) => format!("{kind}, {}", encoding.name()),
                    (kind, _) => kind.to_owned(),
                });
                (windows, window_bits, code) = (Some(sum.windows), Some(WindowBits::B16.bits()), name);
                "lexicon"
            }
        };
        let bound = measure.window_bits().and_then(|bits| tally(Measure::Bound(bits)));
        let bound = bound.map(|bound| bound.ideal_bytes / bound.windows as f64);
        let same_starts = measure.window_bits().map(|_| sum.ideal_bytes / sum.windows as f64);
        let model = match measure {
            Measure::Ac | Measure::Windows(..) | Measure::Lexicon(..) => self.m1.map(|model| model.name().to_owned()),
            Measure::StaticAc => Some(self.frequencies.name().to_owned()),
            _ => None,
        };
        // A byte is a token of 8 bits, whatever the width of the others.
        let bytes_as_tokens = [8];
        let token_bits = if measure == Measure::Bytes { &bytes_as_tokens[..] } else { &self.token_bits };
        let row = |&token_bits: &u32| Row {
            method,
            window_bits,
            token_bits,
            code: code.clone(),
            model: model.clone(),
            bytes: sum.text,
            windows,
            bits_per_byte: code_bits / text,
            bytes_per_window: windows.map(|windows| text / windows as f64),
            bound_bytes_per_window: bound,
            same_starts_bytes_per_window: same_starts,
            token_ratio: text * f64::from(token_bits) / code_bits,
        };
        token_bits.iter().map(row).collect()
    }
}

fn zlib_size(text: &[u8]) -> u64 {
    use std::io::Read;
    let mut encoder = flate2::read::ZlibEncoder::new(text, flate2::Compression::default());
    std::io::copy(&mut encoder.by_ref(), &mut std::io::sink()).unwrap_or_default()
}

fn range_coded_size(model: &LoadedModel, context: usize, text: &[u8]) -> Result<u64> {
    // Two bytes of code for a byte of text is more than any frequencies can ask: a byte costs at most 15 bits.
    let mut buffer = vec![0; 2 * text.len() + 16];
    Ok(model.range_encode(context, text, &mut buffer)?.unwrap_or(buffer.len()) as u64)
}
