//! How real values map to integers: one scale a weight row, one step an activation tensor.

use equalinfo_codec::m1::Config;

/// What one integer step of each activation stands for, from calibration.
///
/// Any positive steps do; calibration takes those that lose the least.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ActivationScales {
    /// The scales of each layer.
    pub layers: Vec<LayerScales>,
    /// Largest value of the last norm, in units of the RMS; 127 stands for it.
    pub output_clip: f32,
}

/// The activation scales of one layer.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LayerScales {
    /// Largest value of the norm ahead of the attention, in units of the RMS; 127 stands for it.
    pub attention_clip: f32,
    /// Step of the queries.
    pub query: f32,
    /// Step of the keys.
    pub key: f32,
    /// Step of the values.
    pub value: f32,
    /// Step of the attention output.
    pub mixed: f32,
    /// Largest value of the norm ahead of the feed-forward layer, in units of the RMS; 127 stands for it.
    pub feed_forward_clip: f32,
    /// Step of the rectified half of the ReGLU, in 16 bits; doubled where a row's products are coarser than it.
    pub gate: f32,
    /// Step of the linear half of the ReGLU, in 16 bits; doubled where a row's products are coarser than it.
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

    /// What the 8-bit activations are rounded by, in order of use.
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

/// The smallest power of two of which `limit` steps reach `largest`: what calibration turns an observed maximum into.
pub fn step_for(largest: f32, limit: f32) -> f32 {
    let (fraction, exponent) = libm::frexpf(largest / limit);
    if fraction == 0.0 {
        return libm::ldexpf(1.0, -14);
    }
    // `frexp` gives a fraction in [1/2, 1): a half is a power of two itself.
    libm::ldexpf(1.0, if fraction == 0.5 { exponent - 1 } else { exponent })
}

/// The real value of one step of a weight row: its largest magnitude over 127. Training's fake quantization and the
/// exporter both call this, so they agree on every bit. A row of zeros has scale 1.
pub fn row_scale(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0f32, |largest, weight| largest.max(weight.abs()));
    let scale = largest / 127.0;
    // A row of subnormal numbers would divide by zero; nothing is lost by calling it zeros.
    if scale >= f32::MIN_POSITIVE { scale } else { 1.0 }
}

/// The integer nearest to `weight / scale`, ties to even, within `-127..=127`.
#[inline]
pub fn quantize_weight(weight: f32, scale: f32) -> i8 {
    (weight / scale).round_ties_even().clamp(-127.0, 127.0) as i8
}
