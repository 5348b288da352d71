//! The image writer: `codec/docs/m1q.md` from top to bottom.

use std::f64::consts::LOG2_E;

use equalinfo_codec::m1::ngrams::{MAX_ORDER, MAX_ROWS, MIN_ORDER};
use equalinfo_codec::m1::{Config, Model, ModelError, Requantizer, image};

use super::scales::{ActivationScales, LayerScales, TABLE_MOST, quantize_weight, row_scale, scale_to, steps_within};
use super::{BUCKETS, FloatLayer, FloatM1, FloatTable, bucket};

/// The unit of scores and logits is this fraction of a bit.
const BIT: f64 = 256.0;
/// The finest and the coarsest unit of the residual stream to try, as negative powers of two.
const RESIDUAL_BITS: core::ops::RangeInclusive<i32> = -4..=16;

/// Why a float model cannot be written as an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// A tensor's size does not match the dimensions.
    #[error("tensor {name} has {found} values, expected {expected}")]
    Shape {
        /// The tensor or the step.
        name: &'static str,
        /// What was expected.
        expected: usize,
        /// What was found.
        found: usize,
    },
    /// A weight is infinite or NaN.
    #[error("tensor {name} holds {found}, expected finite weights")]
    NotFinite {
        /// The tensor or the step.
        name: &'static str,
        /// What was found.
        found: f32,
    },
    /// A scale or clip is not a positive finite number.
    #[error("scale of {name} is {found}, expected a positive number")]
    Scale {
        /// The tensor or the step.
        name: &'static str,
        /// What was found.
        found: f32,
    },
    /// The ratio of two activation scales is too large for the integer model: its input's step is too coarse for its
    /// output's.
    #[error("the factor of {name} is {found}, expected less than {expected}; calibrate its output with a larger step")]
    Factor {
        /// The tensor or the step.
        name: &'static str,
        /// What was expected.
        expected: f64,
        /// What was found.
        found: f64,
    },
    /// An n-gram table has an order or a number of rows that an image has no place for.
    #[error(
        "n-gram table of order {order} with {rows} rows: expected orders rising from {MIN_ORDER} to {MAX_ORDER}, \
         and 1 to {MAX_ROWS} rows"
    )]
    Table {
        /// Symbols of its n-grams.
        order: usize,
        /// Its rows.
        rows: usize,
    },
    /// The name does not fit the header.
    #[error("model name '{found}' is not 1 to 16 graphic ASCII characters")]
    Name {
        /// What was found.
        found: String,
    },
    /// The image violates a bound of the numeric contract.
    #[error("the quantized model is not valid")]
    Image(#[from] ModelError),
}

/// A matrix in `i8`, with the real value of one step for each row.
struct Quantized {
    weights: Vec<u8>,
    scales: Vec<f64>,
}

impl Quantized {
    fn new(name: &'static str, weights: &[f32], rows: usize, width: usize) -> Result<Self, QuantizeError> {
        let (expected, found) = (rows * width, weights.len());
        if expected != found {
            return Err(QuantizeError::Shape { name, expected, found });
        }
        if let Some(&found) = weights.iter().find(|weight| !weight.is_finite()) {
            return Err(QuantizeError::NotFinite { name, found });
        }
        let mut quantized = Self { weights: Vec::with_capacity(found), scales: Vec::with_capacity(rows) };
        for row in weights.chunks_exact(width) {
            let scale = row_scale(row);
            let bytes = row.iter().enumerate();
            quantized.weights.extend(bytes.map(|(i, &weight)| image::weight_byte(i, quantize_weight(weight, scale))));
            quantized.scales.push(scale.into());
        }
        Ok(quantized)
    }

    /// `target`, doubled until every row's requantizer can convert steps of `input` times the row's scale to steps of
    /// it.
    fn reachable(&self, input: f64, target: f64) -> f64 {
        let largest = self.scales.iter().fold(0f64, |largest, scale| largest.max(scale * input));
        let mut target = target;
        while target.is_normal() && fixed_point(largest / target).1 < Requantizer::MIN_SHIFT.into() {
            target *= 2.0;
        }
        target
    }

    /// The requantizers of rows whose steps are multiplied by `factor`.
    fn requantizers(&self, name: &'static str, factor: f64) -> Result<Vec<u8>, QuantizeError> {
        let mut bytes = Vec::with_capacity(4 * self.scales.len());
        for scale in &self.scales {
            bytes.extend(requantizer(name, scale * factor)?);
        }
        Ok(bytes)
    }
}

/// The matrices of a layer, quantized.
struct Matrices {
    qkv: Quantized,
    out: Quantized,
    gate: Quantized,
    linear: Quantized,
    down: Quantized,
}

impl Matrices {
    fn new(config: &Config, layer: &FloatLayer) -> Result<Self, QuantizeError> {
        let Config { d, ff, .. } = *config;
        Ok(Self {
            qkv: Quantized::new("qkv", &layer.qkv, 3 * d, d)?,
            out: Quantized::new("out", &layer.out, d, d)?,
            gate: Quantized::new("gate", &layer.gate, ff, d)?,
            linear: Quantized::new("linear", &layer.linear, ff, d)?,
            down: Quantized::new("down", &layer.down, d, ff)?,
        })
    }
}

/// Turns a float model into the bytes of a `.m1q` image.
///
/// # Errors
/// Tensors of the wrong size, weights or scales that are not finite numbers, or scales that the integer model cannot
/// represent.
pub fn quantize_model(model: &FloatM1, scales: &ActivationScales) -> Result<Vec<u8>, QuantizeError> {
    let Config { d, layers, .. } = model.config;
    for (name, found) in [("layers", model.layers.len()), ("layer scales", scales.layers.len())] {
        if found != layers {
            return Err(QuantizeError::Shape { name, expected: layers, found });
        }
    }
    check_scales(scales)?;
    let embedding = Quantized::new("embedding", &model.embedding, 257, d)?;
    let matrices =
        model.layers.iter().map(|layer| Matrices::new(&model.config, layer)).collect::<Result<Vec<_>, _>>()?;

    // Picks the finest unit of the residual stream for which every row that adds to it has a requantizer.
    let mut result = Err(QuantizeError::Factor { name: "residual", expected: 0.25, found: f64::INFINITY });
    for bits in RESIDUAL_BITS.rev() {
        result = write(model, scales, &embedding, &matrices, bits);
        match &result {
            Err(QuantizeError::Factor { name: "embedding" | "out" | "down" | "ngrams", .. }) => {}
            _ => break,
        }
    }
    result
}

fn write(
    model: &FloatM1,
    scales: &ActivationScales,
    embedding: &Quantized,
    matrices: &[Matrices],
    bits: i32,
) -> Result<Vec<u8>, QuantizeError> {
    let Config { d, ff, context, layers, heads } = model.config;
    let unit = libm::ldexp(1.0, bits);
    let root = libm::sqrt(d as f64);
    let output_step = f64::from(scales.output_clip) / 127.0;

    // Filled in at the end: length, id and checksums.
    let mut bytes = b"M1Q3".to_vec();
    bytes.resize(image::CONTENT, 0);
    for dimension in [d, ff, context] {
        bytes.extend((dimension as u16).to_le_bytes());
    }
    bytes.extend([layers as u8, heads as u8]);
    bytes.extend(name_field(&model.name)?);
    bytes.extend(norm_constant(scales.output_clip, root).to_le_bytes());
    for rows in rows_of(&model.ngrams, d)? {
        bytes.extend(rows.to_le_bytes());
    }
    // Reserved, and no mixer weights.
    bytes.extend([0; 6]);
    for fraction in 0..256 {
        let power = libm::rint(65536.0 * libm::exp2(f64::from(-fraction) / BIT));
        bytes.extend((power.min(65535.0) as u16).to_le_bytes());
    }
    bytes.extend((0..128).map(|distance| bucket(distance) as u8));
    bytes.extend(&embedding.weights);
    bytes.extend(embedding.requantizers("embedding", root * unit / f64::from(1u32 << image::EMBEDDING_SHIFT))?);
    let logits =
        embedding.requantizers("logits", output_step * LOG2_E * BIT / f64::from(1u32 << image::LOGIT_SHIFT))?;
    bytes.extend(&logits[..4 * 256]);

    for ((layer, matrices), scales) in model.layers.iter().zip(matrices).zip(&scales.layers) {
        write_attention(&mut bytes, layer, matrices, scales, heads, root, unit)?;
        write_feed_forward(&mut bytes, matrices, scales, root, unit)?;
    }

    for table in &model.ngrams {
        write_table(&mut bytes, table, d, root * unit)?;
    }
    image::seal(&mut bytes);
    Model::load(&bytes)?;
    Ok(bytes)
}

/// An image with other initial weights of the mixer, to which zeros are appended up to a multiple of 4 bytes.
///
/// # Errors
/// The image is not valid, or the weights are too many.
pub fn with_mixer(image: &[u8], weights: &[u8]) -> Result<Vec<u8>, ModelError> {
    let model = Model::load(image)?;
    let mut bytes = model.image().to_vec();
    bytes.truncate(bytes.len() - model.mixer().len());
    bytes.extend(weights);
    let length = weights.len().next_multiple_of(image::ALIGNMENT);
    bytes.resize(bytes.len() + length - weights.len(), 0);
    bytes[image::HEADER - 4..image::HEADER].copy_from_slice(&(length as u32).to_le_bytes());
    image::seal(&mut bytes);
    Model::load(&bytes)?;
    Ok(bytes)
}

/// Rows of the table of each order.
fn rows_of(tables: &[FloatTable], d: usize) -> Result<[u16; image::TABLES], QuantizeError> {
    let mut all = [0; image::TABLES];
    let mut free = MIN_ORDER;
    for FloatTable { order, values } in tables {
        let (order, rows) = (*order, values.len() / d);
        if !values.len().is_multiple_of(d) {
            return Err(QuantizeError::Shape { name: "ngrams", expected: rows * d, found: values.len() });
        }
        if !(free..=MAX_ORDER).contains(&order) || !(1..=MAX_ROWS).contains(&rows) {
            return Err(QuantizeError::Table { order, rows });
        }
        all[order - MIN_ORDER] = rows as u16;
        free = order + 1;
    }
    Ok(all)
}

/// A table whose values times `unit` are what it adds to the residual.
fn write_table(bytes: &mut Vec<u8>, table: &FloatTable, d: usize, unit: f64) -> Result<(), QuantizeError> {
    let mut factors = Vec::with_capacity(2 * table.values.len() / d);
    for row in table.values.chunks_exact(d) {
        if let Some(&found) = row.iter().find(|value| !value.is_finite()) {
            return Err(QuantizeError::NotFinite { name: "ngrams", found });
        }
        let scale = scale_to(row, TABLE_MOST);
        let steps = |value: f32| (steps_within(value, scale, TABLE_MOST) + 8) as u8;
        bytes.extend(row.as_chunks::<2>().0.iter().map(|&[even, odd]| steps(even) | steps(odd) << 4));
        let empty = row.iter().all(|value| *value == 0.0);
        let factor = if empty { 0.0 } else { libm::rint(f64::from(scale) * unit) };
        if factor > f64::from(u16::MAX) {
            return Err(QuantizeError::Factor { name: "ngrams", expected: u16::MAX.into(), found: factor });
        }
        factors.extend((factor as u16).to_le_bytes());
    }
    factors.resize(factors.len().next_multiple_of(image::ALIGNMENT), 0);
    bytes.extend(factors);
    Ok(())
}

fn write_attention(
    bytes: &mut Vec<u8>,
    layer: &FloatLayer,
    matrices: &Matrices,
    scales: &LayerScales,
    heads: usize,
    root: f64,
    unit: f64,
) -> Result<(), QuantizeError> {
    let step = f64::from(scales.attention_clip) / 127.0;
    let [query, key, value, mixed] = [scales.query, scales.key, scales.value, scales.mixed].map(f64::from);
    let (expected, found) = (heads * BUCKETS, layer.bias.len());
    if found != expected {
        return Err(QuantizeError::Shape { name: "bias", expected, found });
    }

    bytes.extend(norm_constant(scales.attention_clip, root).to_le_bytes());
    bytes.extend(&matrices.qkv.weights);
    let rows = matrices.qkv.scales.len() / 3;
    for (scales, target) in matrices.qkv.scales.chunks_exact(rows).zip([query, key, value]) {
        for scale in scales {
            bytes.extend(requantizer("qkv", scale * step / target)?);
        }
    }
    let score = query * key / 8.0 * LOG2_E * BIT;
    bytes.extend(requantizer("score", score / f64::from(1u32 << image::SCORE_SHIFT))?);
    bytes.extend(output_factor(value / mixed)?);
    for &bias in &layer.bias {
        if !bias.is_finite() {
            return Err(QuantizeError::NotFinite { name: "bias", found: bias });
        }
        let bias = libm::rint(f64::from(bias) * LOG2_E * BIT).clamp(-32767.0, 32767.0);
        bytes.extend((bias as i16).to_le_bytes());
    }
    bytes.extend(&matrices.out.weights);
    bytes.extend(matrices.out.requantizers("out", mixed * unit / f64::from(1u32 << image::RESIDUAL_SHIFT))?);
    Ok(())
}

fn write_feed_forward(
    bytes: &mut Vec<u8>,
    matrices: &Matrices,
    scales: &LayerScales,
    root: f64,
    unit: f64,
) -> Result<(), QuantizeError> {
    let step = f64::from(scales.feed_forward_clip) / 127.0;
    let gate = matrices.gate.reachable(step, scales.gate.into());
    let linear = matrices.linear.reachable(step, scales.linear.into());
    let hidden = f64::from(scales.hidden);
    bytes.extend(norm_constant(scales.feed_forward_clip, root).to_le_bytes());
    bytes.extend(&matrices.gate.weights);
    bytes.extend(&matrices.linear.weights);
    bytes.extend(matrices.gate.requantizers("gate", step / gate)?);
    bytes.extend(matrices.linear.requantizers("linear", step / linear)?);
    bytes.extend(requantizer("hidden", gate * linear / hidden)?);
    bytes.extend(&matrices.down.weights);
    bytes.extend(matrices.down.requantizers("down", hidden * unit / f64::from(1u32 << image::RESIDUAL_SHIFT))?);
    Ok(())
}

/// `K` of the contract's norm.
fn norm_constant(clip: f32, root: f64) -> u32 {
    libm::rint(127.0 / f64::from(clip) * root * f64::from(1u32 << 20)) as u32
}

/// `(m, s)` with `m * 2^-s` nearest to a positive factor, and `m` using 15 bits if the shift allows it.
fn fixed_point(factor: f64) -> (u16, i32) {
    let (fraction, exponent) = libm::frexp(factor);
    let shift = (15 - exponent).min(Requantizer::MAX_SHIFT.into());
    let multiplier = libm::rint(libm::ldexp(fraction, exponent + shift));
    if multiplier >= 32768.0 { (1 << 14, shift - 1) } else { (multiplier as u16, shift) }
}

fn requantizer(name: &'static str, factor: f64) -> Result<[u8; 4], QuantizeError> {
    let (multiplier, shift) = fixed_point(factor);
    let valid = u8::try_from(shift).ok().and_then(|shift| Requantizer::new(multiplier, shift));
    let requantizer = valid.ok_or(QuantizeError::Factor { name, expected: 0.25, found: factor })?;
    let [low, high] = requantizer.multiplier().to_le_bytes();
    Ok([low, high, requantizer.shift(), 0])
}

/// `(g, u)` of the contract's attention output.
fn output_factor(factor: f64) -> Result<[u8; 4], QuantizeError> {
    let (multiplier, shift) = fixed_point(factor);
    if !(3..=24).contains(&shift) {
        return Err(QuantizeError::Factor { name: "mixed", expected: 4096.0, found: factor });
    }
    let [low, high] = multiplier.to_le_bytes();
    Ok([low, high, shift as u8, 0])
}

fn name_field(name: &str) -> Result<[u8; 16], QuantizeError> {
    if name.is_empty() || name.len() > 16 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(QuantizeError::Name { found: name.to_owned() });
    }
    let mut field = [0; 16];
    field[..name.len()].copy_from_slice(name.as_bytes());
    Ok(field)
}

fn check_scales(scales: &ActivationScales) -> Result<(), QuantizeError> {
    let layers = scales.layers.iter().flat_map(|layer| {
        [
            ("attention norm", layer.attention_clip),
            ("query", layer.query),
            ("key", layer.key),
            ("value", layer.value),
            ("mixed", layer.mixed),
            ("feed-forward norm", layer.feed_forward_clip),
            ("gate", layer.gate),
            ("linear", layer.linear),
            ("hidden", layer.hidden),
        ]
    });
    match layers.chain([("output norm", scales.output_clip)]).find(|(_, scale)| !(scale.is_finite() && *scale > 0.0)) {
        Some((name, found)) => Err(QuantizeError::Scale { name, found }),
        None => Ok(()),
    }
}
