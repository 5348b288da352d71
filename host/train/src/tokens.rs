//! Rows of token shards as training batches.

mod order;

use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use self::order::Share;
use super::data::DataError;
use super::device::IGNORE;
use super::graph::Batch;
use super::validation::Validation;
use equalinfo::digest::finished;
use equalinfo::tokens::Row;
use equalinfo::tokens::shards::{Manifest, Part, Rows, Source};

type Result<T, E = DataError> = std::result::Result<T, E>;

/// The most rows in a pass: they are numbered in 32 bits.
const MOST_ROWS: u64 = u32::MAX as u64;

/// The rows of token shards, in an order of its own for every pass over them.
pub struct TokenRows {
    /// That of one directory; of several, as one with the files of all would have it.
    manifest: Manifest,
    shares: Vec<Share>,
    sha256: String,
    ratio: f64,
    seed: u64,
    state: Mutex<State>,
}

struct State {
    rows: Rows,
    pass: u64,
    order: Vec<u32>,
}

impl TokenRows {
    /// Opens complete directories of shards, all of the same tokens.
    ///
    /// # Errors
    /// They are not, or have no rows.
    pub fn open(sources: &[Source], seed: u64) -> Result<Self> {
        let mut parts = Part::all(sources)?;
        parts.retain(|part| part.manifest.rows() > 0);
        let Some(first) = parts.first() else {
            let directory = sources.first().map(|source| source.directory.clone()).unwrap_or_default();
            return Err(DataError::NoTokens { directory });
        };
        let shards = parts.iter().flat_map(|part| part.manifest.shards.iter().cloned()).collect();
        let manifest = Manifest { shards, ..first.manifest.clone() };
        let shares: Vec<Share> = parts.iter().map(|part| Share::new(part.manifest.rows(), part.weight)).collect();
        let taken = shares.iter().map(|share| share.taken).fold(0, u64::saturating_add);
        let found = taken.max(manifest.rows() as u64);
        if found > MOST_ROWS {
            return Err(DataError::ManyRows { found, most: MOST_ROWS });
        }
        let rows = Rows::open_all(parts.iter().map(|part| (&*part.directory, &part.manifest)))?;
        let of_pass = |count: fn(&Manifest) -> u64| -> u64 {
            shares.iter().zip(&parts).map(|(share, part)| share.of(count(&part.manifest))).sum()
        };
        let ratio = of_pass(Manifest::text) as f64 / of_pass(Manifest::tokens).max(1) as f64;
        let (sha256, order) = (sha256(&parts), order::of_pass(&shares, seed, 0));
        Ok(Self { manifest, shares, sha256, ratio, seed, state: Mutex::new(State { rows, pass: 0, order }) })
    }

    /// What they are.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The tokens and how often each of them comes, as one SHA-256. Where all come once, it is
    /// [that](Manifest::sha256) of one directory with all of the files.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Bytes of text a token, in a pass.
    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Rows in a pass.
    pub fn pass(&self) -> u64 {
        self.shares.iter().map(|share| share.taken).sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Row number `row` of a training run, appended to a batch: every row once, or as often as its directory's weight
    /// says, then all once more in another order.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn push_row(&self, row: u64, start_symbol: u32, batch: &mut Batch) -> Result<()> {
        let mut state = self.state();
        let count = state.order.len() as u64;
        let (pass, place) = (row / count, (row % count) as usize);
        if pass != state.pass {
            (state.pass, state.order) = (pass, order::of_pass(&self.shares, self.seed, pass));
        }
        let index = state.order[place] as usize;
        let row = state.rows.row(index)?;
        push(&row, self.manifest.settings.sequence, start_symbol, batch);
        Ok(())
    }

    /// Row number `index` in the order of the text.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn row(&self, index: usize) -> Result<Row> {
        Ok(self.state().rows.row(index)?)
    }

    /// How often each of `vocabulary` tokens occurs in a pass, without those that are given.
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn histogram(&self, vocabulary: usize) -> Result<Vec<u64>> {
        let mut histogram = vec![0; vocabulary];
        let (mut state, mut first) = (self.state(), 0);
        for share in &self.shares {
            let mut of_share = vec![0; vocabulary];
            for index in first..first + share.rows as usize {
                let row = state.rows.row(index)?;
                for &id in row.ids.iter().skip(row.given) {
                    if let Some(count) = of_share.get_mut(id as usize) {
                        *count += 1;
                    }
                }
            }
            histogram.iter_mut().zip(of_share).for_each(|(all, count)| *all += share.of(count));
            first += share.rows as usize;
        }
        Ok(histogram)
    }

    /// The first rows in the order of the text, in batches of up to `capacity` positions.
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn validation(&self, rows: usize, capacity: usize, start_symbol: u32) -> Result<Validation> {
        let (mut batches, mut batch) = (Vec::new(), Batch::default());
        let (mut text, mut lost) = (0, 0);
        let sequence = self.manifest.settings.sequence;
        let mut state = self.state();
        for index in 0..rows.min(state.rows.len()) {
            let row = state.rows.row(index)?;
            text += row.text;
            lost += row.scored();
            if !batch.symbols.is_empty() && batch.symbols.len() + sequence > capacity {
                batches.push(std::mem::take(&mut batch));
            }
            push(&row, sequence, start_symbol, &mut batch);
        }
        batches.push(batch);
        Ok(Validation { batches, ratio: text as f64 / lost.max(1) as f64 })
    }
}

/// A row as a context of its own, filled up with positions without a loss, as given tokens have none.
fn push(row: &Row, sequence: usize, start_symbol: u32, batch: &mut Batch) {
    let first = batch.symbols.len() as u32;
    let ids = row.ids.iter().copied();
    let before = std::iter::once(start_symbol).chain(ids.clone());
    batch.symbols.extend(before.chain(std::iter::repeat(start_symbol)).take(sequence));
    let targets = std::iter::repeat_n(IGNORE, row.given).chain(ids.skip(row.given));
    batch.targets.extend(targets.chain(std::iter::repeat(IGNORE)).take(sequence));
    batch.starts.extend(std::iter::repeat_n(first, sequence));
}

/// See [`TokenRows::sha256`].
fn sha256(parts: &[Part]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        part.manifest.shards.iter().for_each(|shard| hash.update(&shard.sha256));
        if part.weight != 1.0 {
            hash.update(format!(":{}", part.weight));
        }
    }
    finished(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_context_and_its_padding_has_no_loss() {
        let mut batch = Batch::default();
        push(&Row { ids: vec![7, 8, 9], given: 1, text: 2 }, 4, 256, &mut batch);
        push(&Row { ids: vec![1], given: 0, text: 1 }, 4, 256, &mut batch);
        assert_eq!(batch.symbols, [256, 7, 8, 9, 256, 1, 256, 256]);
        assert_eq!(batch.targets, [IGNORE, 8, 9, IGNORE, 1, IGNORE, IGNORE, IGNORE]);
        assert_eq!(batch.starts, [0, 0, 0, 0, 4, 4, 4, 4]);
    }
}
