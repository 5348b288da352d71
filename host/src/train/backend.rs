//! Where a run's arithmetic happens: the parameters, their gradients and the optimizer, wherever they live.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use equalinfo_kernels::cross_entropy::Plan;
use equalinfo_kernels::cuda::CudaDriver;
use equalinfo_kernels::cuda::nccl::{Communicator, Nccl, UniqueId};
use equalinfo_kernels::gemm::LinearShape;

use super::cpu::Cpu;
use super::cpu::matmul::Precision;
use super::device::{Device, Loss, Report, TokenLosses};
use super::fake_quantize;
use super::gpu::{Gpu, GpuBackend};
use super::model::{Batch, Calibration, ModelConfig};
use super::optimizer::{Optimizer, OptimizerKind, Sharding};
use super::run::{DEV_LENGTH, Settings};
use super::workers::Workers;
use crate::cuda::Place;
use crate::quantize::ActivationScales;
use crate::ranks::Ranks;

/// What a step of the optimizer changes; all that a checkpoint holds in tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingState {
    pub parameters: Vec<f32>,
    /// First moments, as [`Optimizer::first`].
    pub first: Vec<f32>,
    /// Second moments, as [`Optimizer::second`].
    pub second: Vec<f32>,
    /// Steps of the optimizer so far.
    pub step: u64,
}

/// Which ranks get the state of all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holders {
    /// Rank 0. What the others get is of no use.
    First,
    /// Every rank.
    All,
}

/// A rank's state with the moments of all ranks, each of which has those of its own piece.
///
/// # Errors
/// Another rank is gone.
pub fn gathered(
    state: TrainingState,
    ranks: &Ranks,
    sharding: Option<Sharding>,
    holders: Holders,
) -> Result<TrainingState> {
    let Some(sharding) = sharding else { return Ok(state) };
    let length = state.parameters.len();
    let whole = |own: Vec<f32>| -> Result<Vec<f32>> {
        let mut all = vec![0.0; sharding.padded()];
        all[sharding.own(sharding.padded())].copy_from_slice(&own);
        match holders {
            Holders::First => ranks.collect(&mut all, sharding.piece)?,
            Holders::All => ranks.all_gather(&mut all, sharding.piece)?,
        }
        all.truncate(length);
        Ok(all)
    };
    Ok(TrainingState { first: whole(state.first)?, second: whole(state.second)?, ..state })
}

/// What [`gathered`] made of a rank's moments, undone.
pub fn own_moments(mut state: TrainingState, sharding: Option<Sharding>) -> TrainingState {
    if let Some(sharding) = sharding {
        for moments in [&mut state.first, &mut state.second] {
            let mut own = moments[sharding.own(moments.len())].to_vec();
            own.resize(sharding.piece, 0.0);
            *moments = own;
        }
    }
    state
}

/// The scales of activations that a job rounds with; without them nothing is rounded. With them, weights are rounded too.
pub type Rounding<'a> = Option<&'a Arc<ActivationScales>>;

/// Runs the model's graph over batches and moves the parameters. Errors are those of a device that fails.
pub trait Backend {
    /// Floating-point operations per second that the products could do at most, where that is known.
    fn peak(&self) -> Option<f64> {
        None
    }
    /// Whether [`Backend::train`] and [`Backend::update`] return while a device is still at work.
    fn works_ahead(&self) -> bool {
        false
    }
    /// How many batches run at once: what [`Backend::losses`] takes at most.
    fn parallel_batches(&self) -> usize;
    /// Steps of the optimizer so far.
    fn step(&self) -> u64;
    /// What a checkpoint holds. All ranks must ask at once, as each has only a part.
    fn state(&self, holders: Holders) -> Result<TrainingState>;
    fn set_parameters(&mut self, parameters: &[f32]);
    /// Replaces all of it; the lengths must be those of [`Backend::state`] on a rank that holds it.
    fn set_state(&mut self, state: TrainingState);
    /// Forgets moments and step count.
    fn restart_optimizer(&mut self);
    /// Adds the loss to the report; gradients times `gradient_scale` replace those of the last call. May return before the work is done.
    fn train(&mut self, batches: Vec<Batch>, rounding: Rounding, z_loss: f32, gradient_scale: f32) -> Result<()>;
    /// Moves the parameters by the gradients of all ranks, clipped. May return before the work is done.
    fn update(&mut self, learning_rate: f32, clip: f32) -> Result<()>;
    /// This rank's loss since the last report and the norm of the last update's gradients, once all work is done.
    fn take_report(&mut self) -> Result<Report>;
    fn evaluate(&mut self, batches: Vec<Batch>, rounding: Rounding) -> Result<Loss>;
    /// What each position of each batch costs.
    fn losses(&mut self, batches: Vec<Batch>) -> Result<Vec<TokenLosses>>;
    /// See [`super::model::Graph::calibration`].
    fn calibrate(&mut self, batch: Batch) -> Result<Calibration>;
}

/// Positions of a micro-batch on a GPU, at most: enough to keep it busy.
const GPU_MICRO_BATCH: usize = 1 << 16;
/// More multiprocessors than a GPU has: the more there are, the more memory the output takes.
const MULTIPROCESSORS: usize = 256;
/// Share of a GPU's memory that training plans with; the rest is for what the driver and batches take.
const USABLE_MEMORY: f64 = 0.9;

/// Bytes that training on a GPU takes: with all that there is for each parameter, for each position that runs at once, and for the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    pub parameters: usize,
    pub position: usize,
    /// For the output's chunks, however many positions run.
    pub output: usize,
}

impl MemoryEstimate {
    /// Counts what [`super::model::Graph`], the optimizer and [`GpuBackend`] allocate.
    pub fn new(model: &ModelConfig, optimizer: OptimizerKind, recompute: bool, ranks: usize) -> Self {
        let (d, ff, heads) = (model.width(), model.feed_forward, model.heads);
        // f32 masters with a copy in bf16, f32 gradients, and this rank's moments.
        let sharding = Sharding::new(model.parameters(), (0, ranks));
        let moments: usize = Optimizer::<Cpu>::rank_state_lengths(optimizer, model, sharding).iter().sum();
        let parameters = 10 * model.parameters() + 4 * moments;
        // A residual stream of 4 bytes a value twice a layer, the other activations in bf16, sums of rows and heads.
        let layer = 20 * d + 6 * ff + 8 + 4 * heads;
        let (input, gradients) = (4 * d, 20 * d + 6 * ff + 4);
        let layers = if recompute { model.layers * input + layer } else { model.layers * layer };
        let shape = LinearShape { tokens: GPU_MICRO_BATCH, inputs: d, outputs: model.vocabulary };
        let output = Plan::new(shape, MULTIPROCESSORS).workspace_bytes(true);
        Self { parameters, position: layers + gradients, output }
    }
}

/// Positions that run at once: a row on each thread of the CPU, where a row's activations stay in its cache, and on a GPU as many rows as fit into its memory and
/// still add to its speed.
///
/// # Errors
/// Not even one row fits the GPU.
pub fn micro_batch(place: &Place, estimate: &MemoryEstimate, batch: usize, sequence: usize) -> Result<usize> {
    let Place::Cuda(driver) = place else { return Ok(sequence) };
    rows_that_fit(estimate, driver.device().memory, batch, sequence)
}

fn rows_that_fit(estimate: &MemoryEstimate, memory: usize, batch: usize, sequence: usize) -> Result<usize> {
    let usable = (memory as f64 * USABLE_MEMORY) as usize;
    let rows = usable.saturating_sub(estimate.parameters + estimate.output) / (estimate.position * sequence).max(1);
    let gib = |bytes: usize| bytes as f64 / (1u64 << 30) as f64;
    ensure!(
        rows > 0,
        "training needs {:.1} GiB for parameters, gradients and moments, {:.1} GiB for the output and {:.1} GiB for a row of {sequence}, and the GPU has {:.1} GiB; --recompute takes less",
        gib(estimate.parameters),
        gib(estimate.output),
        gib(estimate.position * sequence),
        gib(memory)
    );
    let most = (GPU_MICRO_BATCH / sequence.max(1)).clamp(1, batch.max(1));
    Ok(sequence * rows.min(most))
}

/// The backend of a place, with parameters as given, as one of some ranks.
///
/// # Errors
/// Those of the GPU, of which too little memory is the likeliest; NCCL isn't there or cannot reach the other ranks.
pub fn open(
    place: Place,
    model: &ModelConfig,
    settings: &Settings,
    parameters: Vec<f32>,
    ranks: &Arc<Ranks>,
) -> Result<Box<dyn Backend>> {
    Ok(match place {
        Place::Cpu(_) => Box::new(CpuBackend::new(model, settings, parameters, ranks.clone())),
        Place::Cuda(driver) => {
            let (multiprocessors, peak) = (driver.device().multiprocessors as usize, driver.device().peak_bf16());
            let communicator = communicator(&driver, ranks)?;
            let mut device = Gpu::new(*driver, multiprocessors);
            if let Some(communicator) = communicator {
                device = device.with_collective(Box::new(communicator));
            }
            Box::new(GpuBackend::new(device, model, settings, &parameters, ranks.clone())?.with_peak(peak))
        }
    })
}

/// What connects a GPU to those of the other ranks, if a launcher started this one.
fn communicator(driver: &CudaDriver, ranks: &Ranks) -> Result<Option<Communicator>> {
    if !ranks.is_launched() {
        return Ok(None);
    }
    let nccl = Nccl::find()?;
    let id = ranks.by_first(|| Ok(nccl.unique_id()?.0.to_vec()))?;
    let id = UniqueId(id.try_into().ok().context("rank 0 sent no id of NCCL")?);
    Ok(Some(Communicator::new(nccl, driver, ranks.rank(), ranks.count(), id)?))
}

/// Threads, each with a graph of its own.
pub struct CpuBackend {
    model: ModelConfig,
    workers: Workers,
    device: Cpu,
    optimizer: Optimizer<Cpu>,
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    loss: Loss,
    ranks: Arc<Ranks>,
}

impl CpuBackend {
    pub fn new(model: &ModelConfig, settings: &Settings, mut parameters: Vec<f32>, ranks: Arc<Ranks>) -> Self {
        let Settings { precision, workers, micro_batch, optimizer, weight_decay, recompute, .. } = *settings;
        let device = Cpu::new(Precision::F32).with_ranks(ranks.clone());
        parameters.resize(Sharding::new(parameters.len(), device.ranks()).padded(), 0.0);
        Self {
            model: model.clone(),
            workers: Workers::new(model, workers, micro_batch.max(DEV_LENGTH), recompute, move || Cpu::new(precision)),
            optimizer: Optimizer::new(&device, optimizer, model, weight_decay),
            device,
            gradients: vec![0.0; parameters.len()],
            parameters,
            loss: Loss::default(),
            ranks,
        }
    }

    /// Gives the threads the weights as they are, or as the integer model will hold them.
    fn share_weights(&self, rounded: bool) {
        let weights = &self.parameters[..self.model.parameters()];
        if rounded {
            let mut weights = weights.to_vec();
            fake_quantize::weights(&self.model, &mut weights);
            self.workers.set_parameters(&weights);
        } else {
            self.workers.set_parameters(weights);
        }
    }
}

impl Backend for CpuBackend {
    fn parallel_batches(&self) -> usize {
        self.workers.count()
    }

    fn step(&self) -> u64 {
        self.optimizer.step
    }

    fn set_parameters(&mut self, parameters: &[f32]) {
        self.parameters[..parameters.len()].copy_from_slice(parameters);
    }

    fn state(&self, holders: Holders) -> Result<TrainingState> {
        let own = TrainingState {
            parameters: self.parameters[..self.model.parameters()].to_vec(),
            first: self.optimizer.first.clone(),
            second: self.optimizer.second.clone(),
            step: self.optimizer.step,
        };
        gathered(own, &self.ranks, self.optimizer.sharding(), holders)
    }

    fn set_state(&mut self, state: TrainingState) {
        let state = own_moments(state, self.optimizer.sharding());
        self.set_parameters(&state.parameters);
        self.optimizer.first = state.first;
        self.optimizer.second = state.second;
        self.optimizer.step = state.step;
    }

    fn restart_optimizer(&mut self) {
        self.optimizer.first.fill(0.0);
        self.optimizer.second.fill(0.0);
        self.optimizer.step = 0;
    }

    fn train(&mut self, batches: Vec<Batch>, rounding: Rounding, z_loss: f32, gradient_scale: f32) -> Result<()> {
        self.share_weights(rounding.is_some());
        let gradients = &mut self.gradients[..self.model.parameters()];
        self.loss += self.workers.train(batches, rounding, z_loss, gradient_scale, gradients);
        Ok(())
    }

    fn update(&mut self, learning_rate: f32, clip: f32) -> Result<()> {
        self.optimizer.update(&mut self.device, &mut self.parameters, &mut self.gradients, learning_rate, clip);
        self.device.check()
    }

    fn take_report(&mut self) -> Result<Report> {
        Ok(Report { loss: std::mem::take(&mut self.loss), ..self.device.take_report() })
    }

    fn evaluate(&mut self, batches: Vec<Batch>, rounding: Rounding) -> Result<Loss> {
        self.share_weights(rounding.is_some());
        Ok(self.workers.evaluate(batches, rounding))
    }

    fn losses(&mut self, batches: Vec<Batch>) -> Result<Vec<TokenLosses>> {
        self.share_weights(false);
        Ok(self.workers.losses(batches))
    }

    fn calibrate(&mut self, batch: Batch) -> Result<Calibration> {
        self.share_weights(false);
        self.workers.calibrate(batch).context("a training thread gave no scales")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::m2::Preset;

    #[test]
    fn rows_are_as_many_as_fit() {
        let memory = 80 << 30;
        let estimate = |preset: Preset, vocabulary| {
            MemoryEstimate::new(&preset.config(vocabulary, 512), OptimizerKind::Adamw, false, 1)
        };
        let small = rows_that_fit(&estimate(Preset::M25, 256), memory, 256, 512).unwrap();
        assert_eq!(small, GPU_MICRO_BATCH);
        let large = rows_that_fit(&estimate(Preset::M403, 1 << 16), memory, 256, 512).unwrap();
        assert!((16 * 512..GPU_MICRO_BATCH).contains(&large), "{large} positions");
        let taken = estimate(Preset::M403, 1 << 16);
        assert!(taken.parameters + taken.output + large * taken.position < memory);
        assert!(taken.output > 512 << 20, "{} bytes", taken.output);
        assert_eq!(rows_that_fit(&taken, memory, 4, 512).unwrap(), 4 * 512);
        let all = estimate(Preset::B2, 1 << 16);
        let of_ranks = |ranks| MemoryEstimate::new(&Preset::B2.config(1 << 16, 512), OptimizerKind::Adamw, true, ranks);
        let inputs = of_ranks(1);
        // Moments are 8 bytes of 18 a parameter.
        assert!((of_ranks(8).parameters as f64 / inputs.parameters as f64 - 11.0 / 18.0).abs() < 1e-4);
        assert!(inputs.parameters == all.parameters && 4 * inputs.position < all.position, "{inputs:?}, {all:?}");
        let error = rows_that_fit(&estimate(Preset::B2, 1 << 16), 24 << 30, 256, 512).unwrap_err().to_string();
        assert!(error.contains("24.0 GiB") && error.contains("a row of 512"), "{error}");
    }
}
