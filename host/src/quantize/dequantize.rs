//! Converts a `.m1q` image to float weights, the starting point for training that adapts a shipped model.
//!
//! An image stores products of scales rather than the scales: doubling the queries and halving the keys would change no
//! bit. The weights returned compute the same function as the image (except for the rounding of activations); such
//! degrees of freedom are used to give the tensors of a product equal magnitude.

use std::f64::consts::LOG2_E;

use equalinfo_codec::m1::{Matrix, Model, Requantizer, image};

use super::{FloatLayer, FloatM1, FloatTable};

/// The unit of scores and logits is this fraction of a bit.
const BIT: f64 = 256.0;

/// The float model that an image represents.
pub fn dequantize(model: &Model) -> FloatM1 {
    let config = model.config();
    let root = libm::sqrt(config.d as f64);
    let logit = norm_step(model.output_norm(), root) * LOG2_E * BIT / f64::from(1u32 << image::LOGIT_SHIFT);
    let input: Vec<f64> =
        model.embedding().requantizers.iter().map(|bytes| factor(Requantizer::from_image(*bytes))).collect();
    let mut scales: Vec<f64> =
        model.logits().requantizers.iter().map(|bytes| factor(Requantizer::from_image(*bytes)) / logit).collect();
    // The unit of the residual: every byte's row reveals it, and the mean over them has the least rounding error.
    let root_unit = input.iter().zip(&scales).map(|(input, scale)| input / scale).sum::<f64>() / scales.len() as f64;
    scales.extend(input[scales.len()..].iter().map(|input| input / root_unit));
    let unit = root_unit * f64::from(1u32 << image::EMBEDDING_SHIFT) / root;
    let layers = model.layers().map(|layer| {
        let attention = norm_step(layer.attention_norm, root);
        let feed_forward = norm_step(layer.feed_forward_norm, root);
        let score = factor(layer.score) * f64::from(1u32 << image::SCORE_SHIFT) * 8.0 / (LOG2_E * BIT);
        let scaled = f64::from(1u32 << image::RESIDUAL_SHIFT);
        let mixed = 1.0 / (f64::from(layer.output.0) * libm::ldexp(1.0, -i32::from(layer.output.1)));
        let rows = |matrix: Matrix, scale: f64| weights(matrix, &matrix_scales(matrix, scale));
        let mut qkv = rows(layer.qkv, 1.0 / attention);
        let third = qkv.len() / 3;
        let (queries, rest) = qkv.split_at_mut(third);
        let (keys, values) = rest.split_at_mut(third);
        queries.iter_mut().for_each(|w| *w *= score as f32);
        let mut out = rows(layer.out, scaled / (mixed * unit));
        let mut gate = rows(layer.gate, 1.0 / feed_forward);
        let mut linear = rows(layer.linear, 1.0 / feed_forward);
        let mut down = rows(layer.down, scaled * factor(layer.reglu) / unit);
        balance(&mut [queries, keys]);
        balance(&mut [values, &mut out]);
        balance(&mut [&mut gate, &mut linear, &mut down]);
        let bias =
            layer.bias.iter().map(|bytes| (f64::from(i16::from_le_bytes(*bytes)) / (LOG2_E * BIT)) as f32).collect();
        FloatLayer { qkv, bias, out, gate, linear, down }
    });
    let embedding = weights(model.embedding(), &scales);
    let layers = layers.collect();
    let ngrams = model.ngrams().tables().map(|table| {
        let rows = table.values.chunks_exact(config.d / 2).zip(table.factors);
        let values = rows.flat_map(|(row, factor)| {
            let step = f64::from(u16::from_le_bytes(*factor)) / (unit * root);
            row.iter().flat_map(|byte| [byte & 15, byte >> 4]).map(move |half| ((f64::from(half) - 8.0) * step) as f32)
        });
        FloatTable { order: table.order, values: values.collect() }
    });
    FloatM1 { config, name: model.name().to_owned(), embedding, layers, ngrams: ngrams.collect() }
}

fn factor(requantizer: Requantizer) -> f64 {
    libm::ldexp(f64::from(requantizer.multiplier()), -i32::from(requantizer.shift()))
}

/// The real value of one step of a norm's output, from its constant.
fn norm_step(constant: u32, root: f64) -> f64 {
    root * f64::from(1u32 << 20) / f64::from(constant)
}

fn matrix_scales(matrix: Matrix, scale: f64) -> Vec<f64> {
    matrix.requantizers.iter().map(|bytes| factor(Requantizer::from_image(*bytes)) * scale).collect()
}

fn weights(matrix: Matrix, scales: &[f64]) -> Vec<f32> {
    let rows = matrix.weights.chunks_exact(matrix.width).zip(scales);
    rows.flat_map(|(row, scale)| image::row_weights(row).map(move |weight| (f64::from(weight) * scale) as f32))
        .collect()
}

/// Scales tensors to a common root mean square, leaving their product unchanged.
fn balance(tensors: &mut [&mut [f32]]) {
    let size =
        |tensor: &[f32]| libm::sqrt(tensor.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / tensor.len() as f64);
    let sizes: Vec<f64> = tensors.iter().map(|tensor| size(tensor)).collect();
    if sizes.contains(&0.0) {
        return;
    }
    let mean = libm::exp2(sizes.iter().map(|size| libm::log2(*size)).sum::<f64>() / sizes.len() as f64);
    for (tensor, size) in tensors.iter_mut().zip(sizes) {
        tensor.iter_mut().for_each(|w| *w *= (mean / size) as f32);
    }
}
