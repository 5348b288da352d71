//! A run's arithmetic on the threads of a CPU.

use std::sync::Arc;

use super::{Backend, Gather, Result, Rounding, TrainingState, check, gathered, own_moments};
use crate::cpu::Cpu;

use crate::device::{Device, Loss, Report, TokenLosses};
use crate::fake_quantize;
use crate::graph::{Batch, Calibration, ModelConfig};
use crate::optimizer::{Optimizer, Sharding};
use crate::ranks::Ranks;
use crate::settings::{DEV_LENGTH, Settings};
use crate::workers::Workers;

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
    /// Threads as the settings say, with parameters as given, as one of some ranks.
    pub fn new(model: &ModelConfig, settings: &Settings, mut parameters: Vec<f32>, ranks: Arc<Ranks>) -> Self {
        let Settings { precision, workers, micro_batch, optimizer, weight_decay, recompute, .. } = *settings;
        let device = Cpu::new(precision).with_ranks(ranks.clone());
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

    fn state(&self, holders: Gather) -> Result<TrainingState> {
        let own = TrainingState {
            parameters: self.parameters[..self.model.parameters()].to_vec(),
            first: self.optimizer.first.clone(),
            second: self.optimizer.second.clone(),
            step: self.optimizer.step,
        };
        Ok(gathered(own, &self.ranks, self.optimizer.sharding(), holders)?)
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
        check(&batches, &self.model)?;
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
        check(&batches, &self.model)?;
        self.share_weights(rounding.is_some());
        Ok(self.workers.evaluate(batches, rounding))
    }

    fn losses(&mut self, batches: Vec<Batch>) -> Result<Vec<TokenLosses>> {
        check(&batches, &self.model)?;
        self.share_weights(false);
        Ok(self.workers.losses(batches))
    }

    fn calibrate(&mut self, batch: Batch) -> Result<Calibration> {
        batch.check(&self.model)?;
        self.share_weights(false);
        Ok(self.workers.calibrate(batch))
    }
}
