//! Rows of token shards as training batches.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::data::DataError;
use super::device::IGNORE;
use super::graph::Batch;
use super::validation::Validation;
use equalinfo::random::Random;
use equalinfo::tokens::Row;
use equalinfo::tokens::shards::{Manifest, Rows};

type Result<T, E = DataError> = std::result::Result<T, E>;

/// The rows of a directory of shards, in an order of its own for every pass over them.
pub struct TokenRows {
    manifest: Manifest,
    seed: u64,
    state: Mutex<State>,
}

struct State {
    rows: Rows,
    pass: u64,
    order: Vec<u32>,
}

impl TokenRows {
    /// Opens a complete directory of shards.
    ///
    /// # Errors
    /// It is not one, or has no rows.
    pub fn open(directory: &Path, seed: u64) -> Result<Self> {
        let manifest = Manifest::complete(directory)?;
        let rows = Rows::open(directory, &manifest)?;
        if rows.is_empty() {
            return Err(DataError::NoTokens { directory: directory.to_owned() });
        }
        let order = shuffled(rows.len(), seed, 0);
        Ok(Self { manifest, seed, state: Mutex::new(State { rows, pass: 0, order }) })
    }

    /// What they are.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Bytes of text a token.
    pub fn ratio(&self) -> f64 {
        self.manifest.token_ratio()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Row number `row` of a training run, appended to a batch: every row once, then every row once more in another order.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn push_row(&self, row: u64, start_symbol: u32, batch: &mut Batch) -> Result<()> {
        let mut state = self.state();
        let count = state.order.len() as u64;
        let (pass, place) = (row / count, (row % count) as usize);
        if pass != state.pass {
            (state.pass, state.order) = (pass, shuffled(count as usize, self.seed, pass));
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

    /// How often each of `vocabulary` tokens occurs, without those that are given.
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn histogram(&self, vocabulary: usize) -> Result<Vec<u64>> {
        let mut histogram = vec![0; vocabulary];
        let mut state = self.state();
        for index in 0..state.rows.len() {
            let row = state.rows.row(index)?;
            for &id in row.ids.iter().skip(row.given) {
                if let Some(count) = histogram.get_mut(id as usize) {
                    *count += 1;
                }
            }
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

/// The numbers below `count` in the random order of a pass.
fn shuffled(count: usize, seed: u64, pass: u64) -> Vec<u32> {
    let mut random = Random::new(seed ^ pass.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut order: Vec<u32> = (0..count as u32).collect();
    random.shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_has_every_row_once() {
        let (first, second) = (shuffled(100, 5, 0), shuffled(100, 5, 1));
        let sorted = |order: &[u32]| {
            let mut order = order.to_vec();
            order.sort_unstable();
            order
        };
        assert_eq!(sorted(&first), (0..100).collect::<Vec<u32>>());
        assert_eq!(sorted(&first), sorted(&second));
        assert_ne!(first, second);
        assert_eq!(first, shuffled(100, 5, 0));
    }

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
