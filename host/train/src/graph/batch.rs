//! What a graph runs over: sequences end to end, on the host and on the device.

use equalinfo_codec::m1::ngrams::{self, History};

use super::model::{ModelConfig, NgramTable};
use crate::device::{Device, IGNORE};

/// A batch: positions of all sequences end to end.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What each position reads.
    pub symbols: Vec<u32>,
    /// What follows it, or [`IGNORE`].
    pub targets: Vec<u32>,
    /// First position that each position sees.
    pub starts: Vec<u32>,
}

impl Batch {
    /// Checks that a model has what the positions name: a device would read beyond its buffers.
    ///
    /// # Errors
    /// A symbol, a target or a start is none.
    pub fn check(&self, model: &ModelConfig) -> Result<(), BadBatch> {
        let (symbols, vocabulary) = (self.symbols.len(), model.vocabulary as u32);
        if self.targets.len() != symbols || self.starts.len() != symbols {
            let (targets, starts) = (self.targets.len(), self.starts.len());
            return Err(BadBatch::Lengths { symbols, targets, starts });
        }
        for (position, &start) in self.starts.iter().enumerate() {
            let (symbol, target) = (self.symbols[position], self.targets[position]);
            // The start symbol follows the others.
            if symbol > vocabulary {
                return Err(BadBatch::Symbol { position, symbol, vocabulary });
            }
            if target != IGNORE && target >= vocabulary {
                return Err(BadBatch::Symbol { position, symbol: target, vocabulary });
            }
            if start as usize > position {
                return Err(BadBatch::Start { position, start });
            }
        }
        Ok(())
    }

    /// Positions that all positions see, themselves included: the work of attention.
    pub fn seen(&self) -> u64 {
        (0..).zip(&self.starts).map(|(position, start): (u64, _)| position + 1 - u64::from(*start)).sum()
    }

    /// The rows that each position looks up in each table, counted through all tables. Contexts begin with the start
    /// symbol, 256.
    pub fn ngrams(&self, tables: &[NgramTable]) -> Vec<Vec<u32>> {
        let mut history = History::new();
        let mut rows = vec![Vec::with_capacity(self.symbols.len()); tables.len()];
        if tables.is_empty() {
            return rows;
        }
        for symbol in &self.symbols {
            history.push(*symbol as u16);
            let hashes = history.hashes();
            let mut first = 0;
            for (rows, table) in rows.iter_mut().zip(tables) {
                rows.push((first + ngrams::row(hashes.of(table.order), table.rows as u32)) as u32);
                first += table.rows;
            }
        }
        rows
    }
}

/// A batch that does not suit its model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBatch {
    /// A symbol is none of the model's.
    #[error("position {position} of a batch: symbol {symbol}, expected less than the vocabulary of {vocabulary}")]
    Symbol {
        /// Where, from 0.
        position: usize,
        /// What is there.
        symbol: u32,
        /// The model's output symbols.
        vocabulary: u32,
    },
    /// A position sees positions behind it.
    #[error("position {position} of a batch sees from position {start} on")]
    Start {
        /// Where, from 0.
        position: usize,
        /// The first position that it sees.
        start: u32,
    },
    /// Not every position has all that it needs.
    #[error("a batch of {symbols} symbols has {targets} targets and {starts} starts")]
    Lengths {
        /// Symbols.
        symbols: usize,
        /// Targets.
        targets: usize,
        /// First positions that are seen.
        starts: usize,
    },
}

/// A batch in the device's memory.
pub struct DeviceBatch<D: Device> {
    pub(super) tokens: usize,
    pub(super) symbols: D::Indices,
    /// For each n-gram table, the row of all tables together that each position adds.
    pub(super) ngrams: Vec<D::Indices>,
    pub(super) targets: D::Indices,
    pub(super) starts: D::Indices,
}

impl<D: Device> DeviceBatch<D> {
    /// Copies a batch to the device, with the rows of the n-gram tables that it looks up.
    pub fn new(device: &D, config: &ModelConfig, batch: &Batch) -> Self {
        Self {
            tokens: batch.symbols.len(),
            symbols: device.symbols(&batch.symbols),
            ngrams: batch.ngrams(&config.ngrams).iter().map(|rows| device.symbols(rows)).collect(),
            targets: device.indices(&batch.targets),
            starts: device.indices(&batch.starts),
        }
    }
}
