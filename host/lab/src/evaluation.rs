//! Every method of the paper on the same text, and the [`bound`] for window codes.
//!
//! Data flow: documents become [`pieces`](crate::pieces); each pair of a piece and a [`Measure`] is one job for the
//! threads and comes back as a tally; sums of tallies become [`EvaluationRow`]s. Tallies are summed in the order of the
//! text, so the figures do not depend on the threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use equalinfo::coding::Session;
use equalinfo::ordered::ordered;
use equalinfo::plan::{CpuPlan, CpuWorker, Job};
use equalinfo::windows::{Encoding, Segmentation, Segments};
use equalinfo::{ByteFrequencies, CodingError, CodingModel, Lexicon, Model};
use equalinfo_codec::WindowBits;
use serde::Serialize;

use crate::pieces::{Piece, Pieces};
use crate::{LabError, Result, bound};

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
    /// Bytes in an ideal coder's windows, shares of bytes included: of the bound, or begun where a code's windows
    /// begin.
    ideal_bytes: f64,
}

/// One line of the report; the fields of `eval --json`.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluationRow {
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

impl EvaluationRow {
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

/// What a thread works with.
struct Thread {
    /// The model of the bounds.
    session: Session,
    /// Of each measure, once it was needed.
    workers: Vec<Option<CpuWorker>>,
}

/// What to evaluate.
pub struct Evaluation<'a> {
    /// M1; may be absent when no measure needs it.
    pub m1: Option<&'a Model>,
    /// The byte frequencies of `static-ac`.
    pub frequencies: &'a ByteFrequencies,
    /// The lexicons that are measured, all compiled from M1.
    pub lexicons: &'a [Lexicon],
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
    pub fn run(
        &self,
        documents: impl Iterator<Item = Result<Vec<u8>>>,
        progress: impl Fn(u64),
    ) -> Result<Vec<EvaluationRow>> {
        let measures = self.with_bounds();
        let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
        let mut pieces = Pieces::new(documents);
        // What was read to know how much text there is.
        let mut ahead: Vec<Result<Piece>> = Vec::new();
        let mut is_long = |bytes: usize| {
            let length = |ahead: &[Result<Piece>]| ahead.iter().flatten().map(|piece| piece.text.len()).sum::<usize>();
            while length(&ahead) < bytes {
                let Some(piece) = pieces.next() else { return false };
                ahead.push(piece);
                if ahead.last().is_some_and(Result::is_err) {
                    return false;
                }
            }
            true
        };
        let plans = measures.iter().map(|&measure| self.plan(measure, &mut is_long)).collect::<Result<Vec<_>>>()?;
        let jobs = ahead.into_iter().chain(pieces).flat_map(|piece| match piece.map(Arc::new) {
            Ok(piece) => (0..measures.len()).map(|index| Ok((Arc::clone(&piece), index))).collect(),
            Err(error) => vec![Err(error)],
        });
        let model = self.m1.map_or_else(|| CodingModel::from(self.frequencies), CodingModel::from);
        ordered(
            self.threads,
            jobs,
            || Ok(Thread { session: model.session(self.context)?, workers: plans.iter().map(|_| None).collect() }),
            |thread, (piece, index)| Ok((index, self.measure(thread, &plans, measures[index], index, &piece)?)),
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

    /// How a measure is computed; `None`: without a model, or by the session alone.
    fn plan(&self, measure: Measure, is_long: &mut impl FnMut(usize) -> bool) -> Result<Option<CpuPlan>> {
        let m1 = || self.m1.map_or_else(|| CodingModel::from(self.frequencies), CodingModel::from);
        let (model, job) = match measure {
            Measure::Bytes | Measure::Gzip | Measure::Bound(_) => return Ok(None),
            Measure::StaticAc => (self.frequencies.into(), Job::RangeEncode),
            Measure::Ac => (m1(), Job::RangeEncode),
            Measure::Windows(bits, encoding) => (m1(), Job::Cut(Segmentation::new(bits, encoding, self.context))),
            Measure::Lexicon(index, encoding) => {
                let lexicon = self.lexicons.get(index).ok_or(LabError::NoLexicon(index))?;
                (lexicon.into(), Job::Cut(Segmentation::new(WindowBits::B16, encoding, self.context)))
            }
        };
        let is_long = |bytes| Ok::<_, CodingError>(is_long(bytes));
        Ok(Some(CpuPlan::new(&model, self.context, job, self.threads, 1, is_long)?))
    }

    fn measure(
        &self,
        Thread { session, workers }: &mut Thread,
        plans: &[Option<CpuPlan>],
        measure: Measure,
        index: usize,
        piece: &Piece,
    ) -> Result<Tally> {
        let text = &piece.text;
        let mut tally = Tally { text: text.len() as u64, ..Tally::default() };
        let worker = match (&mut workers[index], &plans[index]) {
            (Some(worker), _) => Some(worker),
            (none, Some(plan)) => Some(none.insert(plan.worker()?)),
            (_, None) => None,
        };
        match (measure, worker) {
            (Measure::Bytes, _) => tally.coded_bytes = tally.text,
            (Measure::Gzip, _) => tally.coded_bytes = zlib_size(text),
            (Measure::Bound(bits), _) => {
                let ideal = bound::windows(session, bits.bits(), self.context, text);
                (tally.windows, tally.ideal_bytes) = (ideal.windows, ideal.bytes);
            }
            (Measure::StaticAc | Measure::Ac, Some(worker)) => {
                let documents: Vec<&[u8]> = piece.documents().collect();
                tally.coded_bytes = worker.range_encode(&documents)?.iter().map(|code| code.len() as u64).sum();
            }
            (_, Some(worker)) => {
                for windows in worker.cut(usize::MAX, &[text])? {
                    self.tally_windows(session, &windows, text, &mut tally);
                }
            }
            (_, None) => {}
        }
        Ok(tally)
    }

    /// Counts windows, and what an ideal coder holds that begins where each of them begins.
    fn tally_windows(&self, session: &mut Session, windows: &Segments, text: &[u8], tally: &mut Tally) {
        let mut rest = text;
        for &length in &windows.lengths {
            tally.ideal_bytes += bound::window(session, windows.bits.bits(), self.context, rest).bytes();
            rest = &rest[usize::from(length)..];
        }
        tally.windows = windows.lengths.len() as u64;
        tally.coded_bytes = windows.code.len() as u64;
    }

    fn rows(&self, measure: Measure, tally: &impl Fn(Measure) -> Option<Tally>) -> Vec<EvaluationRow> {
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
                let kind = self.lexicons.get(index).map(Lexicon::name);
                let name = kind.map(|kind| match (kind, encoding) {
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
            Measure::StaticAc => Some("static".to_owned()),
            _ => None,
        };
        // A byte is a token of 8 bits, whatever the width of the others.
        let bytes_as_tokens = [8];
        let token_bits = if measure == Measure::Bytes { &bytes_as_tokens[..] } else { &self.token_bits };
        let row = |&token_bits: &u32| EvaluationRow {
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
