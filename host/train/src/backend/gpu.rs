//! A run's arithmetic on one GPU.

use std::sync::Arc;

use equalinfo_kernels::{Driver, rounding};

use super::{Backend, Gather, Result, Rounding, TrainingState, check, gathered, own_moments};
use crate::device::{At, AtMut, Device, Loss, Report, TokenLosses};
use crate::gpu::{Gpu, GpuBuffer};
use crate::graph::{Batch, Calibration, DeviceBatch, Graph, ModelConfig};
use crate::optimizer::{Optimizer, Sharding};
use crate::ranks::Ranks;
use crate::settings::{DEV_LENGTH, Settings};

/// Parameters, gradients, moments and activations in the memory of one GPU.
pub struct GpuBackend<D: Driver> {
    device: Gpu<D>,
    model: ModelConfig,
    graph: Graph<Gpu<D>>,
    optimizer: Optimizer<Gpu<D>>,
    parameters: GpuBuffer<D::Buffer>,
    gradients: GpuBuffer<D::Buffer>,
    /// The weights as the integer model will hold them, once they are asked for.
    rounded: Option<GpuBuffer<D::Buffer>>,
    peak: Option<f64>,
    ranks: Arc<Ranks>,
}

impl<D: Driver> GpuBackend<D> {
    /// A device with parameters as given, as one of some ranks.
    ///
    /// # Errors
    /// Those of the driver, of which memory that doesn't suffice is the likeliest.
    pub fn new(
        mut device: Gpu<D>,
        model: &ModelConfig,
        settings: &Settings,
        parameters: &[f32],
        ranks: Arc<Ranks>,
    ) -> Result<Self> {
        let graph = if settings.recompute { Graph::recomputing } else { Graph::new };
        let graph = graph(&device, model, settings.micro_batch.max(DEV_LENGTH));
        let optimizer = Optimizer::new(&device, settings.optimizer, model, settings.weight_decay);
        let padded = Sharding::new(parameters.len(), device.ranks()).padded();
        let mut values = device.paired(padded);
        device.write(AtMut(&mut values, 0), parameters);
        let gradients = device.zeros(padded);
        device.check()?;
        let (model, parameters) = (model.clone(), values);
        Ok(Self { device, model, graph, optimizer, parameters, gradients, rounded: None, peak: None, ranks })
    }

    /// For a device that does at most so many floating-point operations per second.
    pub fn with_peak(self, peak: f64) -> Self {
        Self { peak: Some(peak), ..self }
    }

    /// Makes `self.rounded` hold the weights as they are now.
    fn round(&mut self) {
        let length = self.parameters.len();
        let rounded = self.rounded.take().unwrap_or_else(|| self.device.paired(length));
        for tensor in self.model.tensors() {
            let offset = tensor.offset;
            self.device.run(|driver| {
                let (weights, single) = (self.parameters.f32(offset), rounded.f32(offset));
                let Some(most) = tensor.kind.most() else {
                    return driver.copy(weights, single, 4 * tensor.len());
                };
                let product = rounded.bf16(offset);
                rounding::round_weights(driver, tensor.rows, tensor.columns, most, weights, Some(single), product)
            });
        }
        self.rounded = Some(rounded);
    }

    /// Runs a job with the graph and the weights that `rounding` asks for.
    fn with_weights<T>(
        &mut self,
        rounding: Rounding,
        job: impl FnOnce(&mut Graph<Gpu<D>>, &mut Gpu<D>, &GpuBuffer<D::Buffer>, &mut GpuBuffer<D::Buffer>) -> T,
    ) -> Result<T> {
        if rounding.is_some() {
            self.round();
        }
        let weights = if rounding.is_some() { self.rounded.as_ref() } else { None };
        let result = job(&mut self.graph, &mut self.device, weights.unwrap_or(&self.parameters), &mut self.gradients);
        self.device.check()?;
        Ok(result)
    }
}

impl<D: Driver> Backend for GpuBackend<D> {
    fn peak(&self) -> Option<f64> {
        self.peak
    }

    fn works_ahead(&self) -> bool {
        true
    }

    fn parallel_batches(&self) -> usize {
        1
    }

    fn step(&self) -> u64 {
        self.optimizer.step
    }

    fn set_parameters(&mut self, parameters: &[f32]) {
        self.device.write(AtMut(&mut self.parameters, 0), parameters);
    }

    fn state(&self, holders: Gather) -> Result<TrainingState> {
        let read = |buffer: &GpuBuffer<D::Buffer>, length| self.device.read(At(buffer, 0), length);
        let own = TrainingState {
            parameters: read(&self.parameters, self.model.parameters()),
            first: read(&self.optimizer.first, self.optimizer.first.len()),
            second: read(&self.optimizer.second, self.optimizer.second.len()),
            step: self.optimizer.step,
        };
        self.device.check()?;
        Ok(gathered(own, &self.ranks, self.optimizer.sharding(), holders)?)
    }

    fn set_state(&mut self, state: TrainingState) {
        let state = own_moments(state, self.optimizer.sharding());
        self.device.write(AtMut(&mut self.parameters, 0), &state.parameters);
        self.device.write(AtMut(&mut self.optimizer.first, 0), &state.first);
        self.device.write(AtMut(&mut self.optimizer.second, 0), &state.second);
        self.optimizer.step = state.step;
    }

    fn restart_optimizer(&mut self) {
        self.device.fill_zero(&mut self.optimizer.first);
        self.device.fill_zero(&mut self.optimizer.second);
        self.optimizer.step = 0;
    }

    fn train(&mut self, batches: Vec<Batch>, rounding: Rounding, z_loss: f32, gradient_scale: f32) -> Result<()> {
        check(&batches, &self.model)?;
        self.with_weights(rounding, |graph, device, weights, gradients| {
            device.fill_zero(gradients);
            let scales = rounding.map(AsRef::as_ref);
            for batch in &batches {
                let batch = DeviceBatch::new(device, graph.config(), batch);
                graph.train(device, weights, gradients, &batch, scales, z_loss, gradient_scale);
            }
        })
    }

    fn update(&mut self, learning_rate: f32, clip: f32) -> Result<()> {
        self.optimizer.update(&mut self.device, &mut self.parameters, &mut self.gradients, learning_rate, clip);
        self.device.check()
    }

    fn take_report(&mut self) -> Result<Report> {
        let report = self.device.take_report();
        self.device.check()?;
        Ok(report)
    }

    fn evaluate(&mut self, batches: Vec<Batch>, rounding: Rounding) -> Result<Loss> {
        check(&batches, &self.model)?;
        self.with_weights(rounding, |graph, device, weights, _| {
            for batch in &batches {
                let batch = DeviceBatch::new(device, graph.config(), batch);
                graph.evaluate(device, weights, &batch, rounding.map(AsRef::as_ref));
            }
            device.take_report().loss
        })
    }

    fn losses(&mut self, batches: Vec<Batch>) -> Result<Vec<TokenLosses>> {
        check(&batches, &self.model)?;
        self.with_weights(None, |graph, device, weights, _| {
            let losses = batches.iter().map(|batch| {
                let batch = DeviceBatch::new(device, graph.config(), batch);
                graph.token_losses(device, weights, &batch, None)
            });
            losses.collect()
        })
    }

    fn calibrate(&mut self, batch: Batch) -> Result<Calibration> {
        batch.check(&self.model)?;
        self.with_weights(None, |graph, device, weights, _| {
            let tokens = batch.symbols.len();
            let batch = DeviceBatch::new(device, graph.config(), &batch);
            graph.evaluate(device, weights, &batch, None);
            device.take_report();
            graph.calibration(device, tokens)
        })
    }
}
