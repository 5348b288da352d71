//! Training text and the rows of symbols cut from it.
//!
//! A row is a sequence of contexts, each beginning with the start symbol, as the coder runs the model: long contexts that slide (method AC), or
//! contexts that restart where the model's own windows end. Which text a row holds is a function of the seed and the row's
//! number alone, so a run resumes without any saved position; numbers walk the text with the golden ratio's step, which covers it evenly without repeating.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::graph::Batch;
use super::reflow::Reflow;
use equalinfo::corpus::{Corpus, CorpusError};
use equalinfo::digest::finished;
use equalinfo::random::Random;
use equalinfo::tokens::shards::ShardError;

/// Why there is nothing to train on or to measure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The corpus cannot be read.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The tokens cannot be read.
    #[error(transparent)]
    Shards(#[from] ShardError),
    /// The corpus holds no text.
    #[error("no text in {paths:?}: expected documents in .txt, .jsonl or .parquet files")]
    NoText {
        /// Its files.
        paths: Vec<PathBuf>,
    },
    /// The corpus is too small to hold out a part.
    #[error("the corpus of {bytes} bytes is too small to hold out a part: name held-out text")]
    TooSmall {
        /// Its text, in bytes.
        bytes: usize,
    },
    /// A pass over token shards has more rows than can be numbered.
    #[error("{found} rows of tokens in a pass: expected at most {most}")]
    ManyRows {
        /// How many.
        found: u64,
        /// The most.
        most: u64,
    },
    /// A directory of token shards has no rows.
    #[error("{}: no tokens in it", directory.display())]
    NoTokens {
        /// The directory.
        directory: PathBuf,
    },
}

type Result<T, E = DataError> = std::result::Result<T, E>;

/// Documents end to end.
pub struct Text {
    /// All of them.
    pub bytes: Vec<u8>,
    /// Where each document starts, and the end of the last.
    bounds: Vec<usize>,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: Vec::new(), bounds: vec![0] }
    }
}

impl Text {
    /// Reads all documents of a corpus into memory.
    ///
    /// # Errors
    /// The corpus cannot be read or holds no text.
    pub fn read(corpus: &Corpus) -> Result<Self> {
        let mut text = Self::default();
        for document in corpus.documents() {
            text.push(&document?);
        }
        if text.bytes.is_empty() {
            return Err(DataError::NoText { paths: corpus.paths().to_vec() });
        }
        Ok(text)
    }

    /// The SHA-256 of all documents and of where they end. It is of all bytes: they are in memory, and hashing them
    /// takes less time than reading them did.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for document in (0..self.documents()).map(|index| self.document(index)) {
            hash.update((document.len() as u64).to_le_bytes());
            hash.update(document);
        }
        finished(hash)
    }

    /// Divides into every `stride`-th document, beginning with the first, and the others.
    pub fn hold_out(&self, stride: usize) -> (Self, Self) {
        let (mut held, mut kept) = (Self::default(), Self::default());
        for i in 0..self.documents() {
            if i % stride == 0 { &mut held } else { &mut kept }.push(self.document(i));
        }
        (held, kept)
    }

    /// Documents cut after the line end that follows each `length` bytes.
    pub fn cut(&self, length: usize) -> Self {
        let mut pieces = Self::default();
        for mut rest in (0..self.documents()).map(|i| self.document(i)) {
            while rest.len() > length {
                let line_end =
                    rest[length..].iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| length + end + 1);
                pieces.push(&rest[..line_end]);
                rest = &rest[line_end..];
            }
            pieces.push(rest);
        }
        pieces
    }

    fn push(&mut self, document: &[u8]) {
        if !document.is_empty() {
            self.bytes.extend_from_slice(document);
            self.bounds.push(self.bytes.len());
        }
    }

    /// How many documents there are.
    pub fn documents(&self) -> usize {
        self.bounds.len() - 1
    }

    /// A document, by its number from 0.
    pub fn document(&self, index: usize) -> &[u8] {
        &self.bytes[self.bounds[index]..self.bounds[index + 1]]
    }

    /// Bounds of the document that holds a position.
    fn around(&self, position: usize) -> (usize, usize) {
        let after = self.bounds.partition_point(|start| *start <= position);
        (self.bounds[after - 1], self.bounds[after])
    }
}

/// Consecutive windows of the training text: where the model's own segmentation cut it.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub struct Segmentation {
    /// Start and length in bytes; a window that follows its predecessor in the text stands after it.
    pub spans: Vec<(u32, u16)>,
}

/// What share of the rows comes from where; the rest slides over whole documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mix {
    /// Rows of contexts that restart with windows.
    pub windows: f32,
    /// Rows of short messages.
    pub messages: f32,
    /// Of the sliding contexts, those laid out in another way.
    #[serde(default)]
    pub layouts: f32,
    /// Of the rows of messages, those that are one context of consecutive messages, a line each, as in a file of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub joined: f32,
}

fn is_zero(share: &f32) -> bool {
    *share == 0.0
}

/// Everything that rows are drawn from.
pub struct Source {
    /// Documents for contexts that slide and for windows.
    pub text: Text,
    /// Short messages, a document each.
    pub messages: Text,
    /// One segmentation per window size, drawn from in proportion to the weight.
    pub windows: Vec<(f32, Segmentation)>,
    /// How often each is drawn from.
    pub mix: Mix,
    /// Decides which text a row holds.
    pub seed: u64,
}

/// Share of long contexts that begin where their document begins, as all do in documents no longer than a context; the others begin anywhere.
const AT_DOCUMENT_START: f32 = 0.2;
/// A context shorter than this at a row's end is not begun.
const LEAST_CONTEXT: usize = 24;
/// The golden ratio's fraction of 2^64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Source {
    /// Row number `row` of `length` symbols, appended to a batch.
    pub fn push_row(&self, row: u64, length: usize, context: usize, start_symbol: u32, batch: &mut Batch) {
        let mut random = Random::new(self.seed ^ row.wrapping_mul(0xd134_2543_de82_ef95));
        let mut rows = Rows { batch, left: length, context, start_symbol };
        let kind = random.uniform();
        if kind < self.mix.windows && !self.windows.is_empty() {
            self.window_row(&mut random, &mut rows);
        } else if kind < self.mix.windows + self.mix.messages && !self.messages.bytes.is_empty() {
            if self.mix.joined > 0.0 && random.uniform() < self.mix.joined {
                rows.context(&self.joined_messages(random.below(self.messages.documents()), length), None);
            }
            while rows.left >= LEAST_CONTEXT {
                let message = self.messages.document(random.below(self.messages.documents()));
                rows.context(message, None);
            }
        } else {
            let weyl = row.wrapping_mul(GOLDEN).wrapping_add(self.seed.wrapping_mul(0xa076_1d64_78bd_642f));
            let mut position = ((u128::from(weyl) * self.text.bytes.len() as u128) >> 64) as usize;
            while rows.left >= LEAST_CONTEXT {
                let (start, end) = self.text.around(position);
                let at_start = random.uniform() < AT_DOCUMENT_START || end - start <= context;
                let from = if at_start { start } else { position };
                if self.mix.layouts > 0.0 && random.uniform() < self.mix.layouts {
                    let text = Reflow::random(&mut random).apply(&self.text.bytes[from..end], rows.left);
                    rows.context(&text, None);
                } else {
                    rows.context(&self.text.bytes[from..end], None);
                }
                position = random.below(self.text.bytes.len());
            }
        }
        rows.fill();
    }

    /// About `length` bytes of the messages from `first` on, a line each.
    fn joined_messages(&self, first: usize, length: usize) -> Vec<u8> {
        let mut lines = Vec::with_capacity(length + 256);
        for index in first..self.messages.documents() {
            if lines.len() >= length {
                break;
            }
            lines.extend_from_slice(self.messages.document(index));
            lines.push(b'\n');
        }
        lines
    }

    fn window_row(&self, random: &mut Random, rows: &mut Rows) {
        let total: f32 = self.windows.iter().map(|(weight, _)| weight).sum();
        let mut point = random.uniform() * total;
        let chosen = self.windows.iter().find(|(weight, _)| {
            point -= weight;
            point < 0.0
        });
        let Some((_, windows)) = chosen.or(self.windows.last()) else { return };
        if windows.spans.is_empty() {
            return;
        }
        let mut index = random.below(windows.spans.len());
        while rows.left >= 2 {
            let (start, length) = windows.spans[index];
            let (start, end) = (start as usize, start as usize + length as usize);
            rows.context(&self.text.bytes[start..end], self.text.bytes.get(end).copied());
            index = (index + 1) % windows.spans.len();
        }
    }
}

/// A row under construction.
struct Rows<'a> {
    batch: &'a mut Batch,
    left: usize,
    context: usize,
    start_symbol: u32,
}

impl Rows<'_> {
    /// One context: the start symbol, then the text as far as the row has room. `next` is the byte that followed, predicted too: the coder asks for it when it
    /// closes a window.
    fn context(&mut self, text: &[u8], next: Option<u8>) {
        let first = self.batch.symbols.len();
        let symbols = (text.len() + usize::from(next.is_some())).min(self.left);
        for i in 0..symbols {
            let symbol = if i == 0 { self.start_symbol } else { u32::from(text[i - 1]) };
            self.batch.symbols.push(symbol);
            self.batch.targets.push(text.get(i).copied().or(next).map_or(super::device::IGNORE, u32::from));
            self.batch.starts.push((first + (i + 1).saturating_sub(self.context)) as u32);
        }
        self.left -= symbols;
    }

    /// Fills what is left with positions that carry no loss.
    fn fill(&mut self) {
        for _ in 0..self.left {
            self.batch.starts.push(self.batch.symbols.len() as u32);
            self.batch.symbols.push(self.start_symbol);
            self.batch.targets.push(super::device::IGNORE);
        }
        self.left = 0;
    }
}

/// Held-out documents cut at `length`, as many as fit into `bytes`.
pub fn validation_pieces(text: &Text, bytes: usize, length: usize) -> Vec<&[u8]> {
    let mut left = bytes;
    let pieces = (0..text.documents()).flat_map(|i| text.document(i).chunks(length));
    pieces
        .take_while(|piece| {
            let take = left > 0;
            left = left.saturating_sub(piece.len());
            take
        })
        .collect()
}

/// Pieces of [`validation_pieces`] as one context each, packed into batches of up to `capacity` positions.
pub fn validation_batches(pieces: &[&[u8]], capacity: usize, context: usize, start_symbol: u32) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut batch = Batch::default();
    for piece in pieces {
        if batch.symbols.len() + piece.len() > capacity {
            batches.push(std::mem::take(&mut batch));
        }
        Rows { batch: &mut batch, left: piece.len(), context, start_symbol }.context(piece, None);
    }
    batches.push(batch);
    batches
}

/// Validation text: the files that were named, or a part of the training text, which then loses it: every hundredth document, or of a corpus of few
/// documents, such as a log file, every twentieth of many pieces.
///
/// # Errors
/// The files cannot be read, or the corpus is too small to hold out a part.
pub fn held_out(dev: Option<&Corpus>, text: Text) -> Result<(Text, Text)> {
    if let Some(dev) = dev {
        return Ok((Text::read(dev)?, text));
    }
    if text.documents() >= DOCUMENT_STRIDE {
        return Ok(text.hold_out(DOCUMENT_STRIDE));
    }
    let pieces = text.cut(text.bytes.len().div_ceil(PIECES));
    if pieces.documents() < PIECE_STRIDE {
        return Err(DataError::TooSmall { bytes: text.bytes.len() });
    }
    Ok(pieces.hold_out(PIECE_STRIDE))
}

/// One document in this many is held out of a large corpus.
const DOCUMENT_STRIDE: usize = 100;
/// Pieces that a small corpus is cut into, and how many of them make one that is held out.
const PIECES: usize = 400;
const PIECE_STRIDE: usize = 20;
