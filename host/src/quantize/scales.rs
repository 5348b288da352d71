//! How real values map to integers: one scale per weight row, one step per activation tensor.

use equalinfo_codec::m1::Config;

/// The real value of one integer step of each activation, from calibration.
///
/// Any positive steps work; calibration picks those that lose the least.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ActivationScales {
    /// The scales of each layer.
    pub layers: Vec<LayerScales>,
    /// The largest value of the last norm, in units of the RMS; represented by 127.
    pub output_clip: f32,
}

/// The activation scales of one layer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LayerScales {
    /// The largest value of the norm before the attention, in units of the RMS; represented by 127.
    pub attention_clip: f32,
    /// Step of the queries.
    pub query: f32,
    /// Step of the keys.
    pub key: f32,
    /// Step of the values.
    pub value: f32,
    /// Step of the attention output.
    pub mixed: f32,
    /// The largest value of the norm before the feed-forward layer, in units of the RMS; represented by 127.
    pub feed_forward_clip: f32,
    /// Step of the rectified half of the ReGLU, in 16 bits; doubled if a row's products are coarser.
    pub gate: f32,
    /// Step of the linear half of the ReGLU, in 16 bits; doubled if a row's products are coarser.
    pub linear: f32,
    /// Step of the feed-forward activations.
    pub hidden: f32,
}

/// The clip that makes one step of a norm exactly 1/32 of the RMS.
pub const DEFAULT_CLIP: f32 = 127.0 / 32.0;

impl Default for LayerScales {
    /// Steps that suit a freshly initialised model: queries and keys up to 8, values up to 4, 16-bit values up to 32.
    fn default() -> Self {
        Self {
            attention_clip: DEFAULT_CLIP,
            query: 1.0 / 16.0,
            key: 1.0 / 16.0,
            value: 1.0 / 32.0,
            mixed: 1.0 / 32.0,
            feed_forward_clip: DEFAULT_CLIP,
            gate: 1.0 / 1024.0,
            linear: 1.0 / 1024.0,
            hidden: 1.0 / 16.0,
        }
    }
}

impl ActivationScales {
    /// The default scales for every layer of a model.
    pub fn new(config: &Config) -> Self {
        Self { layers: vec![LayerScales::default(); config.layers], output_clip: DEFAULT_CLIP }
    }

    /// The steps that the 8-bit activations are rounded to, in order of use.
    pub fn narrow_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        let layers =
            self.layers.iter_mut().flat_map(|layer| {
                let LayerScales {
                    attention_clip,
                    query,
                    key,
                    value,
                    mixed,
                    feed_forward_clip,
                    gate: _,
                    linear: _,
                    hidden,
                } = layer;
                [attention_clip, query, key, value, mixed, feed_forward_clip, hidden]
            });
        layers.chain([&mut self.output_clip])
    }
}

/// The smallest power of two of which `limit` steps reach `largest`; calibration applies it to an observed maximum.
pub fn step_for(largest: f32, limit: f32) -> f32 {
    let (fraction, exponent) = libm::frexpf(largest / limit);
    if fraction == 0.0 {
        return libm::ldexpf(1.0, -14);
    }
    // `frexp` returns a fraction in [1/2, 1); exactly a half is itself a power of two.
    libm::ldexpf(1.0, if fraction == 0.5 { exponent - 1 } else { exponent })
}

/// The real value of one step of a weight row: its largest magnitude divided by 127. Training's fake quantization and
/// the exporter both call this, so they agree on every bit. A row of zeros has scale 1.
pub fn row_scale(row: &[f32]) -> f32 {
    scale_to(row, MOST)
}

/// Most steps of a weight: 8 bits.
pub const MOST: f32 = 127.0;
/// Most steps of a value in an n-gram table: 4 bits.
pub const TABLE_MOST: f32 = 7.0;

/// As [`row_scale`], for rows whose values are at most `most` steps.
pub fn scale_to(row: &[f32], most: f32) -> f32 {
    let largest = row.iter().fold(0f32, |largest, weight| largest.max(weight.abs()));
    let scale = largest / most;
    // A row of subnormal numbers would divide by zero; treating it as zeros loses nothing.
    if scale >= f32::MIN_POSITIVE { scale } else { 1.0 }
}

/// The integer nearest to `weight / scale`, ties to even, within `-127..=127`.
#[inline]
pub fn quantize_weight(weight: f32, scale: f32) -> i8 {
    steps_within(weight, scale, MOST)
}

/// As [`quantize_weight`], within `-most..=most`.
#[inline]
pub fn steps_within(weight: f32, scale: f32, most: f32) -> i8 {
    (weight / scale).round_ties_even().clamp(-most, most) as i8
}
