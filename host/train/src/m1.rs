//! Training of M1, the byte language model: options and presets to a [`Run`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backend;
use super::backend::memory::{self, MemoryEstimate};
use super::checkpoint::{Checkpoint, Kind, State};
use super::cpu::matmul::Precision;
use super::data::{Mix, Source, Text, held_out};
use super::directory::{Directory, Latest, Recovery};
use super::graph::{ModelConfig, NgramTable, initial_parameters};
use super::grow::grow;
use super::integer_model::{self, FineTuning, IntegerModel};
use super::observer::{Event, Muted, Observer};
use super::optimizer::{LearningRate, OptimizerKind, Schedule};
use super::resume::Comparison;
use super::run::{RunControl, TrainingData, TrainingRun, described};
use super::settings::{Settings, cores};
use super::validation::Validation;
use crate::error::{Result, TrainError};
use crate::ranks::Ranks;
use equalinfo::corpus::Corpus;
use equalinfo::cuda;
use equalinfo::cuda::DeviceChoice;
use equalinfo::files::{self, DirectoryLock};
use equalinfo::quantize::dequantize;
use equalinfo_codec::m1::Model;
use equalinfo_codec::m1::ngrams::{MAX_ORDER, MAX_ROWS, MIN_ORDER};

/// Sizes of M1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// 0.06 M parameters and n-gram tables: microcontrollers with 256 KiB of flash.
    Pico,
    /// 0.12 M parameters and n-gram tables: microcontrollers with 512 KiB of flash.
    #[default]
    Nano,
    /// 0.64 M parameters: larger microcontrollers.
    Micro,
    /// 3.15 M parameters: the M1 of the paper.
    M3,
}

/// How M1 is trained; [`Default`] gives the values of preset nano.
///
/// Started by torchrun, srun or mpirun, every process is a rank on a GPU of its own: the rows of a step are dealt to them, and rank 0 writes the files.
#[derive(Debug, Clone)]
pub struct M1Options {
    /// Training text.
    pub corpus: Corpus,
    /// Held-out text for validation; `None`: every 100th document of the corpus.
    pub dev: Option<Corpus>,
    /// Directory of the run: checkpoints, `metrics.jsonl`, the quantized model; `None`: `runs/NAME`.
    pub output: Option<PathBuf>,
    /// Name of the model, of which the first 16 graphic ASCII characters count; `None`: the preset's.
    pub name: Option<String>,
    /// The size, which sets every other default; `None`: nano, or with `init` the size of the model that it names.
    pub preset: Option<Preset>,
    /// How many of the last symbols each n-gram table looks up, rising; `None`: [`ORDERS`], or with `init` alone the
    /// tables of the model that it names.
    pub ngrams: Option<Vec<usize>>,
    /// Rows of each table, or one number for all; none: what suits the preset.
    pub ngram_rows: Vec<usize>,
    /// A shipped model, an `.m1q` file or a checkpoint to start from instead of random weights.
    pub init: Option<String>,
    /// Continue the run in the output directory from its last checkpoint, to the same bits. The text must be the same,
    /// wherever it lies; other options are those of the run, and must say the same where they are given. What may
    /// change: device, threads and ranks, [`Self::control`], held-out text that is named, and `steps` and `decay_steps`
    /// before the learning rate falls.
    pub resume: bool,
    /// Steps of the optimizer.
    pub steps: Option<u64>,
    /// Sequences in a step.
    pub batch: Option<usize>,
    /// Bytes in a sequence.
    pub sequence: Option<usize>,
    /// Share of the sequences that are made of windows; the others slide, as method ac does.
    pub window_share: Option<f64>,
    /// Short messages, a document each; every tenth is held out.
    pub messages: Option<Corpus>,
    /// Share of the sequences that are made of messages; `None`: 0.02.
    pub message_share: Option<f64>,
    /// Share of the sequences of messages that are one context of many, a line each, as in a file of them; `None`: 0.5.
    pub joined_share: Option<f32>,
    /// Times that text is cut into windows with the current model.
    pub resegment: Option<u32>,
    /// What moves the parameters; `None`: AdamW.
    pub optimizer: Option<OptimizerKind>,
    /// How the learning rate moves; `None`: [`Schedule::Cosine`].
    pub schedule: Option<Schedule>,
    /// Peak learning rate.
    pub learning_rate: Option<f32>,
    /// Steps until the learning rate is at its peak.
    pub warmup: Option<u64>,
    /// Steps over which [`Schedule::Constant`] falls at the end; `None`: a quarter.
    pub decay_steps: Option<u64>,
    /// Last steps, which round weights and activations as the integer model does; `None`: `decay_steps`, or a third.
    pub rounded_steps: Option<u64>,
    /// Whether the integer model is exported at the end. Without it no step rounds.
    pub quantize: bool,
    /// Share of the sliding contexts whose text is laid out in another way: CR LF line ends, wrapped and indented lines.
    pub layout_share: Option<f32>,
    /// Decoupled weight decay of AdamW and Muon; `None`: 0.05.
    pub weight_decay: Option<f32>,
    /// Largest norm of the gradient; `None`: 1.
    pub clip: Option<f32>,
    /// Weight of the z-loss; `None`: 1e-4.
    pub z_loss: Option<f32>,
    /// Arithmetic; `None`: bf16 where the processor has a unit for it.
    pub precision: Option<Precision>,
    /// Decides initial weights and the order of the text; `None`: 1.
    pub seed: Option<u64>,
    /// When the run validates, saves and stops.
    pub control: RunControl,
    /// Where to train.
    pub device: DeviceChoice,
    /// Threads of the CPU, of which sums depend in their last bits; `None`: one a core, or those of the run that is
    /// resumed.
    pub threads: Option<usize>,
}

impl Default for M1Options {
    fn default() -> Self {
        Self {
            corpus: Corpus::default(),
            dev: None,
            output: None,
            name: None,
            preset: None,
            ngrams: None,
            ngram_rows: Vec::new(),
            init: None,
            resume: false,
            steps: None,
            batch: None,
            sequence: None,
            window_share: None,
            messages: None,
            message_share: None,
            joined_share: None,
            resegment: None,
            optimizer: None,
            schedule: None,
            learning_rate: None,
            warmup: None,
            decay_steps: None,
            rounded_steps: None,
            quantize: true,
            layout_share: None,
            weight_decay: None,
            clip: None,
            z_loss: None,
            precision: None,
            seed: None,
            control: RunControl::default(),
            device: DeviceChoice::Auto,
            threads: None,
        }
    }
}

/// What a preset sets where the user sets nothing.
struct Defaults {
    steps: u64,
    batch: usize,
    sequence: usize,
    learning_rate: f32,
}

impl Preset {
    /// All of them, by size.
    pub const ALL: [Self; 4] = [Self::Pico, Self::Nano, Self::Micro, Self::M3];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pico => "pico",
            Self::Nano => "nano",
            Self::Micro => "micro",
            Self::M3 => "3m",
        }
    }

    fn config(self) -> ModelConfig {
        ModelConfig::preset(self.name()).expect("every preset has sizes")
    }

    /// Rows of each n-gram table: as many as fit the flash that the preset is meant for.
    fn ngram_rows(self) -> usize {
        match self {
            Self::Pico => 928,
            Self::Nano => 1936,
            Self::Micro => 4064,
            Self::M3 => 7000,
        }
    }

    fn defaults(self) -> Defaults {
        let (steps, batch, learning_rate) = match self {
            Self::Pico | Self::Nano => (60_000, 32, 8e-3),
            Self::Micro => (60_000, 32, 6e-3),
            Self::M3 => (60_000, 32, 3e-3),
        };
        Defaults { steps, batch, sequence: 512, learning_rate }
    }
}

impl M1Options {
    fn preset(&self) -> Preset {
        self.preset.unwrap_or(Preset::Nano)
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }

    /// Whether a trained model is adapted to a domain, at its size.
    pub fn adapts(&self) -> bool {
        self.init.is_some() && self.preset.is_none()
    }
}

/// Orders of n-gram tables unless others are named.
pub const ORDERS: [usize; 3] = [2, 3, 4];
/// Characters of a name that an image has room for.
pub const LONGEST_NAME: usize = 16;
/// Steps that adapt a trained model to a domain.
const ADAPTATION_STEPS: u64 = 600;
/// Peak learning rate of an adaptation, relative to the preset's.
const ADAPTATION_RATE: f32 = 0.25;
/// Peak learning rate of Adafactor, whose steps are relative to the parameters: the paper's.
const ADAFACTOR_RATE: f32 = 0.01;

/// A training run of M1, loaded and ready.
///
/// ```
/// use equalinfo::corpus::{Corpus, CorpusOptions};
/// use equalinfo_train::m1::{M1Options, Preset, Run};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let text = folder.path().join("text.txt");
/// std::fs::write(&text, "the quick brown fox jumps over the lazy dog\n".repeat(100))?;
/// let corpus = Corpus::new(&[text.display().to_string()], CorpusOptions { lines: true, ..Default::default() })?;
/// let output = Some(folder.path().join("run"));
/// let (steps, batch, sequence) = (Some(4), Some(2), Some(128));
/// let preset = Some(Preset::Nano);
/// let mut run = Run::new(M1Options { corpus, output, preset, steps, batch, sequence, ..Default::default() })?;
/// let trained = run.train(&mut ())?;
/// assert_eq!((trained.complete, run.step()), (true, 4));
/// let integer = trained.integer.expect("a complete run exports an integer model");
/// assert!(integer.integer < 8.5, "{} bits per byte after 4 steps", integer.integer);
/// # Ok(())
/// # }
/// ```
pub struct Run {
    run: TrainingRun,
    directory: Directory,
    control: RunControl,
    recovery: Option<Recovery>,
    _lock: Option<DirectoryLock>,
    /// Held-out text, which both models are measured on at the end.
    dev: Text,
    quantize: bool,
    description: String,
}

/// How a call of [`Run::train`] ended.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Whether the last step was done; otherwise the run was stopped and can be resumed.
    pub complete: bool,
    /// The integer model, at the end of a complete run whose options ask for it.
    pub integer: Option<IntegerModel>,
}

impl Run {
    /// Reads text and weights, and opens the device. Waits for the other ranks if a launcher started this process as one of several.
    ///
    /// # Errors
    /// Options that contradict each other, text or a checkpoint that cannot be read, a device or a rank that fails.
    pub fn new(options: M1Options) -> Result<Self> {
        Self::as_rank(&options, Ranks::from_environment(&mut |_| ())?)
    }

    /// The same as one of some ranks, which all call this with the same options.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn as_rank(options: &M1Options, ranks: Ranks) -> Result<Self> {
        let ranks = Arc::new(ranks);
        let place = cuda::choose(options.device, ranks.local())?;
        ranks.agree("device", &place.is_gpu())?;
        let initial = options.init.as_deref().map(|init| starting_point(init, options)).transpose()?;
        let name = model_name(options);
        let (directory, lock) = Directory::make(options.output.as_deref(), &name, LONGEST_NAME, &ranks)?;
        let (resumed, recovery) = match directory.resumed(options.resume, Kind::M1, &name)? {
            Some(Latest { checkpoint, recovery }) => (Some(checkpoint), recovery),
            None => (None, None),
        };
        ranks.agree("checkpoint", &resumed.as_ref().map(|checkpoint| checkpoint.state.step))?;
        let (name, model) = match (&resumed, &initial) {
            (Some(checkpoint), _) => (checkpoint.state.name.clone(), checkpoint.state.model.clone()),
            (None, Some(start)) => (name, start.model.clone()),
            (None, None) => (name, with_tables(options.preset().config(), options)?),
        };
        let mut settings = match &resumed {
            Some(checkpoint) => continued(&checkpoint.state, options, &directory.checkpoint())?,
            None => settings(options),
        };
        settings.check()?;
        settings.has_room_for(options.warmup)?;
        model.check()?;
        check(&settings, &model)?;
        let estimate = MemoryEstimate::new(&model, settings.optimizer, settings.recompute, ranks.count());
        settings.micro_batch = memory::micro_batch(&place, &estimate, settings.rank_batch(&ranks)?, settings.sequence)?;
        settings.agree(&ranks)?;

        let text = Text::read(&options.corpus)?;
        let (dev, text) = held_out(options.dev.as_ref(), text)?;
        let messages = messages(options.messages.as_ref())?;
        let source = Source { text, messages, windows: Vec::new(), mix: settings.mix, seed: settings.seed };
        let description = format!(
            ": {} parameters, context {}, on {}; {:.1} MB of text, {} steps of {} bytes",
            model.parameters(),
            model.context,
            described(&place, &settings, &ranks),
            source.text.bytes.len() as f64 / 1e6,
            settings.learning_rate.steps,
            settings.batch * settings.sequence
        );
        let parameters =
            initial.map(|start| start.parameters).unwrap_or_else(|| initial_parameters(&model, settings.seed));
        let backend = backend::open(place, &model, &settings, parameters, &ranks)?;
        let validation = Validation::of_text(&dev, &model, &settings);
        let data = TrainingData::Text(source);
        let mut run = TrainingRun::new(&name, model, settings, data, validation, backend, ranks);
        run.ranks.agree("text", run.origin())?;
        if let Some(checkpoint) = resumed {
            run.restore(checkpoint, &directory)?;
        }
        if recovery.is_some() && run.ranks.is_first() {
            directory.put_aside()?;
        }
        let (control, quantize) = (options.control, options.quantize);
        Ok(Self { run, directory, control, recovery, _lock: lock, dev, quantize, description })
    }

    /// Steps done so far.
    pub fn step(&self) -> u64 {
        self.run.step()
    }

    /// The run's checkpoint, which [`Self::train`] writes.
    pub fn checkpoint(&self) -> PathBuf {
        self.directory.checkpoint()
    }

    /// Trains until the last step, until the time is up or until the observer asks to stop, and exports the integer model at the end.
    ///
    /// # Errors
    /// The loss is no longer a number, a file cannot be written, or a device or another rank fails.
    pub fn train(&mut self, observer: &mut dyn Observer) -> Result<Trained> {
        let Self { run, directory, control, recovery, dev, quantize, description, .. } = self;
        let is_first = run.ranks.is_first();
        let mut muted = Muted(observer);
        let observer: &mut dyn Observer = if is_first { &mut *muted.0 } else { &mut muted };
        let name = run.name.clone();
        let (step, steps) = (run.step(), run.settings.learning_rate.steps);
        observer.event(&Event::Started { name: &name, description, step, steps });
        if let Some(recovery) = recovery.take() {
            observer.event(&Event::Recovered(&recovery));
        }
        let complete = run.train(directory, control, observer)?;
        observer.event(&Event::Ended { complete, step: run.step(), checkpoint: &directory.checkpoint() });
        if !complete || !*quantize {
            return Ok(Trained { complete, integer: None });
        }
        let path = directory.image(&name);
        let tuning = FineTuning { steps: 0, learning_rate: 0.0 };
        let model = integer_model::export(run, &name, tuning, dev, observer)?;
        if is_first {
            files::write(&path, &model.image)?;
            observer.event(&Event::Exported { path: &path, model: &model });
        }
        Ok(Trained { complete, integer: Some(model) })
    }
}

/// What the user calls the model, else the preset's name.
fn model_name(options: &M1Options) -> String {
    options.name.clone().unwrap_or_else(|| options.preset().name().to_owned())
}

/// Weights to start from.
struct StartingPoint {
    model: ModelConfig,
    parameters: Vec<f32>,
}

/// The weights that `init` names, grown to the preset where one is given.
fn starting_point(init: &str, options: &M1Options) -> Result<StartingPoint> {
    let start = trained(init)?;
    let model = match options.preset {
        Some(preset) => with_tables(preset.config(), options)?,
        None if options.ngrams.is_some() => with_tables(start.model.clone(), options)?,
        None => return Ok(start),
    };
    Ok(StartingPoint { parameters: grow(&start.model, &start.parameters, &model, options.seed())?, model })
}

/// A model with the n-gram tables that are asked for, or those of the preset.
fn with_tables(model: ModelConfig, options: &M1Options) -> Result<ModelConfig> {
    let orders = options.ngrams.as_deref().unwrap_or(&ORDERS);
    if !orders.is_sorted_by(|a, b| a < b) || !orders.iter().all(|order| (MIN_ORDER..=MAX_ORDER).contains(order)) {
        return Err(TrainError::TableOrders { orders: orders.to_vec() });
    }
    let rows = match options.ngram_rows.as_slice() {
        [] => vec![options.preset().ngram_rows(); orders.len()],
        [rows] => vec![*rows; orders.len()],
        rows => rows.to_vec(),
    };
    if rows.len() != orders.len() || !rows.iter().all(|rows| (1..=MAX_ROWS).contains(rows)) {
        return Err(TrainError::TableRows { rows, orders: orders.to_vec() });
    }
    let ngrams = orders.iter().zip(rows).map(|(&order, rows)| NgramTable { order, rows }).collect();
    Ok(ModelConfig { ngrams, ..model })
}

/// A checkpoint, or the float model that an image stands for: a shipped one by name, or an `.m1q` file.
fn trained(init: &str) -> Result<StartingPoint> {
    if init.ends_with(".safetensors") {
        let checkpoint = Checkpoint::load_of(Path::new(init), Kind::M1)?;
        return Ok(StartingPoint { model: checkpoint.state.model, parameters: checkpoint.training.parameters });
    }
    let image = equalinfo::store::named(init)?;
    let float = dequantize(&Model::load(image.bytes()).map_err(TrainError::library)?);
    let model = ModelConfig {
        layers: float.config.layers,
        heads: float.config.heads,
        feed_forward: float.config.ff,
        context: float.config.context,
        vocabulary: 256,
        ngrams: (float.ngrams.iter())
            .map(|table| NgramTable { order: table.order, rows: table.values.len() / float.config.d })
            .collect(),
    };
    Ok(StartingPoint { parameters: integer_model::parameters(&float), model })
}

/// The held-out tenth stays out of training, so that tables of messages can be made of it.
fn messages(messages: Option<&Corpus>) -> Result<Text> {
    messages.map_or_else(|| Ok(Text::default()), |messages| Ok(Text::read(messages)?.hold_out(10).1))
}

/// Steps of the warm-up at most, unless their number is given.
fn longest_warm_up(optimizer: OptimizerKind) -> u64 {
    if optimizer == OptimizerKind::Adafactor { 10_000 } else { 300 }
}

fn settings(options: &M1Options) -> Settings {
    let adaptation = options.adapts();
    let defaults = options.preset().defaults();
    let optimizer = options.optimizer.unwrap_or(OptimizerKind::Adamw);
    let schedule = options.schedule.unwrap_or(Schedule::Cosine);
    let steps = options.steps.unwrap_or(if adaptation { ADAPTATION_STEPS } else { defaults.steps });
    let sequence = options.sequence.unwrap_or(defaults.sequence);
    let peak = options.learning_rate.unwrap_or(match (optimizer, adaptation) {
        (OptimizerKind::Adafactor, _) => ADAFACTOR_RATE,
        (OptimizerKind::Adamw | OptimizerKind::Muon, true) => ADAPTATION_RATE * defaults.learning_rate,
        (OptimizerKind::Adamw | OptimizerKind::Muon, false) => defaults.learning_rate,
    });
    let windows = options.window_share.unwrap_or(if adaptation { 0.1 } else { 0.25 });
    let has_messages = options.messages.is_some();
    let messages = if has_messages { options.message_share.unwrap_or(0.02) } else { 0.0 };
    let batch = options.batch.unwrap_or(defaults.batch);
    let seen = steps as f64 * (batch as f64 * sequence as f64);
    let decay_steps = options.decay_steps.unwrap_or(steps / 4);
    let rounded_steps = if schedule == Schedule::Constant { decay_steps } else { steps / 3 };
    Settings {
        batch,
        sequence,
        micro_batch: sequence,
        workers: options.threads.unwrap_or_else(cores),
        precision: options.precision.unwrap_or_else(Precision::detect),
        optimizer,
        learning_rate: LearningRate {
            schedule,
            peak,
            warm_up: options.warmup.unwrap_or((steps / 20).min(longest_warm_up(optimizer))),
            steps,
            decay_steps,
        },
        weight_decay: options.weight_decay.unwrap_or(0.05),
        clip: options.clip.unwrap_or(1.0),
        z_loss: options.z_loss.unwrap_or(1e-4),
        mix: Mix {
            windows: windows as f32,
            messages: messages as f32,
            layouts: options.layout_share.unwrap_or(if adaptation { 0.0 } else { 0.1 }),
            joined: if has_messages { options.joined_share.unwrap_or(0.5) } else { 0.0 },
        },
        rounded_steps: if options.quantize { options.rounded_steps.unwrap_or(rounded_steps) } else { 0 },
        recompute: false,
        resegment: options.resegment.unwrap_or(if adaptation { 1 } else { 3 }),
        window_text: WINDOW_TEXT.min((windows * seen) as usize),
        seed: options.seed(),
    }
}

/// Text that is cut into windows each time, in bytes: as much as training makes of windows, so that short runs aren't spent on cutting, and this at most.
const WINDOW_TEXT: usize = 16_000_000;

/// The settings of a resumed run: those that it was begun with, which options must not contradict; its end may be
/// moved.
fn continued(state: &State, options: &M1Options, checkpoint: &Path) -> Result<Settings> {
    let State { name, model, settings: begun, .. } = state;
    let mut compared = Comparison::default();
    compared.option("name", options.name.as_ref().map(|_| model_name(options)), name.clone());
    if let Some(preset) = options.preset {
        compared.option("model", Some(preset.config()), ModelConfig { ngrams: Vec::new(), ..model.clone() });
    }
    compared.option("orders of n-gram tables", options.ngrams.clone(), model.ngrams.iter().map(|t| t.order).collect());
    let rows: Vec<usize> = model.ngrams.iter().map(|table| table.rows).collect();
    let asked = match options.ngram_rows.as_slice() {
        [] => None,
        [all] => Some(vec![*all; rows.len()]),
        each => Some(each.to_vec()),
    };
    compared.option("rows of n-gram tables", asked, rows);
    compared.option("batch", options.batch, begun.batch);
    compared.option("sequence", options.sequence, begun.sequence);
    compared.option("share of windows", options.window_share.map(|share| share as f32), begun.mix.windows);
    if options.messages.is_some() {
        compared.option("share of messages", options.message_share.map(|share| share as f32), begun.mix.messages);
        compared.option("share of joined messages", options.joined_share, begun.mix.joined);
    }
    compared.option("share of layouts", options.layout_share, begun.mix.layouts);
    compared.option("cuts into windows", options.resegment, begun.resegment);
    compared.option("optimizer", options.optimizer, begun.optimizer);
    let LearningRate { schedule, peak, warm_up, .. } = begun.learning_rate;
    compared.option("schedule", options.schedule, schedule);
    compared.option("learning rate", options.learning_rate, peak);
    compared.option("warm-up", options.warmup, warm_up);
    compared.option("rounded steps", options.rounded_steps, begun.rounded_steps);
    compared.option("rounded steps", (!options.quantize).then_some(0), begun.rounded_steps);
    compared.option("weight decay", options.weight_decay, begun.weight_decay);
    compared.option("clip", options.clip, begun.clip);
    compared.option("z-loss", options.z_loss, begun.z_loss);
    compared.option("precision", options.precision, begun.precision);
    compared.option("seed", options.seed, begun.seed);
    let learning_rate = compared.end(state, options.steps, options.decay_steps);
    compared.finish(checkpoint)?;
    let mut settings = Settings { workers: options.threads.unwrap_or(begun.workers), learning_rate, ..begun.clone() };
    // The default goes with the decay, a number that was given stays.
    if begun.rounded_steps > 0 && begun.rounded_steps == begun.learning_rate.decay_steps {
        settings.rounded_steps = learning_rate.decay_steps;
    }
    Ok(settings)
}

fn check(settings: &Settings, model: &ModelConfig) -> Result<()> {
    let Settings { sequence, learning_rate, mix, .. } = *settings;
    if sequence < 2 * model.context.min(64) {
        return Err(TrainError::ShortSequence { sequence, context: model.context });
    }
    if !(0.0..=1.0).contains(&(mix.windows + mix.messages)) {
        return Err(TrainError::Shares);
    }
    if learning_rate.schedule == Schedule::Constant && learning_rate.decay_steps > learning_rate.steps {
        return Err(TrainError::LongDecay);
    }
    Ok(())
}
