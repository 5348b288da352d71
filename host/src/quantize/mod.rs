//! Converts float weights to a `.m1q` image.
//!
//! Invariant: the image depends only on the weights and scales. Everything here is basic IEEE arithmetic or comes from
//! the `libm` crate, so an export is byte-identical on every operating system and processor.

mod dequantize;
mod export;
mod image;
mod scales;

pub use dequantize::dequantize;
pub use export::{c_array, c_header, image_body, rust_module};
pub use image::{QuantizeError, quantize_model, with_mixer};
pub use scales::{
    ActivationScales, LayerScales, MOST, TABLE_MOST, quantize_weight, row_scale, scale_to, step_for, steps_within,
};

use equalinfo_codec::m1::Config;

/// A trained M1 in floats: every matrix is row-major, with one row per output.
///
/// Its forward pass: `x = sqrt(d) * embedding[token]`; in each layer, with `rmsnorm` without gain, `q, k, v = qkv *
/// rmsnorm(x)`, scores `q . k / 8 + bias[head][bucket(distance)]`, `x += out * softmax(scores) v`, `x += down *
/// (relu(gate * rmsnorm(x)) * (linear * rmsnorm(x)))`; between these two additions of the first layer, `x += sqrt(d) *
/// ngrams[row]` for each n-gram table; logits `embedding[0..256] * rmsnorm(x)`.
#[derive(Clone, Debug)]
pub struct FloatM1 {
    /// The dimensions.
    pub config: Config,
    /// The preset's name, at most 16 graphic ASCII characters.
    pub name: String,
    /// `[257, d]`; row 256 is the begin symbol.
    pub embedding: Vec<f32>,
    /// The layers in order.
    pub layers: Vec<FloatLayer>,
    /// N-gram tables, orders rising.
    pub ngrams: Vec<FloatTable>,
}

/// An n-gram table of a [`FloatM1`].
#[derive(Clone, Debug, PartialEq)]
pub struct FloatTable {
    /// Symbols of its n-grams.
    pub order: usize,
    /// `[rows, d]`.
    pub values: Vec<f32>,
}

/// One layer of a [`FloatM1`].
#[derive(Clone, Debug)]
pub struct FloatLayer {
    /// Rows of the queries, then keys, then values: `[3d, d]`.
    pub qkv: Vec<f32>,
    /// Position bias in nats, `[heads, 32]`.
    pub bias: Vec<f32>,
    /// From the heads' outputs to the residual: `[d, d]`.
    pub out: Vec<f32>,
    /// The rectified half of the ReGLU: `[ff, d]`.
    pub gate: Vec<f32>,
    /// The linear half of the ReGLU: `[ff, d]`.
    pub linear: Vec<f32>,
    /// From the hidden activations to the residual: `[d, ff]`.
    pub down: Vec<f32>,
}

/// The number of distance buckets of the position bias, per head.
pub const BUCKETS: usize = 32;

/// The position bias bucket of a distance: T5's unidirectional buckets, exact below 16, logarithmic up to 128, computed
/// in integers so that every platform agrees.
pub fn bucket(distance: usize) -> usize {
    // Bucket 16 + k starts at the least n with 16 * log(n / 16) / log(8) >= k, that is, n^16 >= 16^16 * 8^k.
    const STARTS: [usize; 16] = [16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113];
    match distance {
        0..16 => distance,
        _ => 15 + STARTS.iter().take_while(|start| **start <= distance).count(),
    }
}

#[cfg(test)]
pub(crate) mod reference;

#[cfg(test)]
mod tests;
