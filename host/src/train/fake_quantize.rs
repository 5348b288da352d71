//! Weights as the integer model will hold them.

use super::model::{ModelConfig, TensorKind};
use crate::quantize::{quantize_weight, row_scale};

/// Rounds every row of every matrix and of the embedding to its 255 values, with the exporter's own scale and rounding.
pub fn weights(model: &ModelConfig, parameters: &mut [f32]) {
    for tensor in model.tensors().iter().filter(|tensor| tensor.kind != TensorKind::Bias) {
        for row in parameters[tensor.range()].chunks_exact_mut(tensor.columns) {
            let scale = row_scale(row);
            row.iter_mut().for_each(|w| *w = f32::from(quantize_weight(*w, scale)) * scale);
        }
    }
}
