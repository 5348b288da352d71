//! How a run goes, step by step: the lines of `metrics.jsonl`.

use serde::{Deserialize, Serialize};

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metrics {
    /// Steps done.
    pub step: u64,
    /// Bytes of text seen.
    pub bytes: u64,
    /// Positions with a loss: bytes, or tokens.
    pub positions: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Bits per byte of training text since the last line.
    pub train_bits_per_byte: f64,
    /// Bits per byte of held-out text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_bits_per_byte: Option<f64>,
    /// Whether weights and activations are rounded as in the integer model, in training and for `dev_bits_per_byte`.
    pub rounded: bool,
    /// The step's learning rate.
    pub learning_rate: f32,
    /// Norm of the last step's gradients, before clipping.
    pub gradient_norm: f64,
    /// Bytes of training text per second since the last line.
    pub bytes_per_second: f64,
    /// Operations that the training itself takes, see [`ModelConfig::flops`](crate::graph::ModelConfig::flops), over the time of everything.
    pub flops_per_second: f64,
    /// The same over the device's peak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilization: Option<f64>,
}
