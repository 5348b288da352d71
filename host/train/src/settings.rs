//! What decides the course of a run.

use serde::{Deserialize, Serialize};

use crate::bounds::{OutOfBounds, within};
use crate::cpu::matmul::Precision;
use crate::data::Mix;
use crate::error::TrainError;
use crate::optimizer::{LearningRate, OptimizerKind};
use crate::ranks::{RankError, Ranks};

/// Longest context of a validation, in bytes: long enough that sliding dominates.
pub const DEV_LENGTH: usize = 4096;

/// The most rows in a step.
const MOST_ROWS: usize = 1 << 20;
/// The most positions in a row.
const LONGEST_ROW: usize = 1 << 16;
/// The most positions in a step, all of which are in memory at once.
const MOST_POSITIONS: usize = 1 << 26;
/// The most threads.
const MOST_THREADS: usize = 1024;
/// The most steps.
pub(crate) const MOST_STEPS: u64 = 1_000_000_000_000;
/// The most times that text is cut into windows.
const MOST_CUTS: u32 = 10_000;

/// Threads that this machine runs at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What decides the course of a run; kept in its checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Rows in a step of the optimizer.
    pub batch: usize,
    /// Positions in a row.
    pub sequence: usize,
    /// Positions in a micro-batch.
    pub micro_batch: usize,
    /// Threads; the order of sums depends on it.
    pub workers: usize,
    /// Arithmetic of matrix products.
    pub precision: Precision,
    /// What moves the parameters.
    pub optimizer: OptimizerKind,
    /// The rate of every step, and how many there are.
    pub learning_rate: LearningRate,
    /// Decoupled weight decay of AdamW and Muon.
    pub weight_decay: f32,
    /// Largest norm of the gradient.
    pub clip: f32,
    /// Weight of the z-loss.
    pub z_loss: f32,
    /// Where rows come from.
    pub mix: Mix,
    /// Last steps, which round weights and activations as the integer model does.
    #[serde(default)]
    pub rounded_steps: u64,
    /// Whether activations are computed once more for the backward pass instead of kept; no bit depends on it.
    #[serde(default)]
    pub recompute: bool,
    /// Times that the text is cut into windows anew, evenly over the run.
    pub resegment: u32,
    /// Text that is cut into windows each time, in bytes.
    pub window_text: usize,
    /// Decides initial weights and the order of the text.
    pub seed: u64,
}

impl Settings {
    /// Checks that the run is as long as the warm-up that was asked for, if one was.
    ///
    /// # Errors
    /// It is shorter.
    pub fn has_room_for(&self, warm_up: Option<u64>) -> Result<(), TrainError> {
        let steps = self.learning_rate.steps;
        match warm_up.filter(|&warm_up| warm_up > steps) {
            Some(warm_up) => Err(TrainError::LongWarmUp { warm_up, steps }),
            None => Ok(()),
        }
    }

    /// Checks numbers that a file or an option may say: within these bounds nothing overflows, and a step fits into
    /// memory.
    ///
    /// # Errors
    /// One of them is beyond what a run has.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        let Self { learning_rate, mix, .. } = self;
        within("batch", self.batch, 1, MOST_ROWS)?;
        within("sequence", self.sequence, 1, LONGEST_ROW)?;
        within("positions in a step, batch times sequence,", self.batch * self.sequence, 1, MOST_POSITIONS)?;
        within("threads", self.workers, 1, MOST_THREADS)?;
        within("steps", learning_rate.steps, 1, MOST_STEPS)?;
        for (what, steps) in [
            ("warm-up steps", learning_rate.warm_up),
            ("decay steps", learning_rate.decay_steps),
            ("rounded steps", self.rounded_steps),
        ] {
            within(what, steps, 0, MOST_STEPS)?;
        }
        for (what, number) in [
            ("learning rate", learning_rate.peak),
            ("weight decay", self.weight_decay),
            ("largest norm", self.clip),
            ("weight of the z-loss", self.z_loss),
        ] {
            within(what, number, 0.0, f32::MAX)?;
        }
        for (what, share) in [
            ("share of windows", mix.windows),
            ("share of messages", mix.messages),
            ("share of layouts", mix.layouts),
            ("share of joined messages", mix.joined),
        ] {
            within(what, share, 0.0, 1.0)?;
        }
        within("cuts into windows", self.resegment, 0, MOST_CUTS)
    }

    /// A rank's rows in a step of the optimizer.
    ///
    /// # Errors
    /// Not all ranks would have as many.
    pub fn rank_batch(&self, ranks: &Ranks) -> Result<usize, UnevenBatch> {
        let (batch, ranks) = (self.batch, ranks.count());
        if batch.is_multiple_of(ranks) { Ok(batch / ranks) } else { Err(UnevenBatch { batch, ranks }) }
    }

    /// Checks that all ranks train the same; what a machine has may differ.
    ///
    /// # Errors
    /// One has other settings than rank 0, or is gone.
    pub fn agree(&self, ranks: &Ranks) -> Result<(), RankError> {
        ranks.agree("settings", &Self { workers: 0, micro_batch: 0, ..self.clone() })
    }
}

/// Not all ranks would have as many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("batches of {batch} rows: expected a multiple of the number of ranks, {ranks}")]
pub struct UnevenBatch {
    /// Rows in a step.
    pub batch: usize,
    /// Processes that train the model together.
    pub ranks: usize,
}
