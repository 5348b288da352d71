//! The same function in a basis that rounds well: without outliers, and with activations of one size.
//!
//! RMSNorm without gain commutes with rotations, so the residual stream may be turned by any orthogonal matrix `Q` if everything that writes to it or reads
//! from it turns along; the same holds in each head for queries with keys, and for values with the output. Optimizers that scale each weight on its
//! own favour the axes, and a few coordinates grow far beyond the others, which then set the step of all 8-bit activations. Turned, every coordinate is a mix of
//! all and nearly normally distributed (as in QuaRot, Ashkboos et al. 2024; free here, as it disappears into the weights).
//!
//! `Q` is the orthonormal cosine transform of the coordinates with random signs: it exists for every width and mixes evenly.
//!
//! Feed-forward activations can't be turned, as they are made one by one, but the linear half of each may be divided by any number by which its column of the matrix
//! that reads it is multiplied (as in SmoothQuant, Xiao et al. 2022). So those that are usually larger than the others do not take the step from them.

use super::backend::TrainingState;
use super::device::HEAD;
use super::graph::{ModelConfig, TENSORS_PER_LAYER, TensorKind};
use equalinfo::random::Random;

/// An orthogonal matrix `size x size`, row-major.
struct Rotation {
    size: usize,
    matrix: Vec<f64>,
}

impl Rotation {
    fn random(size: usize, random: &mut Random) -> Self {
        let mut matrix = vec![0.0; size * size];
        for column in 0..size {
            let sign = if random.below(2) == 0 { 1.0 } else { -1.0 };
            for row in 0..size {
                let angle = std::f64::consts::PI * (column as f64 + 0.5) * row as f64 / size as f64;
                let norm = if row == 0 { 1.0 } else { 2.0 };
                matrix[row * size + column] = sign * (norm / size as f64).sqrt() * libm::cos(angle);
            }
        }
        Self { size, matrix }
    }

    /// What variances become under it: the squares of its entries.
    fn squared(&self) -> Self {
        Self { size: self.size, matrix: self.matrix.iter().map(|m| m * m).collect() }
    }

    /// `values[offset + stride * i]` for all `i`, times the matrix.
    fn apply(&self, values: &mut [f32], offset: usize, stride: usize) {
        let old: Vec<f64> = (0..self.size).map(|i| f64::from(values[offset + stride * i])).collect();
        for (i, row) in self.matrix.chunks_exact(self.size).enumerate() {
            values[offset + stride * i] = row.iter().zip(&old).map(|(m, v)| m * v).sum::<f64>() as f32;
        }
    }

    /// Turns the inputs of a matrix: each of its rows.
    fn inputs(&self, matrix: &mut [f32]) {
        (0..matrix.len()).step_by(self.size).for_each(|row| self.apply(matrix, row, 1));
    }

    /// Turns the outputs of a matrix with rows of `columns` values: each of its columns.
    fn outputs(&self, matrix: &mut [f32], columns: usize) {
        (0..columns).for_each(|column| self.apply(matrix, column, columns));
    }
}

/// Turns the parameters and what belongs to them.
pub fn rotate(model: &ModelConfig, seed: u64, state: &mut TrainingState) {
    let rotations = Rotations::random(model, seed);
    rotations.apply(model, &mut state.parameters);
    rotations.apply(model, &mut state.first);
    rotations.squared().apply(model, &mut state.second);
}

/// Divides feed-forward activations by the root of their size relative to the layer's, so that activations and the weights that read them share the differences.
/// `hidden` holds the root mean square of each activation of each layer.
pub fn equalize(model: &ModelConfig, hidden: &[Vec<f32>], state: &mut TrainingState) {
    let (d, ff) = (model.width(), model.feed_forward);
    let tensors = model.tensors();
    for (tensors, sizes) in tensors[1..].chunks_exact(TENSORS_PER_LAYER).zip(hidden) {
        let [gate_linear, down] = [3, 4].map(|index| tensors[index].offset);
        let mean = sizes.iter().sum::<f32>() / ff as f32;
        if mean <= 0.0 {
            continue;
        }
        for (j, size) in sizes.iter().enumerate() {
            let factor = (size / mean).sqrt().clamp(MOST.recip(), MOST);
            let row = gate_linear + (ff + j) * d;
            (row..row + d).for_each(|place| scale(state, place, factor.recip()));
            (0..d).for_each(|i| scale(state, down + i * ff + j, factor));
        }
    }
}

/// The largest factor of one activation.
const MOST: f32 = 8.0;

/// Multiplies a parameter; its gradients shrink by the same factor.
fn scale(state: &mut TrainingState, place: usize, factor: f32) {
    state.parameters[place] *= factor;
    state.first[place] /= factor;
    state.second[place] /= factor * factor;
}

/// The rotations of one model.
struct Rotations {
    residual: Rotation,
    /// Of each layer: queries with keys, values.
    heads: Vec<[Rotation; 2]>,
}

impl Rotations {
    fn random(model: &ModelConfig, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let residual = Rotation::random(model.width(), &mut random);
        let heads = (0..model.layers).map(|_| std::array::from_fn(|_| Rotation::random(HEAD, &mut random))).collect();
        Self { residual, heads }
    }

    /// The same for the second moments of the optimizer, which add up like variances.
    fn squared(&self) -> Self {
        let heads = self.heads.iter().map(|head| head.each_ref().map(Rotation::squared)).collect();
        Self { residual: self.residual.squared(), heads }
    }

    /// Turns parameters, or values that belong to them one by one, such as moments.
    fn apply(&self, model: &ModelConfig, values: &mut [f32]) {
        let d = model.width();
        let tensors = model.tensors();
        self.residual.inputs(&mut values[tensors[0].range()]);
        if let Some(tables) = tensors.iter().find(|tensor| tensor.kind == TensorKind::Table) {
            self.residual.inputs(&mut values[tables.range()]);
        }
        for (tensors, [query_key, value]) in tensors[1..].chunks_exact(TENSORS_PER_LAYER).zip(&self.heads) {
            let [qkv, _, out, gate_linear, down] = std::array::from_fn(|i| tensors[i].range());
            let qkv = &mut values[qkv];
            self.residual.inputs(qkv);
            for (part, rotation) in [query_key, query_key, value].into_iter().enumerate() {
                let rows = &mut qkv[part * d * d..(part + 1) * d * d];
                rows.chunks_exact_mut(HEAD * d).for_each(|head| rotation.outputs(head, d));
            }
            let out = &mut values[out];
            value.inputs(out);
            self.residual.outputs(out, d);
            self.residual.inputs(&mut values[gate_linear]);
            self.residual.outputs(&mut values[down], model.feed_forward);
        }
    }
}
