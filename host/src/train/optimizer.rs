//! AdamW and Adafactor over the parameter buffer, learning-rate schedules, gradient clipping.

use super::device::{AdafactorShape, AdamW, At, AtMut, Device};
use super::model::{ModelConfig, Tensor, TensorKind};

/// Which update moves the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Decoupled weight decay on matrices (Loshchilov and Hutter 2019).
    Adamw,
    /// Factored second moments and relative steps, as T5X trains (Shazeer and Stern 2018).
    Adafactor,
}

/// How the learning rate moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Linear warm-up, then half a cosine down to a hundredth.
    Cosine,
    /// The paper's: `1 / sqrt(max(step, warm-up))`, times the base rate times `sqrt(warm-up)` so that the base rate is the peak.
    Rsqrt,
    /// Linear warm-up, constant, then linear down to a hundredth over the last `--decay-steps`: a run can be lengthened before it decays.
    Constant,
}

/// The rate of every step.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LearningRate {
    pub schedule: Schedule,
    pub peak: f32,
    pub warm_up: u64,
    pub steps: u64,
    pub decay_steps: u64,
}

const FLOOR: f64 = 0.01;

impl LearningRate {
    /// Learning rate of a step, counted from 1.
    pub fn at(&self, step: u64) -> f32 {
        let (step, warm_up, steps) = (step as f64, self.warm_up.max(1) as f64, self.steps as f64);
        let ramp = (step / warm_up).min(1.0);
        let factor = match self.schedule {
            Schedule::Cosine => {
                let progress = ((step - warm_up) / (steps - warm_up).max(1.0)).clamp(0.0, 1.0);
                ramp * (FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()))
            }
            Schedule::Rsqrt => (warm_up / step.max(warm_up)).sqrt(),
            Schedule::Constant => {
                let left = (steps - step).max(0.0) / (self.decay_steps.max(1) as f64);
                ramp * (FLOOR + (1.0 - FLOOR) * left.min(1.0))
            }
        };
        (f64::from(self.peak) * factor) as f32
    }
}

/// Moments of the optimizer, in the device's memory.
pub struct Optimizer<D: Device> {
    kind: OptimizerKind,
    tensors: Vec<Tensor>,
    weight_decay: f32,
    /// Step count so far.
    pub step: u64,
    /// AdamW: first moments. Adafactor: row moments, then column moments of each tensor (or full moments where it isn't factored).
    pub first: D::Buffer,
    /// AdamW: second moments.
    pub second: D::Buffer,
}

impl<D: Device> Optimizer<D> {
    pub fn new(device: &D, kind: OptimizerKind, config: &ModelConfig, weight_decay: f32) -> Self {
        let tensors = config.tensors();
        let [first, second] = Self::state_lengths(kind, config).map(|length| device.zeros(length));
        Self { kind, tensors, weight_decay, step: 0, first, second }
    }

    /// Lengths of the two moment buffers.
    pub fn state_lengths(kind: OptimizerKind, config: &ModelConfig) -> [usize; 2] {
        match kind {
            OptimizerKind::Adamw => [config.parameters(); 2],
            OptimizerKind::Adafactor => [config.tensors().iter().map(adafactor_state).sum(), 0],
        }
    }

    /// Moves the parameters by one step, along gradients that are clipped to the norm `clip`.
    pub fn update(
        &mut self,
        device: &mut D,
        parameters: &mut D::Buffer,
        gradients: &D::Buffer,
        learning_rate: f32,
        clip: f32,
    ) {
        let total = self.tensors.last().map_or(0, |t| t.range().end);
        device.clip_gradients(At(gradients, 0), total, clip);
        self.step += 1;
        let mut state = 0;
        for tensor in &self.tensors {
            let gradient = At(gradients, tensor.offset);
            let target = AtMut(&mut *parameters, tensor.offset);
            match self.kind {
                OptimizerKind::Adamw => {
                    let weight_decay = if tensor.kind == TensorKind::Matrix { self.weight_decay } else { 0.0 };
                    let update =
                        AdamW { learning_rate, beta1: 0.9, beta2: 0.98, epsilon: 1e-9, weight_decay, step: self.step };
                    let moments = [AtMut(&mut self.first, tensor.offset), AtMut(&mut self.second, tensor.offset)];
                    device.adamw(update, tensor.len(), gradient, target, moments);
                }
                OptimizerKind::Adafactor => {
                    let decay = (1.0 - (self.step as f64).powf(-0.8)) as f32;
                    let shape =
                        AdafactorShape { rows: tensor.rows, columns: tensor.columns, factored: factored(tensor) };
                    let update = super::device::Adafactor { learning_rate, decay };
                    device.adafactor(update, shape, gradient, target, AtMut(&mut self.first, state));
                    state += adafactor_state(tensor);
                }
            }
        }
    }
}

/// T5X factors matrices of which both sides are at least 128.
fn factored(tensor: &Tensor) -> bool {
    tensor.rows >= 128 && tensor.columns >= 128
}

fn adafactor_state(tensor: &Tensor) -> usize {
    if factored(tensor) { tensor.rows + tensor.columns } else { tensor.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        let rate = |schedule| LearningRate { schedule, peak: 1.0, warm_up: 100, steps: 1000, decay_steps: 200 };
        let cosine = rate(Schedule::Cosine);
        assert!(
            (cosine.at(50) - 0.5).abs() < 0.01
                && (cosine.at(100) - 1.0).abs() < 1e-6
                && (cosine.at(1000) - 0.01).abs() < 1e-6
        );
        let rsqrt = rate(Schedule::Rsqrt);
        assert!((rsqrt.at(1) - 1.0).abs() < 1e-6 && (rsqrt.at(400) - 0.5).abs() < 1e-6);
        let constant = rate(Schedule::Constant);
        assert!(
            (constant.at(800) - 1.0).abs() < 1e-6
                && (constant.at(900) - 0.505).abs() < 1e-3
                && (constant.at(1000) - 0.01).abs() < 1e-6
        );
    }
}
