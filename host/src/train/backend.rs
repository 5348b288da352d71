//! Where a run's arithmetic happens: the parameters, their gradients and the optimizer, wherever they live.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::cpu::Cpu;
use super::cpu::matmul::Precision;
use super::device::{Device, Loss, Report};
use super::fake_quantize;
use super::gpu::{Gpu, GpuBackend};
use super::model::{Batch, Calibration, ModelConfig};
use super::optimizer::Optimizer;
use super::run::{DEV_LENGTH, Settings};
use super::workers::Workers;
use crate::cuda::Place;
use crate::quantize::ActivationScales;

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
    /// How many batches run at once: what [`Backend::nats`] takes at most.
    fn parallel_batches(&self) -> usize;
    /// Steps of the optimizer so far.
    fn step(&self) -> u64;
    fn state(&self) -> TrainingState;
    fn set_parameters(&mut self, parameters: &[f32]);
    /// Replaces all of it; the lengths must be those of [`Backend::state`].
    fn set_state(&mut self, state: TrainingState);
    /// Forgets moments and step count.
    fn restart_optimizer(&mut self);
    /// Adds the loss to the report; gradients times `gradient_scale` replace those of the last call. May return before the work is done.
    fn train(&mut self, batches: Vec<Batch>, rounding: Rounding, z_loss: f32, gradient_scale: f32) -> Result<()>;
    /// Moves the parameters by the gradients, clipped. May return before the work is done.
    fn update(&mut self, learning_rate: f32, clip: f32) -> Result<()>;
    /// The loss since the last report and the norm of the last update's gradients, once all work is done.
    fn take_report(&mut self) -> Result<Report>;
    fn evaluate(&mut self, batches: Vec<Batch>, rounding: Rounding) -> Result<Loss>;
    /// Cross-entropy in nats of each position of each batch.
    fn nats(&mut self, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>>;
    /// See [`super::model::Graph::calibration`].
    fn calibrate(&mut self, batch: Batch) -> Result<Calibration>;
}

/// Positions of a micro-batch on a GPU, at most: enough to keep it busy.
const GPU_MICRO_BATCH: usize = 1 << 16;

/// Positions that run at once: a row on each thread of the CPU, where a row's activations stay in its cache, and many rows on a GPU.
pub fn micro_batch(place: &Place, batch: usize, sequence: usize) -> usize {
    match place {
        Place::Cpu(_) => sequence,
        Place::Cuda(_) => sequence * (GPU_MICRO_BATCH / sequence.max(1)).clamp(1, batch.max(1)),
    }
}

/// The backend of a place, with parameters as given.
///
/// # Errors
/// Those of the GPU, of which too little memory is the likeliest.
pub fn open(place: Place, model: &ModelConfig, settings: &Settings, parameters: Vec<f32>) -> Result<Box<dyn Backend>> {
    Ok(match place {
        Place::Cpu(_) => Box::new(CpuBackend::new(model, settings, parameters)),
        Place::Cuda(driver) => {
            let (multiprocessors, peak) = (driver.device().multiprocessors as usize, driver.device().peak_bf16());
            let device = Gpu::new(*driver, multiprocessors);
            Box::new(GpuBackend::new(device, model, settings, &parameters)?.with_peak(peak))
        }
    })
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
}

impl CpuBackend {
    pub fn new(model: &ModelConfig, settings: &Settings, parameters: Vec<f32>) -> Self {
        let Settings { precision, workers, micro_batch, optimizer, weight_decay, .. } = *settings;
        let device = Cpu::new(Precision::F32);
        Self {
            model: model.clone(),
            workers: Workers::new(model, workers, micro_batch.max(DEV_LENGTH), move || Cpu::new(precision)),
            optimizer: Optimizer::new(&device, optimizer, model, weight_decay),
            device,
            gradients: vec![0.0; parameters.len()],
            parameters,
            loss: Loss::default(),
        }
    }

    /// Gives the threads the weights as they are, or as the integer model will hold them.
    fn share_weights(&self, rounded: bool) {
        if rounded {
            let mut weights = self.parameters.clone();
            fake_quantize::weights(&self.model, &mut weights);
            self.workers.set_parameters(&weights);
        } else {
            self.workers.set_parameters(&self.parameters);
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
        self.parameters.copy_from_slice(parameters);
    }

    fn state(&self) -> TrainingState {
        TrainingState {
            parameters: self.parameters.clone(),
            first: self.optimizer.first.clone(),
            second: self.optimizer.second.clone(),
            step: self.optimizer.step,
        }
    }

    fn set_state(&mut self, state: TrainingState) {
        self.parameters = state.parameters;
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
        self.loss += self.workers.train(batches, rounding, z_loss, gradient_scale, &mut self.gradients);
        Ok(())
    }

    fn update(&mut self, learning_rate: f32, clip: f32) -> Result<()> {
        self.optimizer.update(&mut self.device, &mut self.parameters, &self.gradients, learning_rate, clip);
        Ok(())
    }

    fn take_report(&mut self) -> Result<Report> {
        Ok(Report { loss: std::mem::take(&mut self.loss), ..self.device.take_report() })
    }

    fn evaluate(&mut self, batches: Vec<Batch>, rounding: Rounding) -> Result<Loss> {
        self.share_weights(rounding.is_some());
        Ok(self.workers.evaluate(batches, rounding))
    }

    fn nats(&mut self, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>> {
        self.share_weights(false);
        Ok(self.workers.nats(batches))
    }

    fn calibrate(&mut self, batch: Batch) -> Result<Calibration> {
        self.share_weights(false);
        self.workers.calibrate(batch).context("a training thread gave no scales")
    }
}
