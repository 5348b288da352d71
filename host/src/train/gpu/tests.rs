//! The graph on the kernels, run on the CPU, against the graph on the CPU's own operations.

use std::sync::Arc;

use equalinfo_kernels::cpu::CpuDriver;

use super::{Gpu, GpuBackend};
use crate::quantize::ActivationScales;
use crate::train::backend::{Backend, CpuBackend};
use crate::train::cpu::matmul::Precision;
use crate::train::data::Mix;
use crate::train::model::{Batch, initial_parameters};
use crate::train::optimizer::OptimizerKind;
use crate::train::run::Settings;
use crate::train::tests::{TINY, settings, source};

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
    let parameters = initial_parameters(&TINY, 3);
    let gpu = Gpu::new(CpuDriver::default(), MULTIPROCESSORS);
    let gpu = GpuBackend::new(gpu, &TINY, settings, &parameters).unwrap();
    [Box::new(CpuBackend::new(&TINY, settings, parameters)), Box::new(gpu)]
}

fn f32_settings(optimizer: OptimizerKind) -> Settings {
    Settings { optimizer, precision: Precision::F32, workers: 1, ..settings(10) }
}

fn near(what: &str, [a, b]: [f64; 2], tolerance: f64) {
    assert!((a - b).abs() <= tolerance * a.abs(), "{what}: {a} on the CPU, {b} on the kernels");
}

#[test]
fn both_learn_alike() {
    for (optimizer, rate) in [(OptimizerKind::Adamw, 3e-3), (OptimizerKind::Adafactor, 1e-2)] {
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
    gpu.set_state(cpu.state());
    assert!(gpu.state() == cpu.state());
    let [a, b] = [&mut cpu, &mut gpu].map(|backend| backend.losses(batches(1)).unwrap().remove(0).nats);
    assert_eq!(a.len(), b.len());
    let sums = [a, b].map(|nats| nats.iter().map(|n| f64::from(*n)).sum::<f64>());
    near("nats", sums, 5e-3);
    gpu.restart_optimizer();
    assert!(gpu.step() == 0 && gpu.state().first.iter().all(|m| *m == 0.0));
}
