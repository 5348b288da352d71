//! A training run: text to a float model, step by step, resumable to the same bits.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::backend::{Backend, Holders};
use super::checkpoint::{Checkpoint, State};
use super::cpu::Cpu;
use super::cpu::matmul::Precision;
use super::data::{Mix, Source, Text, validation_batches, validation_pieces};
use super::device::{Loss, Report};
use super::model::{Batch, ModelConfig};
use super::optimizer::{LearningRate, Optimizer, OptimizerKind};
use super::segment;
use super::tokens::TokenRows;
use crate::quantize::ActivationScales;
use crate::ranks::Ranks;

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
    pub precision: Precision,
    pub optimizer: OptimizerKind,
    pub learning_rate: LearningRate,
    pub weight_decay: f32,
    pub clip: f32,
    pub z_loss: f32,
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
    pub seed: u64,
}

impl Settings {
    /// A rank's rows in a step of the optimizer.
    ///
    /// # Errors
    /// Not all ranks would have as many.
    pub fn rank_batch(&self, ranks: &Ranks) -> Result<usize> {
        ensure!(
            self.batch.is_multiple_of(ranks.count()),
            "--batch {}: expected a multiple of the number of ranks, {}",
            self.batch,
            ranks.count()
        );
        Ok(self.batch / ranks.count())
    }

    /// Checks that all ranks train the same; what a machine has may differ.
    ///
    /// # Errors
    /// One has other settings than rank 0, or is gone.
    pub fn agree(&self, ranks: &Ranks) -> Result<()> {
        ranks.agree("settings", &Self { workers: 0, micro_batch: 0, ..self.clone() })
    }
}

/// Bits of the windows that contexts restart with, and how often each is drawn: short contexts need the most practice.
const WINDOW_BITS: [(u32, f32); 5] = [(16, 0.45), (24, 0.1), (32, 0.2), (64, 0.15), (128, 0.1)];
const LN_2: f64 = std::f64::consts::LN_2;

/// Where a run lives on disk.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    fn windows(&self, step: u64) -> PathBuf {
        self.0.join(format!("windows-{step}.json.zst"))
    }
}

/// A line of `metrics.jsonl`.
#[derive(Serialize)]
struct Metrics {
    step: u64,
    /// Text seen.
    bytes: u64,
    /// Positions with a loss: bytes, or tokens.
    positions: u64,
    seconds: f64,
    train_bits_per_byte: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev_bits_per_byte: Option<f64>,
    /// Whether weights and activations are rounded as in the integer model, in training and for `dev_bits_per_byte`.
    rounded: bool,
    learning_rate: f32,
    gradient_norm: f64,
    bytes_per_second: f64,
    /// Operations that the training itself takes, see [`ModelConfig::flops`], over the time of everything.
    flops_per_second: f64,
    /// The same over the device's peak.
    #[serde(skip_serializing_if = "Option::is_none")]
    utilization: Option<f64>,
}

/// When a run writes and stops, none of which changes its bits.
pub struct Conduct {
    pub validate_every: u64,
    pub save_every: u64,
    pub minutes: Option<f64>,
    pub quiet: bool,
}

/// What rows are drawn from.
pub enum Material {
    /// Text, for a byte model.
    Text(Source),
    /// Rows of tokens.
    Tokens(Box<TokenRows>),
}

impl Material {
    fn push_row(&self, row: u64, length: usize, context: usize, start_symbol: u32, batch: &mut Batch) -> Result<()> {
        match self {
            Self::Text(source) => {
                source.push_row(row, length, context, start_symbol, batch);
                Ok(())
            }
            Self::Tokens(rows) => rows.push_row(row, start_symbol, batch),
        }
    }
}

/// Text that a run is validated on.
pub struct Validation {
    pub batches: Vec<Batch>,
    /// Bytes of text that a position stands for.
    pub ratio: f64,
}

impl Validation {
    /// Documents, each a context of its own that slides.
    pub fn of_text(text: &Text, model: &ModelConfig, settings: &Settings) -> Self {
        let pieces = validation_pieces(text, DEV_BYTES, DEV_LENGTH);
        let capacity = settings.micro_batch.max(DEV_LENGTH);
        Self { batches: validation_batches(&pieces, capacity, model.context, model.start_symbol()), ratio: 1.0 }
    }
}

/// A training run in memory.
pub struct Run {
    pub name: String,
    pub model: ModelConfig,
    pub settings: Settings,
    pub source: Material,
    pub(super) backend: Box<dyn Backend>,
    bytes: u64,
    seconds: f64,
    windows_step: u64,
    /// The steps of activations in use, once training rounds.
    pub(super) scales: Option<Arc<ActivationScales>>,
    dev: Validation,
    /// The next step's batches, made while a device was at work.
    prepared: Option<Prepared>,
    /// This process among those that train the model together.
    pub(super) ranks: Arc<Ranks>,
}

/// The batches of a step.
struct Prepared {
    step: u64,
    batches: Vec<Batch>,
}

impl Run {
    /// A fresh run with the parameters of `backend`.
    pub fn new(
        name: &str,
        model: ModelConfig,
        settings: Settings,
        source: Material,
        dev: Validation,
        backend: Box<dyn Backend>,
        ranks: Arc<Ranks>,
    ) -> Self {
        Self {
            ranks,
            name: name.to_owned(),
            bytes: 0,
            seconds: 0.0,
            windows_step: 0,
            scales: None,
            prepared: None,
            backend,
            source,
            dev,
            model,
            settings,
        }
    }

    /// Puts a fresh run where a checkpoint was.
    pub fn restore(&mut self, checkpoint: Checkpoint, directory: &Directory) -> Result<()> {
        ensure!(
            checkpoint.state.model == self.model,
            "the checkpoint holds another model: {:?}, expected {:?}",
            checkpoint.state.model,
            self.model
        );
        let lengths = Optimizer::<Cpu>::state_lengths(self.settings.optimizer, &self.model);
        ensure!(
            [checkpoint.training.first.len(), checkpoint.training.second.len()] == lengths,
            "the checkpoint's optimizer is not {:?}",
            self.settings.optimizer
        );
        self.backend.set_state(checkpoint.training);
        self.bytes = checkpoint.state.bytes;
        self.seconds = checkpoint.state.seconds;
        self.windows_step = checkpoint.state.windows_step;
        self.scales = checkpoint.state.scales.map(Arc::new);
        if self.windows_step > 0 {
            let path = directory.windows(self.windows_step);
            let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if let Material::Text(source) = &mut self.source {
                source.windows = serde_json::from_reader(zstd::Decoder::new(file)?)
                    .with_context(|| format!("{} is damaged", path.display()))?;
            }
        }
        if self.ranks.is_first() { self.forget_metrics(directory) } else { Ok(()) }
    }

    /// Takes what a killed run wrote after its last checkpoint out of its metrics: these steps come again.
    fn forget_metrics(&self, directory: &Directory) -> Result<()> {
        let path = directory.metrics();
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let step = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["step"].as_u64();
        let kept = text.lines().filter(|line| step(line).is_some_and(|step| step <= self.step()));
        let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
        crate::cli::files::write(&path, kept.as_bytes())
    }

    pub fn step(&self) -> u64 {
        self.backend.step()
    }

    /// Bytes of training text that a position stands for.
    fn ratio(&self) -> f64 {
        match &self.source {
            Material::Text(_) => 1.0,
            Material::Tokens(rows) => rows.ratio(),
        }
    }

    /// Trains until the last step, `minutes` or an interrupt; saves at the end. True when the last step was done.
    pub fn train(&mut self, directory: &Directory, conduct: &Conduct, interrupted: impl Fn() -> bool) -> Result<bool> {
        let steps = self.settings.learning_rate.steps;
        // Rank 0 speaks for all.
        let quiet = conduct.quiet || !self.ranks.is_first();
        let bar = crate::cli::progress::steps(&self.name, steps, quiet);
        bar.set_position(self.step());
        let path = directory.metrics();
        let open = || OpenOptions::new().create(true).append(true).open(&path);
        let metrics = self.ranks.is_first().then(open).transpose();
        let mut metrics = metrics.with_context(|| format!("cannot write {}", path.display()))?;
        let started = Instant::now();
        let seconds_before = self.seconds;
        let mut since = Since::new(self.bytes);
        let ratio = self.ratio();
        while self.step() < steps {
            if self.segmentation_due() {
                bar.set_message("cutting text into windows");
                self.segment(directory)?;
            }
            let (Report { loss, gradient_norm }, flops) = self.advance()?;
            ensure!(
                loss.nats.is_finite() && gradient_norm.is_finite(),
                "the loss is no longer a number at step {}: lower --learning-rate",
                self.step()
            );
            since.loss += loss;
            since.flops += flops;
            self.seconds = seconds_before + started.elapsed().as_secs_f64();
            let last = self.step() == steps;
            let late = conduct.minutes.is_some_and(|minutes| started.elapsed().as_secs_f64() > 60.0 * minutes);
            let stop = last || self.ranks.any(interrupted() || late)?;
            bar.set_position(self.step());
            if self.step().is_multiple_of(20) {
                let rate = ratio * (self.bytes - since.bytes) as f64 / since.started.elapsed().as_secs_f64();
                bar.set_message(format!("{:.4} bits/byte, {:.0} KB/s", since.bits_per_byte(ratio), rate / 1e3));
            }
            if stop || self.step().is_multiple_of(conduct.validate_every) {
                let elapsed = since.started.elapsed().as_secs_f64();
                let flops_per_second = since.flops / elapsed;
                let dev = self.validate(self.scales.is_some())?;
                let line = Metrics {
                    step: self.step(),
                    bytes: (ratio * self.bytes as f64) as u64,
                    positions: self.bytes,
                    seconds: self.seconds,
                    train_bits_per_byte: since.bits_per_byte(ratio),
                    dev_bits_per_byte: Some(dev),
                    rounded: self.scales.is_some(),
                    learning_rate: self.settings.learning_rate.at(self.step()),
                    gradient_norm,
                    bytes_per_second: ratio * (self.bytes - since.bytes) as f64 / elapsed,
                    flops_per_second,
                    utilization: self.backend.peak().map(|peak| flops_per_second / (peak * self.ranks.count() as f64)),
                };
                if let Some(metrics) = &mut metrics {
                    serde_json::to_writer(&mut *metrics, &line)?;
                    metrics.write_all(b"\n")?;
                }
                let text = format!(
                    "{} step {}/{steps}{}: train {:.4}, dev {dev:.4} bits/byte, {:.0} KB/s{}, learning rate {:.2e}",
                    self.name,
                    line.step,
                    if line.rounded { ", rounded" } else { "" },
                    line.train_bits_per_byte,
                    line.bytes_per_second / 1e3,
                    line.utilization.map_or(String::new(), |share| format!(" ({:.1}% of the peak)", 100.0 * share)),
                    line.learning_rate
                );
                if quiet {
                } else if bar.is_hidden() {
                    eprintln!("{text}");
                } else {
                    bar.println(text);
                }
                since = Since::new(self.bytes);
            }
            if stop || self.step().is_multiple_of(conduct.save_every) {
                self.save(directory)?;
            }
            if stop {
                bar.finish_and_clear();
                return Ok(last);
            }
        }
        Ok(true)
    }

    /// One step of the optimizer: its loss, the norm of its gradients, and the floating-point operations that it takes.
    fn advance(&mut self) -> Result<(Report, f64)> {
        if self.calibration_due() {
            self.calibrate()?;
        }
        let Settings { batch, sequence, z_loss, clip, learning_rate, .. } = self.settings;
        let step = self.step();
        let prepared = self.prepared.take().filter(|prepared| prepared.step == step);
        let batches = prepared.map_or_else(|| self.batches(step), |prepared| Ok(prepared.batches))?;
        let positions = batch * sequence;
        let flops: f64 = batches.iter().map(|batch| self.model.flops(batch.symbols.len() as u64, batch.seen())).sum();
        self.backend.train(batches, self.scales.as_ref(), z_loss, 1.0 / positions as f32)?;
        self.backend.update(learning_rate.at(step + 1), clip)?;
        if self.backend.works_ahead() && !self.segmentation_due() {
            self.prepared = Some(Prepared { step: step + 1, batches: self.batches(step + 1)? });
        }
        let Report { loss, gradient_norm } = self.backend.take_report()?;
        let mut sums = [loss.nats, loss.count as f64, flops];
        self.ranks.all_reduce(&mut sums)?;
        let [nats, count, flops] = sums;
        let loss = Loss { nats, count: count as u64 };
        self.bytes += loss.count;
        Ok((Report { loss, gradient_norm }, flops))
    }

    /// This rank's rows of a step, in micro-batches.
    fn batches(&self, step: u64) -> Result<Vec<Batch>> {
        let Settings { batch, sequence, micro_batch, .. } = self.settings;
        let first = step * batch as u64;
        let rows: Vec<u64> = self.ranks.share(first..first + batch as u64).collect();
        rows.chunks((micro_batch / sequence).max(1)).map(|rows| self.rows(rows)).collect()
    }

    /// Rows of the training text as one batch.
    pub(super) fn rows(&self, rows: &[u64]) -> Result<Batch> {
        let ModelConfig { context, .. } = self.model;
        let mut batch = Batch::default();
        for row in rows {
            self.source.push_row(*row, self.settings.sequence, context, self.model.start_symbol(), &mut batch)?;
        }
        Ok(batch)
    }

    /// Bits/byte on the held-out documents, each a context of its own that slides; rounded as the integer model does if it has been calibrated and that is asked for.
    pub fn validate(&mut self, rounded: bool) -> Result<f64> {
        let scales = self.scales.as_ref().filter(|_| rounded).cloned();
        let batches = self.ranks.share(&self.dev.batches).cloned().collect();
        let loss = self.backend.evaluate(batches, scales.as_ref())?;
        let mut sums = [loss.nats, loss.count as f64];
        self.ranks.all_reduce(&mut sums)?;
        Ok(sums[0] / sums[1].max(1.0) / LN_2 / self.dev.ratio)
    }

    fn segmentation_due(&self) -> bool {
        let times = u64::from(self.settings.resegment);
        if self.settings.mix.windows == 0.0 || times == 0 {
            return false;
        }
        // The first when the model has learned something, the others evenly over the rest.
        let steps = self.settings.learning_rate.steps;
        let at = |time: u64| steps / 20 + time * (steps - steps / 20) / times;
        self.step() > 0 && (0..times).any(|time| at(time).max(1) == self.step()) && self.windows_step != self.step()
    }

    /// Trains with rounding from the model as it is, on a schedule of its own; `report` is called after every step.
    pub fn fine_tune(
        &mut self,
        learning_rate: LearningRate,
        mut report: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.backend.restart_optimizer();
        self.scales = None;
        self.settings.learning_rate = learning_rate;
        self.settings.rounded_steps = learning_rate.steps;
        while self.step() < learning_rate.steps {
            self.advance()?;
            report(self)?;
        }
        Ok(())
    }

    /// Cuts text into windows with the model as it is.
    pub fn cut_windows(&mut self) -> Result<()> {
        let seed = self.settings.seed ^ self.step();
        self.prepared = None;
        let Material::Text(source) = &mut self.source else { return Ok(()) };
        let cut = |(bits, weight): &(u32, f32)| {
            // Twice over a small text gives it different phases; more would only repeat.
            let bytes = (self.settings.window_text.min(2 * source.text.bytes.len()) as f32 * weight) as usize;
            let (backend, model, capacity) = (self.backend.as_mut(), &self.model, self.settings.micro_batch);
            Ok((*weight, segment::segment(backend, model, capacity, &source.text, *bits, bytes, seed)?))
        };
        source.windows = self.ranks.by_first(|| WINDOW_BITS.iter().map(cut).collect())?;
        Ok(())
    }

    /// Cuts windows and keeps them on disk for a resumed run.
    fn segment(&mut self, directory: &Directory) -> Result<()> {
        self.cut_windows()?;
        let (old, step) = (self.windows_step, self.step());
        self.windows_step = step;
        let path = directory.windows(self.windows_step);
        if self.ranks.is_first() {
            let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            let mut encoder = zstd::Encoder::new(file, 1)?;
            if let Material::Text(source) = &self.source {
                serde_json::to_writer(&mut encoder, &source.windows)?;
            }
            encoder.finish()?;
        }
        // The checkpoint must never point at windows that are gone.
        self.save(directory)?;
        if old > 0 && self.ranks.is_first() {
            std::fs::remove_file(directory.windows(old)).ok();
        }
        Ok(())
    }

    pub fn save(&self, directory: &Directory) -> Result<()> {
        let state = State {
            name: self.name.clone(),
            model: self.model.clone(),
            settings: self.settings.clone(),
            step: self.step(),
            bytes: self.bytes,
            seconds: self.seconds,
            windows_step: self.windows_step,
            scales: self.scales.as_deref().cloned(),
        };
        let training = self.backend.state(Holders::First)?;
        if self.ranks.is_first() { Checkpoint { state, training }.save(&directory.checkpoint()) } else { Ok(()) }
    }
}

/// Held-out text per validation, in bytes.
pub const DEV_BYTES: usize = 512 << 10;
/// Longest context of a validation, in bytes: long enough that sliding dominates.
pub const DEV_LENGTH: usize = 4096;

/// Sums since the last report.
struct Since {
    started: Instant,
    bytes: u64,
    loss: Loss,
    flops: f64,
}

impl Since {
    fn new(bytes: u64) -> Self {
        Self { started: Instant::now(), bytes, loss: Loss::default(), flops: 0.0 }
    }

    /// Of text that has `ratio` bytes for a position.
    fn bits_per_byte(&self, ratio: f64) -> f64 {
        self.loss.nats / self.loss.count.max(1) as f64 / LN_2 / ratio
    }
}
