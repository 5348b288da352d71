//! M2, the model of tokens: its presets and a training [`Run`]; how it is measured is in [`measure`](self::measure()),
//! and a [`Prover`] shows that the figure is the size of a code.

mod measure;
mod prove;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::backend;
use super::backend::memory::{self, MemoryEstimate};
use super::checkpoint::{Kind, Origin, State};
use super::cpu::matmul::Precision;
use super::data::Mix;
use super::directory::{Directory, Latest, Recovery};
use super::graph::{ModelConfig, TensorKind, initial_parameters};
use super::observer::{Event, Muted, Observer};
use super::optimizer::{LearningRate, OptimizerKind, Schedule};
use super::resume::Comparison;
use super::run::{RunControl, TrainingData, TrainingRun, described};
use super::settings::{Settings, cores};
use super::tokens::TokenRows;
use crate::error::{Result, TrainError};
use crate::ranks::Ranks;
use equalinfo::cuda::{self, DeviceChoice};
use equalinfo::files::DirectoryLock;
use equalinfo::tokens::shards::{self, Manifest, Meaning, Source};

pub use measure::{Figures, MeasureOptions, measure};
pub use prove::{Encoded, Proof, Prover};

/// Characters of a run's name.
const LONGEST_NAME: usize = 100;

/// Sizes of M2, named by their weights without the embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Preset {
    /// 0.1 M parameters: minutes on a few cores.
    #[serde(rename = "tiny")]
    Tiny,
    /// 3 M parameters: 3 layers of 256, as the paper's M1; hours on a few cores.
    #[serde(rename = "3m")]
    M3,
    /// 25 M parameters: 6 layers of 512.
    #[default]
    #[serde(rename = "25m")]
    M25,
    /// 113 M parameters: 12 layers of 768.
    #[serde(rename = "113m")]
    M113,
    /// 403 M parameters: 24 layers of 1024.
    #[serde(rename = "403m")]
    M403,
    /// 1.6 G parameters: 24 layers of 2048.
    #[serde(rename = "2b")]
    B2,
}

/// How M2 is trained; [`Default`] gives the paper's settings.
///
/// Started by torchrun, srun or mpirun, every process is a rank on a GPU of its own: the rows of a step are dealt to them, and rank 0 writes the files.
#[derive(Debug, Clone)]
pub struct M2Options {
    /// Token shards, read together: all of the same tokens.
    pub data: Vec<Source>,
    /// Directory of held-out shards of the same tokens, for validation on 20 batches; `None`: the training tokens.
    pub dev: Option<PathBuf>,
    /// Directory of the run: checkpoints and `metrics.jsonl`; `None`: `runs/NAME`.
    pub output: Option<PathBuf>,
    /// Name of the model; `None`: the preset's.
    pub name: Option<String>,
    /// The size; `None`: [`Preset::M25`].
    pub preset: Option<Preset>,
    /// Continue the run in the output directory from its last checkpoint, to the same bits. The tokens must be the
    /// same, wherever they lie; other options are those of the run, and must say the same where they are given. What
    /// may change: device, threads and ranks, `recompute`, [`Self::control`], held-out tokens, and `steps` before the
    /// learning rate falls.
    pub resume: bool,
    /// Steps of the optimizer; `None`: the paper's 200,000.
    pub steps: Option<u64>,
    /// Rows in a step; `None`: the paper's 256.
    pub batch: Option<usize>,
    /// What moves the parameters; `None`: Adafactor.
    pub optimizer: Option<OptimizerKind>,
    /// How the learning rate moves; `None`: [`Schedule::Rsqrt`].
    pub schedule: Option<Schedule>,
    /// Peak learning rate; `None`: the paper's 0.01 for Adafactor, by preset for AdamW.
    pub learning_rate: Option<f32>,
    /// Steps until the learning rate is at its peak; those that it is held for, with [`Schedule::Rsqrt`].
    pub warmup: Option<u64>,
    /// Decoupled weight decay of AdamW and Muon; `None`: 0.05.
    pub weight_decay: Option<f32>,
    /// Largest norm of the gradient; `None`: 1.
    pub clip: Option<f32>,
    /// Weight of the z-loss; `None`: 1e-4.
    pub z_loss: Option<f32>,
    /// Decides initial weights and the order of the rows; `None`: 1.
    pub seed: Option<u64>,
    /// Arithmetic of matrix products on the CPU; `None`: [`Precision::detect`].
    pub precision: Option<Precision>,
    /// Whether activations are computed once more for the backward pass: less memory, a third more work, the same bits.
    pub recompute: bool,
    /// When the run validates, saves and stops.
    pub control: RunControl,
    /// Where to train.
    pub device: DeviceChoice,
    /// Threads of the CPU, of which sums depend in their last bits; `None`: one a core, or those of the run that is
    /// resumed.
    pub threads: Option<usize>,
}

impl Default for M2Options {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            dev: None,
            output: None,
            name: None,
            preset: None,
            resume: false,
            steps: None,
            batch: None,
            optimizer: None,
            schedule: None,
            learning_rate: None,
            warmup: None,
            weight_decay: None,
            clip: None,
            z_loss: None,
            seed: None,
            precision: None,
            recompute: false,
            control: RunControl::default(),
            device: DeviceChoice::Auto,
            threads: None,
        }
    }
}

impl Preset {
    /// All of them, by size.
    pub const ALL: [Self; 6] = [Self::Tiny, Self::M3, Self::M25, Self::M113, Self::M403, Self::B2];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::M3 => "3m",
            Self::M25 => "25m",
            Self::M113 => "113m",
            Self::M403 => "403m",
            Self::B2 => "2b",
        }
    }

    /// The paper's Table 4, and a smaller one.
    pub fn config(self, vocabulary: usize, sequence: usize) -> ModelConfig {
        let (layers, heads, feed_forward) = match self {
            Self::Tiny => (2, 1, 256),
            Self::M3 => (3, 4, 1024),
            Self::M25 => (6, 8, 2048),
            Self::M113 => (12, 12, 3072),
            Self::M403 => (24, 16, 4096),
            Self::B2 => (24, 32, 8192),
        };
        ModelConfig { layers, heads, feed_forward, context: sequence, vocabulary, ngrams: Vec::new() }
    }

    /// Peak learning rate of AdamW.
    fn adamw_rate(self) -> f32 {
        match self {
            Self::Tiny => 3e-3,
            Self::M3 => 2e-3,
            Self::M25 => 1e-3,
            Self::M113 => 6e-4,
            Self::M403 => 3e-4,
            Self::B2 => 2e-4,
        }
    }
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The paper's peak learning rate, which its schedule holds for [`ADAFACTOR_WARM_UP`] steps.
const ADAFACTOR_RATE: f32 = 0.01;
/// The paper's warm-up.
const ADAFACTOR_WARM_UP: u64 = 10_000;
/// Rows of a validation: the paper's 20 batches.
const VALIDATION_BATCHES: usize = 20;

/// A training run of M2, loaded and ready.
pub struct Run {
    run: TrainingRun,
    directory: Directory,
    control: RunControl,
    recovery: Option<Recovery>,
    _lock: Option<DirectoryLock>,
    has_held_out: bool,
    description: String,
}

impl Run {
    /// Opens tokens and device. Waits for the other ranks if a launcher started this process as one of several.
    ///
    /// # Errors
    /// The tokens or the checkpoint cannot be read or do not belong together, or a device or a rank fails.
    pub fn new(options: M2Options) -> Result<Self> {
        Self::as_rank(&options, Ranks::from_environment(&mut |_| ())?)
    }

    /// The same as one of some ranks, which all call this with the same options.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn as_rank(options: &M2Options, ranks: Ranks) -> Result<Self> {
        let ranks = Arc::new(ranks);
        let preset = options.preset.unwrap_or_default();
        let name = options.name.clone().unwrap_or_else(|| preset.name().to_owned());
        let (directory, lock) = Directory::make(options.output.as_deref(), &name, LONGEST_NAME, &ranks)?;
        let (resumed, recovery) = match directory.resumed(options.resume, Kind::M2, &name)? {
            Some(Latest { checkpoint, recovery }) => (Some(checkpoint), recovery),
            None => (None, None),
        };
        ranks.agree("checkpoint", &resumed.as_ref().map(|checkpoint| checkpoint.state.step))?;
        let seed = resumed.as_ref().map_or(options.seed(), |checkpoint| checkpoint.state.settings.seed);
        let rows = TokenRows::open(&options.data, seed)?;
        let tokens = &rows.manifest().settings;
        let (name, model) = match &resumed {
            Some(checkpoint) => (checkpoint.state.name.clone(), checkpoint.state.model.clone()),
            None => (name, preset.config(tokens.vocabulary, tokens.sequence)),
        };
        if let Some(Origin::Tokens { meaning, .. }) = resumed.as_ref().map(|checkpoint| &checkpoint.state.origin) {
            check_meaning("these", rows.manifest(), meaning)?;
        }
        check_vocabulary(&options.data, tokens, &model)?;
        let place = cuda::choose(options.device, ranks.local())?;
        let mut settings = match &resumed {
            Some(checkpoint) => continued(&checkpoint.state, options, &directory.checkpoint())?,
            None => settings(options, tokens.sequence),
        };
        settings.recompute = options.recompute;
        settings.check()?;
        settings.has_room_for(options.warmup)?;
        model.check()?;
        ranks.agree("device", &place.is_gpu())?;
        settings.agree(&ranks)?;
        ranks.agree("tokens", &rows.sha256())?;
        let estimate = MemoryEstimate::new(&model, settings.optimizer, settings.recompute, ranks.count());
        settings.micro_batch = memory::micro_batch(&place, &estimate, settings.rank_batch(&ranks)?, settings.sequence)?;
        let dev = options.dev.clone().map(Source::from);
        let held_out = TokenRows::open(dev.as_ref().map_or(&options.data, std::slice::from_ref), 0)?;
        check_meaning("held-out", held_out.manifest(), &rows.manifest().settings.meaning())?;
        let validation_rows = VALIDATION_BATCHES * settings.batch;
        let validation =
            held_out.validation(validation_rows, settings.micro_batch.max(model.context), model.start_symbol())?;
        let description = format!(
            " on {}: {} parameters, {} of them not in the embedding, on {}; {} rows of {} tokens in a pass, {} steps of {} tokens",
            tokens.name,
            model.parameters(),
            matrices(&model),
            described(&place, &settings, &ranks),
            rows.pass(),
            tokens.sequence,
            settings.learning_rate.steps,
            settings.batch * settings.sequence
        );
        let parameters = initial(&model, settings.seed);
        let backend = backend::open(place, &model, &settings, parameters, &ranks)?;
        let data = TrainingData::Tokens(Box::new(rows));
        let mut run = TrainingRun::new(&name, model, settings, data, validation, backend, ranks);
        if let Some(checkpoint) = resumed {
            run.restore(checkpoint, &directory)?;
        }
        if recovery.is_some() && run.ranks.is_first() {
            directory.put_aside()?;
        }
        let (control, has_held_out) = (options.control, options.dev.is_some());
        Ok(Self { run, directory, control, recovery, _lock: lock, has_held_out, description })
    }

    /// Steps done so far.
    pub fn step(&self) -> u64 {
        self.run.step()
    }

    /// The run's checkpoint, which [`Self::train`] writes.
    pub fn checkpoint(&self) -> PathBuf {
        self.directory.checkpoint()
    }

    /// Trains until the last step, until the time is up or until the observer asks to stop. True when the last step was done.
    ///
    /// # Errors
    /// The loss is no longer a number, a file cannot be written, or a device or another rank fails.
    pub fn train(&mut self, observer: &mut dyn Observer) -> Result<bool> {
        let Self { run, directory, control, recovery, has_held_out, description, .. } = self;
        let mut muted = Muted(observer);
        let observer: &mut dyn Observer = if run.ranks.is_first() { &mut *muted.0 } else { &mut muted };
        let (name, step, steps) = (run.name.clone(), run.step(), run.settings.learning_rate.steps);
        observer.event(&Event::Started { name: &name, description, step, steps });
        if let Some(recovery) = recovery.take() {
            observer.event(&Event::Recovered(&recovery));
        }
        if !*has_held_out {
            observer.event(&Event::NoHeldOutText);
        }
        let complete = run.train(directory, control, observer)?;
        observer.event(&Event::Ended { complete, step: run.step(), checkpoint: &directory.checkpoint() });
        Ok(complete)
    }
}

/// The model must have an output for each token, and a context as long as a row.
fn check_vocabulary(data: &[Source], tokens: &shards::Settings, model: &ModelConfig) -> Result<()> {
    if (model.vocabulary, model.context) == (tokens.vocabulary, tokens.sequence) {
        return Ok(());
    }
    let data = data.first().map(|source| source.directory.clone()).unwrap_or_default();
    let model = Box::new(model.clone());
    Err(TrainError::OtherVocabulary { data, vocabulary: tokens.vocabulary, sequence: tokens.sequence, model })
}

/// Ids must mean the same in both, and rows be of one length; `what` names the tokens of `found`.
fn check_meaning(what: &'static str, found: &Manifest, expected: &Meaning) -> Result<()> {
    let found = found.settings.meaning();
    if found.agrees(expected) {
        return Ok(());
    }
    Err(TrainError::OtherTokens { what, found: Box::new(found), expected: Box::new(expected.clone()) })
}

/// Initial parameters whose output is nearly uniform: from logits of deviation 1, which cost half a nat a token, a short run of many
/// tokens would not come back to what a model spends that knows nothing.
fn initial(model: &ModelConfig, seed: u64) -> Vec<f32> {
    let mut parameters = initial_parameters(model, seed);
    for tensor in model.tensors().iter().filter(|tensor| tensor.kind == TensorKind::Embedding) {
        parameters[tensor.range()].iter_mut().for_each(|value| *value *= EMBEDDING);
    }
    parameters
}

/// What M2's embedding begins with, as a share of M1's.
const EMBEDDING: f32 = 0.25;

impl M2Options {
    fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }
}

fn settings(options: &M2Options, sequence: usize) -> Settings {
    let steps = options.steps.unwrap_or(200_000);
    let optimizer = options.optimizer.unwrap_or(OptimizerKind::Adafactor);
    let (peak, warm_up) = match optimizer {
        OptimizerKind::Adafactor => (ADAFACTOR_RATE, ADAFACTOR_WARM_UP),
        OptimizerKind::Adamw | OptimizerKind::Muon => {
            (options.preset.unwrap_or_default().adamw_rate(), (steps / 20).min(2000))
        }
    };
    Settings {
        batch: options.batch.unwrap_or(256),
        sequence,
        micro_batch: sequence,
        workers: options.threads.unwrap_or_else(cores),
        precision: options.precision.unwrap_or_else(Precision::detect),
        optimizer,
        learning_rate: LearningRate {
            schedule: options.schedule.unwrap_or(Schedule::Rsqrt),
            peak: options.learning_rate.unwrap_or(peak),
            warm_up: options.warmup.unwrap_or(warm_up),
            steps,
            decay_steps: steps / 4,
        },
        weight_decay: options.weight_decay.unwrap_or(0.05),
        clip: options.clip.unwrap_or(1.0),
        z_loss: options.z_loss.unwrap_or(1e-4),
        mix: Mix::default(),
        rounded_steps: 0,
        recompute: false,
        resegment: 0,
        window_text: 0,
        seed: options.seed(),
    }
}

/// The settings of a resumed run: those that it was begun with, which options must not contradict; its end may be
/// moved.
fn continued(state: &State, options: &M2Options, checkpoint: &Path) -> Result<Settings> {
    let State { name, model, settings: begun, .. } = state;
    let mut compared = Comparison::default();
    compared.option("name", options.name.clone(), name.clone());
    let preset = options.preset.map(|preset| preset.config(model.vocabulary, model.context));
    compared.option("model", preset, model.clone());
    compared.option("batch", options.batch, begun.batch);
    compared.option("optimizer", options.optimizer, begun.optimizer);
    let LearningRate { schedule, peak, warm_up, .. } = begun.learning_rate;
    compared.option("schedule", options.schedule, schedule);
    compared.option("learning rate", options.learning_rate, peak);
    compared.option("warm-up", options.warmup, warm_up);
    compared.option("weight decay", options.weight_decay, begun.weight_decay);
    compared.option("clip", options.clip, begun.clip);
    compared.option("z-loss", options.z_loss, begun.z_loss);
    compared.option("precision", options.precision, begun.precision);
    compared.option("seed", options.seed, begun.seed);
    let learning_rate = compared.end(state, options.steps, None);
    compared.finish(checkpoint)?;
    Ok(Settings { workers: options.threads.unwrap_or(begun.workers), learning_rate, ..begun.clone() })
}

/// Weights of matrices: what the paper counts as parameters.
fn matrices(model: &ModelConfig) -> usize {
    model.tensors().iter().filter(|tensor| tensor.kind == TensorKind::Matrix).map(|tensor| tensor.len()).sum()
}
