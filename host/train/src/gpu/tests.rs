//! The graph on the kernels, run on the CPU, against the graph on the CPU's own operations.

use std::sync::Arc;

use equalinfo_kernels::cpu::{CpuBuffer, CpuDriver};
use equalinfo_kernels::{Driver, View};

use super::Gpu;
use super::collective::Collective;
use crate::backend::cpu::CpuBackend;
use crate::backend::gpu::GpuBackend;
use crate::backend::{Backend, Gather, TrainingState};
use crate::cpu::matmul::Precision;
use crate::data::Mix;
use crate::device::DeviceError;
use crate::graph::{Batch, ModelConfig, initial_parameters};
use crate::optimizer::OptimizerKind;
use crate::ranks::tests::together;
use crate::ranks::{RankError, Ranks, Value};
use crate::settings::Settings;
use crate::tests::{TINY, settings, source, tabled};
use equalinfo::quantize::ActivationScales;

/// As many multiprocessors as make kernels split their sums.
const MULTIPROCESSORS: usize = 4;

fn batches(count: u64) -> Vec<Batch> {
    let source = source(Mix::default());
    let rows = 0..count;
    rows.map(|row| {
        let mut batch = Batch::default();
        source.push_row(row, 96, TINY.context, TINY.start_symbol(), &mut batch);
        batch
    })
    .collect()
}

fn backends(settings: &Settings) -> [Box<dyn Backend>; 2] {
    backends_of(&tabled(), settings)
}

fn backends_of(model: &ModelConfig, settings: &Settings) -> [Box<dyn Backend>; 2] {
    let parameters = initial_parameters(model, 3);
    let gpu = Gpu::new(CpuDriver::default(), MULTIPROCESSORS);
    let gpu = GpuBackend::new(gpu, model, settings, &parameters, Arc::new(Ranks::alone())).unwrap();
    [Box::new(CpuBackend::new(model, settings, parameters, Arc::new(Ranks::alone()))), Box::new(gpu)]
}

fn f32_settings(optimizer: OptimizerKind) -> Settings {
    Settings { optimizer, precision: Precision::F32, workers: 1, ..settings(10) }
}

fn near(what: &str, [a, b]: [f64; 2], tolerance: f64) {
    assert!((a - b).abs() <= tolerance * a.abs(), "{what}: {a} on the CPU, {b} on the kernels");
}

#[test]
fn both_learn_alike() {
    for (optimizer, rate) in
        [(OptimizerKind::Adamw, 3e-3), (OptimizerKind::Adafactor, 1e-2), (OptimizerKind::Muon, 3e-3)]
    {
        let [mut cpu, mut gpu] = backends(&f32_settings(optimizer));
        for step in 0..4 {
            let [a, b] = [&mut cpu, &mut gpu].map(|backend| {
                backend.train(batches(2), None, 1e-4, 1.0 / 192.0).unwrap();
                backend.update(rate, 1.0).unwrap();
                backend.take_report().unwrap()
            });
            assert_eq!(a.loss.count, b.loss.count);
            near(&format!("{optimizer:?}, loss of step {step}"), [a.loss.nats, b.loss.nats], 5e-3);
            near(&format!("{optimizer:?}, gradient norm of step {step}"), [a.gradient_norm, b.gradient_norm], 3e-2);
        }
        assert_eq!([cpu.step(), gpu.step()], [4, 4]);
    }
}

#[test]
fn outputs_need_not_be_a_multiple_of_eight() {
    let model = ModelConfig { vocabulary: 259, ..TINY };
    let [mut cpu, mut gpu] = backends_of(&model, &f32_settings(OptimizerKind::Adamw));
    for step in 0..2 {
        let [a, b] = [&mut cpu, &mut gpu].map(|backend| {
            backend.train(batches(2), None, 1e-4, 1.0 / 192.0).unwrap();
            backend.update(3e-3, 1.0).unwrap();
            backend.take_report().unwrap()
        });
        near(&format!("loss of step {step}"), [a.loss.nats, b.loss.nats], 5e-3);
        near(&format!("gradient norm of step {step}"), [a.gradient_norm, b.gradient_norm], 3e-2);
    }
}

#[test]
fn both_round_alike() {
    let [mut cpu, mut gpu] = backends(&f32_settings(OptimizerKind::Adamw));
    let scales: Vec<ActivationScales> =
        [&mut cpu, &mut gpu].map(|backend| backend.calibrate(batches(1).remove(0)).unwrap().scales).into();
    for (a, b) in scales[0].clone().narrow_mut().zip(scales[1].clone().narrow_mut()) {
        assert!((*a / *b).log2().abs() < 0.3, "{a} and {b}");
    }
    let rounding = Arc::new(scales[0].clone());
    let [a, b] = [&mut cpu, &mut gpu].map(|backend| {
        backend.train(batches(2), Some(&rounding), 0.0, 1.0 / 192.0).unwrap();
        backend.update(1e-3, 1.0).unwrap();
        let report = backend.take_report().unwrap();
        (report.loss.nats, report.gradient_norm, backend.evaluate(batches(2), Some(&rounding)).unwrap().nats)
    });
    near("loss", [a.0, b.0], 5e-3);
    near("gradient norm", [a.1, b.1], 5e-2);
    near("loss of the moved weights", [a.2, b.2], 1e-2);
}

#[test]
fn state_comes_back() {
    let [mut cpu, mut gpu] = backends(&f32_settings(OptimizerKind::Adamw));
    cpu.train(batches(1), None, 0.0, 1.0).unwrap();
    cpu.update(1e-3, 1.0).unwrap();
    gpu.set_state(cpu.state(Gather::All).unwrap());
    assert!(gpu.state(Gather::All).unwrap() == cpu.state(Gather::All).unwrap());
    let [a, b] = [&mut cpu, &mut gpu].map(|backend| backend.losses(batches(1)).unwrap().remove(0).nats);
    assert_eq!(a.len(), b.len());
    let sums = [a, b].map(|nats| nats.iter().map(|n| f64::from(*n)).sum::<f64>());
    near("nats", sums, 5e-3);
    gpu.restart_optimizer();
    assert!(gpu.step() == 0 && gpu.state(Gather::All).unwrap().first.iter().all(|m| *m == 0.0));
}

/// Values on the kernels' device, exchanged on the way over the host.
fn exchange<T: Value + Default>(
    driver: &CpuDriver,
    values: View<CpuBuffer>,
    length: usize,
    operation: impl FnOnce(&mut [T]) -> Result<(), RankError>,
) -> Result<(), DeviceError> {
    let mut bytes = vec![0; T::BYTES * length];
    driver.download(values, &mut bytes).map_err(DeviceError::gpu)?;
    let mut numbers: Vec<T> = bytes.chunks_exact(T::BYTES).map(T::read).collect();
    operation(&mut numbers)?;
    bytes.chunks_exact_mut(T::BYTES).zip(numbers).for_each(|(bytes, number)| number.write(bytes));
    driver.upload(values, &bytes).map_err(DeviceError::gpu)
}

impl Collective<CpuDriver> for Arc<Ranks> {
    fn ranks(&self) -> (usize, usize) {
        (self.rank(), self.count())
    }

    fn all_reduce(&self, driver: &CpuDriver, values: View<CpuBuffer>, length: usize) -> Result<(), DeviceError> {
        exchange::<f32>(driver, values, length, |values| Ranks::all_reduce(self, values))
    }

    fn sum(&self, driver: &CpuDriver, value: View<CpuBuffer>) -> Result<(), DeviceError> {
        exchange::<f64>(driver, value, 1, |values| Ranks::all_reduce(self, values))
    }

    fn reduce_scatter(&self, driver: &CpuDriver, values: View<CpuBuffer>, piece: usize) -> Result<(), DeviceError> {
        exchange::<f32>(driver, values, piece * self.count(), |values| Ranks::reduce_scatter(self, values, piece))
    }

    fn all_gather(&self, driver: &CpuDriver, values: View<CpuBuffer>, piece: usize) -> Result<(), DeviceError> {
        exchange::<f32>(driver, values, piece * self.count(), |values| Ranks::all_gather(self, values, piece))
    }
}

/// Steps of ranks on the kernels: the gradients' norms, the state that all of them have, and the losses after it.
fn steps_of_ranks(count: usize, optimizer: OptimizerKind, rate: f32) -> (Vec<f64>, TrainingState, f64) {
    let mut all = together(count, |ranks| {
        let ranks = Arc::new(ranks);
        let device = Gpu::new(CpuDriver::default(), MULTIPROCESSORS).with_collective(Box::new(ranks.clone()));
        let parameters = initial_parameters(&tabled(), 3);
        let settings = f32_settings(optimizer);
        let mut backend = GpuBackend::new(device, &tabled(), &settings, &parameters, ranks.clone()).unwrap();
        let norms = (0..3).map(|_| {
            backend.train(ranks.share(batches(3)).collect(), None, 1e-4, 1.0 / 288.0).unwrap();
            backend.update(rate, 0.5).unwrap();
            backend.take_report().unwrap().gradient_norm
        });
        let norms = norms.collect();
        let state = backend.state(Gather::All).unwrap();
        // What was gathered goes back to where it was.
        backend.set_state(state.clone());
        assert!(backend.state(Gather::All).unwrap() == state);
        (norms, state, backend.evaluate(batches(1), None).unwrap().nats)
    });
    let first = all.swap_remove(0);
    assert!(all.iter().all(|other| *other == first), "ranks differ");
    first
}

#[test]
fn ranks_learn_what_one_learns() {
    for (optimizer, rate) in
        [(OptimizerKind::Adamw, 3e-3), (OptimizerKind::Adafactor, 1e-2), (OptimizerKind::Muon, 3e-3)]
    {
        let (norms, state, nats) = steps_of_ranks(1, optimizer, rate);
        for count in [2, 3] {
            let (other_norms, other_state, other_nats) = steps_of_ranks(count, optimizer, rate);
            assert!(norms.iter().all(|norm| *norm > 0.5), "nothing is clipped: {norms:?}");
            for (a, b) in norms.iter().zip(&other_norms) {
                near(&format!("{optimizer:?}, norm by {count} ranks"), [*a, *b], 1e-3);
            }
            let lengths = |state: &TrainingState| [&state.parameters, &state.first, &state.second].map(Vec::len);
            assert_eq!(lengths(&state), lengths(&other_state));
            near(&format!("{optimizer:?}, loss after {count} ranks"), [nats, other_nats], 1e-3);
        }
    }
}
