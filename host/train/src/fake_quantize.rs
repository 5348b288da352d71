//! Weights as the integer model will hold them.

use super::graph::ModelConfig;
use equalinfo::quantize::{scale_to, steps_within};

/// Rounds every row of every matrix, of the embedding and of n-gram tables to the values that it may have, with the
/// exporter's own scale and rounding.
pub fn weights(model: &ModelConfig, parameters: &mut [f32]) {
    for tensor in model.tensors() {
        let Some(most) = tensor.kind.most() else { continue };
        for row in parameters[tensor.range()].chunks_exact_mut(tensor.columns) {
            let scale = scale_to(row, most);
            row.iter_mut().for_each(|w| *w = f32::from(steps_within(*w, scale, most)) * scale);
        }
    }
}
