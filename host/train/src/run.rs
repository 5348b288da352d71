//! A training run: text to a float model, step by step, resumable to the same bits.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::backend::{Backend, Gather};
use super::checkpoint::{Checkpoint, Origin, State};
use super::cpu::Cpu;
use super::data::{Segmentation, Source};
use super::device::{DeviceError, Loss, Report};
use super::directory::Directory;
use super::graph::{Batch, ModelConfig};
use super::metrics::Metrics;
use super::observer::{Event, Observer};
use super::optimizer::{LearningRate, Optimizer};
use super::segment;
use super::settings::Settings;
use super::tensorboard::EventFile;
use super::tokens::TokenRows;
use super::validation::Validation;
use crate::error::{Result, TrainError};
use crate::ranks::Ranks;
use equalinfo::cuda::Place;
use equalinfo::digest::finished;
use equalinfo::files;
use equalinfo::quantize::ActivationScales;

/// Bits of the windows that contexts restart with, and how often each is drawn: short contexts need the most practice.
const WINDOW_BITS: [(u32, f32); 5] = [(16, 0.45), (24, 0.1), (32, 0.2), (64, 0.15), (128, 0.1)];
const LN_2: f64 = std::f64::consts::LN_2;

/// When a run validates, saves and stops, none of which changes its bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunControl {
    /// Steps between validations.
    pub validate_every: u64,
    /// Steps between checkpoints.
    pub save_every: u64,
    /// The longest time between checkpoints, whatever a step takes.
    pub save_within: Duration,
    /// Stop, with a checkpoint, after this many minutes.
    pub minutes: Option<f64>,
}

impl Default for RunControl {
    fn default() -> Self {
        Self { validate_every: 500, save_every: 1000, save_within: Duration::from_secs(600), minutes: None }
    }
}

/// What rows are drawn from.
pub enum TrainingData {
    /// Text, for a byte model.
    Text(Source),
    /// Rows of tokens.
    Tokens(Box<TokenRows>),
}

impl TrainingData {
    /// What a model is trained on that is trained on these.
    fn origin(&self) -> Origin {
        match self {
            Self::Text(Source { text, messages, .. }) => {
                let messages_sha256 = (!messages.bytes.is_empty()).then(|| messages.sha256());
                Origin::Text { sha256: text.sha256(), messages_sha256 }
            }
            Self::Tokens(rows) => {
                Origin::Tokens { meaning: rows.manifest().settings.meaning(), sha256: rows.sha256().to_owned() }
            }
        }
    }

    fn push_row(&self, row: u64, length: usize, context: usize, start_symbol: u32, batch: &mut Batch) -> Result<()> {
        match self {
            Self::Text(source) => {
                source.push_row(row, length, context, start_symbol, batch);
                Ok(())
            }
            Self::Tokens(rows) => Ok(rows.push_row(row, start_symbol, batch)?),
        }
    }
}

/// A training run in memory.
pub struct TrainingRun {
    /// The model's name.
    pub name: String,
    /// Its sizes.
    pub model: ModelConfig,
    /// What decides the run's course.
    pub settings: Settings,
    /// What rows are drawn from.
    pub source: TrainingData,
    origin: Origin,
    pub(super) backend: Box<dyn Backend>,
    bytes: u64,
    seconds: f64,
    windows_step: u64,
    windows_sha256: Option<String>,
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

impl TrainingRun {
    /// A fresh run with the parameters of `backend`.
    pub fn new(
        name: &str,
        model: ModelConfig,
        settings: Settings,
        source: TrainingData,
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
            windows_sha256: None,
            scales: None,
            prepared: None,
            backend,
            origin: source.origin(),
            source,
            dev,
            model,
            settings,
        }
    }

    /// Puts a fresh run where a checkpoint was.
    ///
    /// # Errors
    /// The checkpoint is of another model or optimizer or of other text or tokens, or the run's windows cannot be read.
    pub fn restore(&mut self, checkpoint: Checkpoint, directory: &Directory) -> Result<()> {
        if checkpoint.state.model != self.model {
            let (found, expected) = (Box::new(checkpoint.state.model), Box::new(self.model.clone()));
            return Err(TrainError::OtherModel { found, expected });
        }
        self.agrees_with(&checkpoint.state.origin)?;
        let lengths = Optimizer::<Cpu>::state_lengths(self.settings.optimizer, &self.model);
        if [checkpoint.training.first.len(), checkpoint.training.second.len()] != lengths {
            return Err(TrainError::OtherOptimizer { expected: self.settings.optimizer });
        }
        self.backend.set_state(checkpoint.training);
        self.bytes = checkpoint.state.bytes;
        self.seconds = checkpoint.state.seconds;
        self.windows_step = checkpoint.state.windows_step;
        self.windows_sha256.clone_from(&checkpoint.state.windows_sha256);
        self.scales = checkpoint.state.scales.map(Arc::new);
        if self.windows_step > 0 {
            let path = directory.windows(self.windows_step);
            if let TrainingData::Text(source) = &mut self.source {
                source.windows =
                    read_windows(&path, checkpoint.state.windows_sha256.as_deref(), source.text.bytes.len())?;
            }
        }
        if self.ranks.is_first() { self.forget_metrics(directory) } else { Ok(()) }
    }

    /// What is trained on, as checkpoints name it.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Checks that the run is trained on what a checkpoint was.
    fn agrees_with(&self, begun: &Origin) -> Result<()> {
        let other = |what, found: &str, expected: &str| {
            if found == expected {
                return Ok(());
            }
            Err(TrainError::OtherText { what, found: found.to_owned(), expected: expected.to_owned() })
        };
        match (begun, &self.origin) {
            (
                Origin::Text { sha256: begun, messages_sha256: begun_with },
                Origin::Text { sha256: now, messages_sha256: now_with },
            ) => {
                let messages = |sha256: &Option<String>| sha256.clone().unwrap_or_else(|| "none".to_owned());
                other("text", begun, now)?;
                other("messages", &messages(begun_with), &messages(now_with))
            }
            (Origin::Tokens { meaning, sha256 }, Origin::Tokens { meaning: now, sha256: sha256_now }) => {
                if !meaning.agrees(now) {
                    let (found, expected) = (Box::new(now.clone()), Box::new(meaning.clone()));
                    return Err(TrainError::OtherTokens { what: "these", found, expected });
                }
                other("tokens", sha256, sha256_now)
            }
            (begun, now) => Err(TrainError::OtherKind { found: begun.kind(), expected: now.kind() }),
        }
    }

    /// Takes what a killed run wrote after its last checkpoint out of its metrics: these steps come again.
    fn forget_metrics(&self, directory: &Directory) -> Result<()> {
        let path = directory.metrics();
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let step = |line: &str| serde_json::from_str::<Metrics>(line).map(|metrics| metrics.step);
        let kept = text.lines().filter(|line| step(line).is_ok_and(|step| step <= self.step()));
        let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
        Ok(files::write(&path, kept.as_bytes())?)
    }

    /// The metrics that the directory has, to go on with, and the same as TensorBoard reads them. A run at its beginning
    /// has none: what is there was left by one that never got to a checkpoint.
    fn open_metrics(&self, directory: &Directory) -> Result<(File, EventFile)> {
        let (path, events) = (directory.metrics(), directory.events());
        if self.step() == 0 {
            files::write(&path, b"")?;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let so_far: Vec<Metrics> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let events = EventFile::create(&events, &so_far, self.seconds).map_err(TrainError::file(&events, "write"))?;
        let metrics = OpenOptions::new().create(true).append(true).open(&path);
        Ok((metrics.map_err(TrainError::file(&path, "write"))?, events))
    }

    /// Steps done so far.
    pub fn step(&self) -> u64 {
        self.backend.step()
    }

    /// Bytes of training text that a position stands for.
    fn ratio(&self) -> f64 {
        match &self.source {
            TrainingData::Text(_) => 1.0,
            TrainingData::Tokens(rows) => rows.ratio(),
        }
    }

    /// Trains until the last step, `minutes` or the observer's wish; saves at the end, which it validates unless the
    /// observer wished for it. True when the last step was done.
    ///
    /// # Errors
    /// The loss is no longer a number, a file cannot be written, or a device or another rank fails.
    pub fn train(&mut self, directory: &Directory, control: &RunControl, observer: &mut dyn Observer) -> Result<bool> {
        let steps = self.settings.learning_rate.steps;
        let mut metrics = self.ranks.is_first().then(|| self.open_metrics(directory)).transpose()?;
        let started = Instant::now();
        let seconds_before = self.seconds;
        let mut saved = started;
        let mut since = Since::new(self.bytes);
        let ratio = self.ratio();
        while self.step() < steps {
            if self.segmentation_due() {
                observer.event(&Event::CuttingWindows);
                self.segment(directory)?;
            }
            let (Report { loss, gradient_norm }, flops) = self.advance()?;
            if !(loss.nats.is_finite() && gradient_norm.is_finite()) {
                return Err(TrainError::NotFinite { step: self.step() });
            }
            since.loss += loss;
            since.flops += flops;
            self.seconds = seconds_before + started.elapsed().as_secs_f64();
            let last = self.step() == steps;
            let late = control.minutes.is_some_and(|minutes| started.elapsed().as_secs_f64() > 60.0 * minutes);
            let asked = observer.should_stop();
            // Ranks agree, as their clocks do not.
            let mut wishes = [asked, late, saved.elapsed() >= control.save_within].map(f32::from);
            self.ranks.all_reduce(&mut wishes)?;
            let [asked, late, unsaved] = wishes.map(|wishes| wishes > 0.0);
            let stop = last || asked || late;
            // Whoever asks has little time, and a validation may take a minute.
            let at_once = asked && !last;
            observer.event(&Event::Step {
                step: self.step(),
                bits_per_byte: since.bits_per_byte(ratio),
                bytes_per_second: ratio * (self.bytes - since.bytes) as f64 / since.started.elapsed().as_secs_f64(),
            });
            if !at_once && (stop || self.step().is_multiple_of(control.validate_every)) {
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
                if let Some((metrics, events)) = &mut metrics {
                    let text = serde_json::to_string(&line).map_err(TrainError::library)? + "\n";
                    metrics.write_all(text.as_bytes()).map_err(TrainError::file(&directory.metrics(), "write"))?;
                    events.add(&line).map_err(TrainError::file(&directory.events(), "write"))?;
                }
                observer.event(&Event::Validated(&line));
                since = Since::new(self.bytes);
            }
            if stop || unsaved || self.step().is_multiple_of(control.save_every) {
                self.save(directory)?;
                saved = Instant::now();
            }
            if stop {
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

    /// Bits per byte of the held-out documents, each a context of its own that slides; with `rounded` and once calibrated, rounded as the integer model does.
    ///
    /// # Errors
    /// A device or another rank fails.
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
    ///
    /// # Errors
    /// As [`Self::train`], or those of `report`.
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
    ///
    /// # Errors
    /// A device or another rank fails.
    pub fn cut_windows(&mut self) -> Result<()> {
        let seed = self.settings.seed ^ self.step();
        self.prepared = None;
        let TrainingData::Text(source) = &mut self.source else { return Ok(()) };
        let cut = |(bits, weight): &(u32, f32)| {
            // Twice over a small text gives it different phases; more would only repeat.
            let bytes = (self.settings.window_text.min(2 * source.text.bytes.len()) as f32 * weight) as usize;
            let (backend, model, capacity) = (self.backend.as_mut(), &self.model, self.settings.micro_batch);
            Ok((*weight, segment::segment(backend, model, capacity, &source.text, *bits, bytes, seed)?))
        };
        source.windows = self.ranks.by_first(|| WINDOW_BITS.iter().map(cut).collect::<Result<_, DeviceError>>())?;
        Ok(())
    }

    /// Cuts windows and keeps them on disk for a resumed run.
    fn segment(&mut self, directory: &Directory) -> Result<()> {
        self.cut_windows()?;
        let (old, step) = (self.windows_step, self.step());
        self.windows_step = step;
        let path = directory.windows(self.windows_step);
        if let TrainingData::Text(source) = &self.source
            && self.ranks.is_first()
        {
            self.windows_sha256 = Some(write_windows(&path, &source.windows)?);
        }
        // No checkpoint may point at windows that are gone, nor the one before it.
        self.save(directory)?;
        if self.ranks.is_first() {
            directory.forget_windows([old, step]);
        }
        Ok(())
    }

    /// Writes a checkpoint, on rank 0.
    ///
    /// # Errors
    /// It cannot be written, or a device or another rank fails.
    pub fn save(&self, directory: &Directory) -> Result<()> {
        let state = State {
            name: self.name.clone(),
            origin: self.origin.clone(),
            model: self.model.clone(),
            settings: self.settings.clone(),
            step: self.step(),
            bytes: self.bytes,
            seconds: self.seconds,
            windows_step: self.windows_step,
            windows_sha256: self.windows_sha256.clone(),
            scales: self.scales.as_deref().cloned(),
        };
        let training = self.backend.state(Gather::First)?;
        if self.ranks.is_first() {
            directory.save(&Checkpoint { state, training })?;
        }
        Ok(())
    }
}

/// The windows of a text of `length` bytes, from a file whose SHA-256 the checkpoint has.
fn read_windows(path: &Path, expected: Option<&str>, length: usize) -> Result<Vec<(f32, Segmentation)>> {
    let damaged = |found: String| TrainError::DamagedWindows { path: path.to_owned(), found };
    let mut bytes = Vec::new();
    let (mut file, _) = files::open_regular(path)?;
    file.read_to_end(&mut bytes).map_err(TrainError::file(path, "read"))?;
    let (found, expected) = (finished(Sha256::new().chain_update(&bytes)), expected.unwrap_or("none"));
    if found != expected {
        return Err(damaged(format!("its SHA-256 is {found}, expected {expected}")));
    }
    let decoder = zstd::Decoder::new(&bytes[..]).map_err(TrainError::file(path, "read"))?;
    let windows: Vec<(f32, Segmentation)> =
        serde_json::from_reader(decoder).map_err(|error| damaged(error.to_string()))?;
    let ends = |&(start, taken): &(u32, u16)| start as usize + usize::from(taken);
    let last = windows.iter().flat_map(|(_, segmentation)| &segmentation.spans).map(ends).max().unwrap_or(0);
    if last > length {
        return Err(damaged(format!("a window ends at byte {last} of {length}")));
    }
    Ok(windows)
}

/// Writes windows, and returns the SHA-256 of their file.
fn write_windows(path: &Path, windows: &[(f32, Segmentation)]) -> Result<String> {
    let encoded = || -> std::io::Result<Vec<u8>> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
        serde_json::to_writer(&mut encoder, windows)?;
        encoder.finish()
    };
    let bytes = encoded().map_err(TrainError::file(path, "write"))?;
    files::write(path, &bytes)?;
    Ok(finished(Sha256::new().chain_update(&bytes)))
}

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

/// Where a run computes, for its first line.
pub(super) fn described(place: &Place, settings: &Settings, ranks: &Ranks) -> String {
    let ranks = if ranks.is_launched() { format!(", {} ranks", ranks.count()) } else { String::new() };
    match place {
        Place::Cpu(_) => format!("{place}, {:?} products, {} threads{ranks}", settings.precision, settings.workers),
        Place::Cuda(_) => format!("{place}{ranks}"),
    }
}
