//! AdamW, Adafactor and Muon over the parameter buffer, learning-rate schedules, gradient clipping; alone or as one of the ranks of a run.
//!
//! With several ranks, AdamW's moments are sharded as in ZeRO's first stage (Rajbhandari et al. 2020): the parameter buffer is cut into a piece a rank,
//! which sums the gradients of its piece, moves its parameters with the moments that it alone keeps, and gives them to the others.
//! Adafactor's moments are a value a row and a value a column, and Muon needs whole matrices, so with either every rank keeps all moments, sums all gradients and
//! moves everything alike.

use std::ops::Range;

use super::device::{AdafactorShape, AdamW, At, AtMut, Device, Muon, Part};
use super::graph::{ModelConfig, Tensor, TensorKind};

/// Which update moves the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Decoupled weight decay on matrices (Loshchilov and Hutter 2019).
    Adamw,
    /// Factored second moments and relative steps, as T5X trains (Shazeer and Stern 2018).
    Adafactor,
    /// Matrices of the layers move along their orthogonalised momentum (Jordan et al. 2024), by steps as large as AdamW's
    /// (Liu et al. 2025), all else by AdamW.
    Muon,
}

/// How the learning rate moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Linear warm-up, then half a cosine down to a hundredth.
    Cosine,
    /// The paper's: `1 / sqrt(max(step, warm-up))`, times the base rate times `sqrt(warm-up)` so that the base rate is the peak.
    Rsqrt,
    /// Linear warm-up, constant, then linear down to a hundredth over the last steps: a run can be lengthened before it decays.
    Constant,
}

/// The rate of every step.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LearningRate {
    /// How it moves.
    pub schedule: Schedule,
    /// Its highest value.
    pub peak: f32,
    /// Steps until it is at its peak; those that it is held for, with [`Schedule::Rsqrt`].
    pub warm_up: u64,
    /// Steps in all.
    pub steps: u64,
    /// Steps over which [`Schedule::Constant`] falls at the end.
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

/// Weight of the past in Muon's momentum, its authors' choice.
const MUON_MOMENTUM: f32 = 0.95;

/// A rank's piece of the parameter buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharding {
    rank: usize,
    ranks: usize,
    /// Values of a piece; the last pieces may reach beyond the parameters.
    pub piece: usize,
}

/// Pieces begin where vectors of any width do.
const PIECE_ALIGNMENT: usize = 64;

impl Sharding {
    /// Of a buffer of `parameters` values.
    pub fn new(parameters: usize, (rank, ranks): (usize, usize)) -> Self {
        let piece = if ranks == 1 { parameters } else { parameters.div_ceil(ranks).next_multiple_of(PIECE_ALIGNMENT) };
        Self { rank, ranks, piece }
    }

    /// Values of a buffer that all pieces fit into.
    pub fn padded(&self) -> usize {
        self.ranks * self.piece
    }

    /// This rank's piece of `values`, of which there may be fewer than [`Sharding::padded`].
    pub fn own(&self, values: usize) -> Range<usize> {
        (self.rank * self.piece).min(values)..((self.rank + 1) * self.piece).min(values)
    }
}

/// Moments of the optimizer, in the device's memory.
pub struct Optimizer<D: Device> {
    kind: OptimizerKind,
    tensors: Vec<Tensor>,
    weight_decay: f32,
    sharding: Sharding,
    /// Step count so far.
    pub step: u64,
    /// AdamW, Muon: first moments of this rank's piece. Adafactor: row moments, then column moments of each tensor (or full moments where it isn't factored).
    pub first: D::Buffer,
    /// AdamW, Muon: second moments of this rank's piece; zero for what Muon orthogonalises.
    pub second: D::Buffer,
}

impl<D: Device> Optimizer<D> {
    /// Moments at zero, this rank's alone where they are sharded.
    pub fn new(device: &D, kind: OptimizerKind, config: &ModelConfig, weight_decay: f32) -> Self {
        let (tensors, sharding) = (config.tensors(), Sharding::new(config.parameters(), device.ranks()));
        let [first, second] = Self::rank_state_lengths(kind, config, sharding).map(|length| device.zeros(length));
        Self { kind, tensors, weight_decay, sharding, step: 0, first, second }
    }

    /// Where this rank's moments belong in those of all ranks, if each has some of its own.
    pub fn sharding(&self) -> Option<Sharding> {
        (self.kind == OptimizerKind::Adamw && self.sharding.ranks > 1).then_some(self.sharding)
    }

    /// Lengths of the two moment buffers of a rank.
    pub fn rank_state_lengths(kind: OptimizerKind, config: &ModelConfig, sharding: Sharding) -> [usize; 2] {
        match kind {
            OptimizerKind::Adamw => [sharding.piece; 2],
            OptimizerKind::Adafactor | OptimizerKind::Muon => Self::state_lengths(kind, config),
        }
    }

    /// Lengths of the moments of all ranks together.
    pub fn state_lengths(kind: OptimizerKind, config: &ModelConfig) -> [usize; 2] {
        match kind {
            OptimizerKind::Adamw | OptimizerKind::Muon => [config.parameters(); 2],
            OptimizerKind::Adafactor => [config.tensors().iter().map(adafactor_state).sum(), 0],
        }
    }

    /// Moves the parameters by one step, along the sum of all ranks' gradients, clipped to the norm `clip`; both buffers have [`Sharding::padded`] values.
    pub fn update(
        &mut self,
        device: &mut D,
        parameters: &mut D::Buffer,
        gradients: &mut D::Buffer,
        learning_rate: f32,
        clip: f32,
    ) {
        let total = self.tensors.last().map_or(0, |t| t.range().end);
        let own = match self.sharding() {
            Some(sharding) => {
                device.reduce_scatter(gradients, sharding.piece);
                let own = sharding.own(total);
                device.clip_gradients(At(gradients, own.start), own.len(), Part::Piece, clip);
                own
            }
            None => {
                device.all_reduce(gradients, total);
                device.clip_gradients(At(gradients, 0), total, Part::Whole, clip);
                0..total
            }
        };
        self.step += 1;
        let mut state = 0;
        for tensor in &self.tensors {
            match self.kind {
                OptimizerKind::Muon if tensor.kind == TensorKind::Matrix => {
                    let (rows, columns) = (tensor.rows / tensor.blocks, tensor.columns);
                    let (momentum, weight_decay) = (MUON_MOMENTUM, self.weight_decay);
                    let update = Muon { rows, columns, learning_rate, momentum, weight_decay };
                    for start in tensor.range().step_by(update.length()) {
                        let target = AtMut(&mut *parameters, start);
                        device.muon(update, At(gradients, start), target, AtMut(&mut self.first, start));
                    }
                }
                OptimizerKind::Adamw | OptimizerKind::Muon => {
                    let weight_decay = if tensor.kind == TensorKind::Matrix { self.weight_decay } else { 0.0 };
                    let update =
                        AdamW { learning_rate, beta1: 0.9, beta2: 0.98, epsilon: 1e-9, weight_decay, step: self.step };
                    let range = tensor.range().start.max(own.start)..tensor.range().end.min(own.end);
                    if range.is_empty() {
                        continue;
                    }
                    let moment = range.start - own.start;
                    let moments = [AtMut(&mut self.first, moment), AtMut(&mut self.second, moment)];
                    let target = AtMut(&mut *parameters, range.start);
                    device.adamw(update, range.len(), At(gradients, range.start), target, moments);
                }
                OptimizerKind::Adafactor => {
                    let decay = (1.0 - (self.step as f64).powf(-0.8)) as f32;
                    let shape =
                        AdafactorShape { rows: tensor.rows, columns: tensor.columns, factored: factored(tensor) };
                    let update = super::device::Adafactor { learning_rate, decay };
                    let target = AtMut(&mut *parameters, tensor.offset);
                    device.adafactor(
                        update,
                        shape,
                        At(gradients, tensor.offset),
                        target,
                        AtMut(&mut self.first, state),
                    );
                    state += adafactor_state(tensor);
                }
            }
        }
        if let Some(sharding) = self.sharding() {
            device.all_gather(parameters, sharding.piece);
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
