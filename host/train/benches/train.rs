//! Training speed of each preset beside the peak of a large matrix product of the same type, measured in the same run.
//!
//! `cargo bench -p equalinfo-train --bench train [-- SECONDS]`; `benches/train_torch.py` times the same shapes in PyTorch.

use std::sync::Barrier;
use std::time::Instant;

use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo_train::cpu::Cpu;
use equalinfo_train::cpu::matmul::{Multiplier, Operand, Precision};
use equalinfo_train::data::{Mix, Source, Text};
use equalinfo_train::graph::{Batch, ModelConfig, initial_parameters};
use equalinfo_train::optimizer::{Optimizer, OptimizerKind};
use equalinfo_train::workers::Workers;

/// Side of the square product that stands for the peak.
const PEAK: usize = 2048;
const BATCH: usize = 32;
const SEQUENCE: usize = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo bench` passes --bench.
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10.0);
    let threads = std::thread::available_parallelism()?.get();
    let mut precisions = vec![Precision::F32];
    if Precision::detect() == Precision::Bf16 {
        precisions.push(Precision::Bf16);
    }
    println!("{threads} threads, batches of {BATCH} x {SEQUENCE} bytes");
    println!("{:8} {:10} {:>10} {:>10} {:>12} {:>8}", "preset", "products", "KB/s", "GFLOP/s", "peak GFLOP/s", "share");
    for precision in precisions {
        let peak = peak(precision, threads, seconds / 4.0);
        for preset in ["nano", "micro", "3m"] {
            let Some(model) = ModelConfig::preset(preset) else { continue };
            let rate = training(&model, precision, threads, seconds)?;
            let flops = rate * model.flops_per_token();
            let name = format!("{precision:?}").to_lowercase();
            println!(
                "{preset:8} {name:10} {:10.1} {:10.1} {:12.1} {:7.1}%",
                rate / 1e3,
                flops / 1e9,
                peak / 1e9,
                100.0 * flops / peak
            );
        }
    }
    Ok(())
}

/// Floating-point operations per second of large square products, one on each thread.
fn peak(precision: Precision, threads: usize, seconds: f64) -> f64 {
    let barrier = Barrier::new(threads);
    let rates: Vec<f64> = std::thread::scope(|scope| {
        let run = || {
            let mut multiplier = Multiplier::new(precision);
            let (a, b) = (vec![0.5f32; PEAK * PEAK], vec![0.25f32; PEAK * PEAK]);
            let mut c = vec![0f32; PEAK * PEAK];
            let mut product = || {
                multiplier.multiply(
                    (PEAK, PEAK, PEAK),
                    Operand::rows(&a, PEAK),
                    Operand::rows(&b, PEAK),
                    &mut c,
                    PEAK,
                    false,
                )
            };
            product();
            barrier.wait();
            let started = Instant::now();
            let mut count = 0;
            while started.elapsed().as_secs_f64() < seconds {
                product();
                count += 1;
            }
            2.0 * (PEAK as f64).powi(3) * f64::from(count) / started.elapsed().as_secs_f64()
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        handles.into_iter().map(|handle| handle.join().expect("the product does not panic")).collect()
    });
    rates.iter().sum()
}

/// Bytes per second of whole training steps: forward, backward, clipping and AdamW.
fn training(
    model: &ModelConfig,
    precision: Precision,
    threads: usize,
    seconds: f64,
) -> Result<f64, Box<dyn std::error::Error>> {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/alice29.txt");
    let text = Text::read(&Corpus::new(&[sample], CorpusOptions::default())?)?;
    let mix = Mix::default();
    let source = Source { text, messages: Text::default(), windows: Vec::new(), mix, seed: 1 };
    let workers = Workers::new(model, threads, SEQUENCE, false, move || Cpu::new(precision));
    let mut device = Cpu::new(Precision::F32);
    let mut optimizer = Optimizer::new(&device, OptimizerKind::Adamw, model, 0.0);
    let mut parameters = initial_parameters(model, 1);
    let mut gradients = vec![0.0; model.parameters()];
    let mut step = |number: u64| {
        let rows = (0..BATCH as u64).map(|row| {
            let mut batch = Batch::default();
            source.push_row(number * BATCH as u64 + row, SEQUENCE, model.context, model.start_symbol(), &mut batch);
            batch
        });
        workers.set_parameters(&parameters);
        let loss = workers.train(rows.collect(), None, 1e-4, 1.0 / (BATCH * SEQUENCE) as f32, &mut gradients);
        optimizer.update(&mut device, &mut parameters, &mut gradients, 1e-3, 1.0);
        loss.count
    };
    step(0);
    let started = Instant::now();
    let (mut bytes, mut number) = (0, 1);
    while started.elapsed().as_secs_f64() < seconds {
        bytes += step(number);
        number += 1;
    }
    Ok(bytes as f64 / started.elapsed().as_secs_f64())
}
