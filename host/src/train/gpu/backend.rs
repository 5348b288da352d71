//! A run's arithmetic on one GPU.

use anyhow::Result;
use equalinfo_kernels::{Driver, rounding};

use super::{Gpu, GpuBuffer};
use crate::train::backend::{Backend, Rounding, TrainingState};
use crate::train::device::{At, AtMut, Device, Loss};
use crate::train::model::{Batch, Calibration, DeviceBatch, Graph, ModelConfig, TensorKind};
use crate::train::optimizer::Optimizer;
use crate::train::run::{DEV_LENGTH, Settings};

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
}

impl<D: Driver> GpuBackend<D> {
    /// # Errors
    /// Those of the driver, of which memory that doesn't suffice is the likeliest.
    pub fn new(mut device: Gpu<D>, model: &ModelConfig, settings: &Settings, parameters: &[f32]) -> Result<Self> {
        let graph = Graph::new(&device, model, settings.micro_batch.max(DEV_LENGTH));
        let optimizer = Optimizer::new(&device, settings.optimizer, model, settings.weight_decay);
        let mut values = device.paired(parameters.len());
        device.write(AtMut(&mut values, 0), parameters);
        let gradients = device.zeros(parameters.len());
        device.check()?;
        Ok(Self { device, model: model.clone(), graph, optimizer, parameters: values, gradients, rounded: None })
    }

    /// Makes `self.rounded` hold the weights as they are now.
    fn round(&mut self) {
        let length = self.parameters.len();
        let rounded = self.rounded.take().unwrap_or_else(|| self.device.paired(length));
        for tensor in self.model.tensors() {
            let offset = tensor.offset;
            if tensor.kind == TensorKind::Bias {
                let values = self.device.read(At(&self.parameters, offset), tensor.len());
                self.device
                    .upload(rounded.f32(offset), &values.iter().flat_map(|v| v.to_ne_bytes()).collect::<Vec<_>>());
                continue;
            }
            self.device.run(|driver| {
                let (single, product) = (Some(rounded.f32(offset)), rounded.bf16(offset));
                let weights = self.parameters.f32(offset);
                rounding::round_weights(driver, tensor.rows, tensor.columns, weights, single, product)
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
    fn parallel_batches(&self) -> usize {
        1
    }

    fn step(&self) -> u64 {
        self.optimizer.step
    }

    fn set_parameters(&mut self, parameters: &[f32]) {
        self.device.write(AtMut(&mut self.parameters, 0), parameters);
    }

    fn state(&self) -> TrainingState {
        let read = |buffer: &GpuBuffer<D::Buffer>| self.device.read(At(buffer, 0), buffer.len());
        TrainingState {
            parameters: read(&self.parameters),
            first: read(&self.optimizer.first),
            second: read(&self.optimizer.second),
            step: self.optimizer.step,
        }
    }

    fn set_state(&mut self, state: TrainingState) {
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

    fn train(&mut self, batches: Vec<Batch>, rounding: Rounding, z_loss: f32, gradient_scale: f32) -> Result<Loss> {
        self.with_weights(rounding, |graph, device, weights, gradients| {
            device.fill_zero(gradients);
            let scales = rounding.map(AsRef::as_ref);
            let mut sum = Loss::default();
            for batch in &batches {
                let batch = DeviceBatch::new(device, batch);
                sum += graph.train(device, weights, gradients, &batch, scales, z_loss, gradient_scale);
            }
            sum
        })
    }

    fn update(&mut self, learning_rate: f32, clip: f32) -> Result<f64> {
        let norm = self.optimizer.update(&mut self.device, &mut self.parameters, &self.gradients, learning_rate, clip);
        self.device.check()?;
        Ok(norm)
    }

    fn evaluate(&mut self, batches: Vec<Batch>, rounding: Rounding) -> Result<Loss> {
        self.with_weights(rounding, |graph, device, weights, _| {
            let mut sum = Loss::default();
            for batch in &batches {
                let batch = DeviceBatch::new(device, batch);
                sum += graph.evaluate(device, weights, &batch, rounding.map(AsRef::as_ref));
            }
            sum
        })
    }

    fn nats(&mut self, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>> {
        self.with_weights(None, |graph, device, weights, _| {
            let nats = batches.iter().map(|batch| {
                let mut nats = Vec::new();
                let batch = DeviceBatch::new(device, batch);
                graph.token_nats(device, weights, &batch, None, &mut nats);
                nats
            });
            nats.collect()
        })
    }

    fn calibrate(&mut self, batch: Batch) -> Result<Calibration> {
        self.with_weights(None, |graph, device, weights, _| {
            let tokens = batch.symbols.len();
            let batch = DeviceBatch::new(device, &batch);
            graph.evaluate(device, weights, &batch, None);
            graph.calibration(device, tokens)
        })
    }
}
