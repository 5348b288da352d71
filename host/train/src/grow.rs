//! A larger model that computes what a smaller one does: a better start than random weights (function-preserving growth, as in Net2Net, Chen et al. 2016).
//!
//! New coordinates of the residual stream begin at zero, as nothing writes to them; new heads, feed-forward units and layers begin with random weights, and nothing reads
//! what they make. So the function stays, while gradients reach every new matrix and no two new parts are alike. Coordinates at zero make the others
//! larger under RMSNorm, which the matrices behind norms and the tied embedding make up for. N-gram tables that the
//! smaller model lacks begin at zero; in a table with more rows than before each begins as the one that had its n-grams.
//! Where the number is no multiple of the old one, a few n-grams change rows and the function changes a little.

use super::graph::{ModelConfig, NgramTable, TENSORS_PER_LAYER, Tensor, TensorKind, initial_parameters};

/// A model that is smaller in something, or has another vocabulary or n-gram tables of other orders.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "a model grows in layers, heads, feed-forward width, context and rows of its n-gram tables, and keeps their orders \
     or gets tables where it has none: {from:?} cannot become {to:?}"
)]
pub struct CannotGrow {
    /// The smaller model.
    pub from: Box<ModelConfig>,
    /// What was asked for.
    pub to: Box<ModelConfig>,
}

/// Parameters of `to` that compute what `parameters` compute in `from`; what is new comes from `seed`.
///
/// # Errors
/// `to` is smaller in something, or has another vocabulary, or n-gram tables of other orders than those of `from`.
pub fn grow(from: &ModelConfig, parameters: &[f32], to: &ModelConfig, seed: u64) -> Result<Vec<f32>, CannotGrow> {
    let sizes = |model: &ModelConfig| [model.layers, model.heads, model.feed_forward, model.context];
    let sizes_shrink = sizes(from).iter().zip(sizes(to)).any(|(from, to)| *from > to);
    let tables = || from.ngrams.iter().zip(&to.ngrams);
    let tables_shrink = tables().any(|(from, to)| from.order != to.order || from.rows > to.rows)
        || !from.ngrams.is_empty() && from.ngrams.len() != to.ngrams.len();
    if from.vocabulary != to.vocabulary || sizes_shrink || tables_shrink {
        return Err(CannotGrow { from: Box::new(from.clone()), to: Box::new(to.clone()) });
    }
    let mut grown = Grown { parameters: initial_parameters(to, seed), from: parameters };
    let (old, new) = (from.tensors(), to.tensors());
    let behind_norm = (from.width() as f32 / to.width() as f32).sqrt();
    grown.silence(&new[0]);
    grown.copy([&old[0], &new[0]], 1, behind_norm);
    for layer in new[1..].chunks_exact(TENSORS_PER_LAYER) {
        [2, 4].into_iter().for_each(|writer| grown.silence(&layer[writer]));
    }
    // New tables are zero from the start.
    if let Some(rows) = old.iter().find(|tensor| tensor.kind == TensorKind::Table) {
        grown.widen_tables([rows, &new[new.len() - 1]], tables(), behind_norm);
    }
    let layers = new[1..].chunks_exact(TENSORS_PER_LAYER);
    for (old, new) in old[1..].chunks_exact(TENSORS_PER_LAYER).zip(layers) {
        // qkv, bias, out, gate and linear, down.
        for (index, (parts, factor)) in
            [(3, behind_norm), (1, 1.0), (1, 1.0), (2, behind_norm), (1, 1.0)].into_iter().enumerate()
        {
            grown.copy([&old[index], &new[index]], parts, factor);
        }
    }
    Ok(grown.parameters)
}

/// The larger model's parameters in the making, and the smaller one's.
struct Grown<'a> {
    parameters: Vec<f32>,
    from: &'a [f32],
}

impl Grown<'_> {
    fn silence(&mut self, tensor: &Tensor) {
        self.parameters[tensor.range()].fill(0.0);
    }

    /// Copies a matrix of `parts`, one below the other, into the corner of each part of a larger one, times `factor`.
    fn copy(&mut self, [old, new]: [&Tensor; 2], parts: usize, factor: f32) {
        let rows = old.rows / parts;
        for row in 0..old.rows {
            self.copy_row([old, new], [row, row / rows * (new.rows / parts) + row % rows], factor);
        }
    }

    /// Copies the rows of n-gram tables, one table below the other, to all rows that take over their hashes.
    fn widen_tables<'t>(
        &mut self,
        [old, new]: [&Tensor; 2],
        tables: impl Iterator<Item = (&'t NgramTable, &'t NgramTable)>,
        factor: f32,
    ) {
        let mut firsts = [0, 0];
        for (from, to) in tables {
            for row in 0..to.rows {
                // A table's rows divide the range of hashes evenly; the middle of a row's share decides.
                let source = (2 * row + 1) * from.rows / (2 * to.rows);
                self.copy_row([old, new], [firsts[0] + source, firsts[1] + row], factor);
            }
            firsts = [firsts[0] + from.rows, firsts[1] + to.rows];
        }
    }

    /// Copies one row into the start of a longer one, times `factor`.
    fn copy_row(&mut self, [old, new]: [&Tensor; 2], [from, to]: [usize; 2], factor: f32) {
        let target = &mut self.parameters[new.offset + to * new.columns..][..old.columns];
        let source = &self.from[old.offset + from * old.columns..][..old.columns];
        target.iter_mut().zip(source).for_each(|(target, source)| *target = factor * source);
    }
}
