//! Where a run's arithmetic happens: the parameters, their gradients and the optimizer, wherever they live.
//!
//! [`Backend`] is the boundary; [`cpu`] runs threads, each with a graph of its own, and [`gpu`] one GPU; [`memory`] says how much of a
//! batch runs at once.

pub mod cpu;
pub mod gpu;
pub mod memory;

use std::sync::Arc;

use equalinfo::cuda::Place;
use equalinfo::quantize::ActivationScales;
use equalinfo_kernels::cuda::CudaDriver;
use equalinfo_kernels::cuda::nccl::{Communicator, Nccl, UniqueId};

use crate::device::{DeviceError, Loss, Report, TokenLosses};
use crate::gpu::Gpu;
use crate::graph::{Batch, Calibration, ModelConfig};
use crate::optimizer::Sharding;
use crate::ranks::{RankError, Ranks};
use crate::settings::Settings;
use cpu::CpuBackend;
use gpu::GpuBackend;

/// A result of a device.
type Result<T, E = DeviceError> = std::result::Result<T, E>;

/// What a step of the optimizer changes; all that a checkpoint holds in tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingState {
    /// All parameters, in the order of [`ModelConfig::tensors`].
    pub parameters: Vec<f32>,
    /// First moments, as [`Optimizer::first`](crate::optimizer::Optimizer::first).
    pub first: Vec<f32>,
    /// Second moments, as [`Optimizer::second`](crate::optimizer::Optimizer::second).
    pub second: Vec<f32>,
    /// Steps of the optimizer so far.
    pub step: u64,
}

/// Which ranks get the state of all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gather {
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
    holders: Gather,
) -> Result<TrainingState, RankError> {
    let Some(sharding) = sharding else { return Ok(state) };
    let length = state.parameters.len();
    let whole = |own: Vec<f32>| -> Result<Vec<f32>, RankError> {
        let mut all = vec![0.0; sharding.padded()];
        all[sharding.own(sharding.padded())].copy_from_slice(&own);
        match holders {
            Gather::First => ranks.collect(&mut all, sharding.piece)?,
            Gather::All => ranks.all_gather(&mut all, sharding.piece)?,
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
    fn state(&self, holders: Gather) -> Result<TrainingState>;
    /// Replaces the parameters alone.
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
    /// The loss of batches.
    fn evaluate(&mut self, batches: Vec<Batch>, rounding: Rounding) -> Result<Loss>;
    /// What each position of each batch costs.
    fn losses(&mut self, batches: Vec<Batch>) -> Result<Vec<TokenLosses>>;
    /// See [`Graph::calibration`](crate::graph::Graph::calibration).
    fn calibrate(&mut self, batch: Batch) -> Result<Calibration>;
}

/// Checks every batch before it goes to a device ([`Batch::check`]).
///
/// # Errors
/// One names what the model does not have.
pub fn check(batches: &[Batch], model: &ModelConfig) -> Result<()> {
    Ok(batches.iter().try_for_each(|batch| batch.check(model))?)
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
    let nccl = Nccl::find().map_err(DeviceError::gpu)?;
    let id = ranks.by_first(|| Ok::<_, DeviceError>(nccl.unique_id().map_err(DeviceError::gpu)?.0.to_vec()))?;
    let id = UniqueId(id.try_into().map_err(|_| DeviceError::gpu("rank 0 sent no id of NCCL"))?);
    let communicator = Communicator::new(nccl, driver, ranks.rank(), ranks.count(), id);
    Ok(Some(communicator.map_err(DeviceError::gpu)?))
}
