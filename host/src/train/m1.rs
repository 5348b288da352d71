//! `equalinfo train m1`: options and presets to a run.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use super::backend::{self, MemoryEstimate};
use super::checkpoint::Checkpoint;
use super::cpu::matmul::Precision;
use super::data::{Mix, Source, Text, held_out};
use super::grow::grow;
use super::model::{ModelConfig, initial_parameters};
use super::optimizer::{LearningRate, OptimizerKind, Schedule};
use super::quantize::{self, FineTuning};
use super::run::{Conduct, Directory, Material, Run, Settings, Validation};
use crate::cli::interrupt;
use crate::cli::train::{M1Arguments, Preset};
use crate::corpus::{Corpus, CorpusOptions};
use crate::cuda::{self, Place};
use crate::quantize::dequantize;
use crate::ranks::Ranks;
use equalinfo_codec::m1::Model;

/// What a preset sets where the user sets nothing.
struct Defaults {
    steps: u64,
    batch: usize,
    sequence: usize,
    learning_rate: f32,
}

impl Preset {
    fn name(self) -> &'static str {
        match self {
            Self::Nano => "nano",
            Self::Micro => "micro",
            Self::M3 => "3m",
        }
    }

    fn config(self) -> ModelConfig {
        ModelConfig::preset(self.name()).expect("every preset has sizes")
    }

    fn defaults(self) -> Defaults {
        let (steps, batch, learning_rate) = match self {
            Self::Nano => (60_000, 32, 8e-3),
            Self::Micro => (60_000, 32, 6e-3),
            Self::M3 => (60_000, 32, 3e-3),
        };
        Defaults { steps, batch, sequence: 512, learning_rate }
    }
}

impl M1Arguments {
    fn preset(&self) -> Preset {
        self.preset.unwrap_or(Preset::Nano)
    }

    /// Whether a trained model is adapted to a domain, at its size.
    fn adapts(&self) -> bool {
        self.init.is_some() && self.preset.is_none()
    }
}

/// Characters of a name that an image has room for.
const LONGEST_NAME: usize = 16;
/// Steps that adapt a trained model to a domain.
const ADAPTATION_STEPS: u64 = 600;
/// Peak learning rate of an adaptation, relative to the preset's.
const ADAPTATION_RATE: f32 = 0.25;
/// Peak learning rate of Adafactor, whose steps are relative to the parameters: the paper's.
const ADAFACTOR_RATE: f32 = 0.01;

/// Runs the command.
pub fn run(arguments: &M1Arguments) -> Result<()> {
    let ranks = Arc::new(Ranks::from_environment()?);
    let place = cuda::choose(arguments.device, ranks.local())?;
    ranks.agree("device", &place.is_gpu())?;
    let initial = arguments.init.as_deref().map(|init| starting_point(init, arguments)).transpose()?;
    let name = model_name(arguments);
    let directory = Directory(arguments.output.clone().unwrap_or_else(|| Path::new("runs").join(&name)));
    std::fs::create_dir_all(&directory.0)
        .with_context(|| format!("cannot make the run's directory {}", directory.0.display()))?;
    let resumed = resumed(arguments.resume, &directory)?;
    let (name, model) = match (&resumed, &initial) {
        (Some(checkpoint), _) => (checkpoint.state.name.clone(), checkpoint.state.model.clone()),
        (None, Some(start)) => (name, start.model.clone()),
        (None, None) => (name, arguments.preset().config()),
    };
    let mut settings = match &resumed {
        Some(checkpoint) => extended(checkpoint.state.settings.clone(), arguments),
        None => settings(arguments),
    };
    let estimate = MemoryEstimate::new(&model, settings.optimizer, settings.recompute, ranks.count());
    settings.micro_batch = backend::micro_batch(&place, &estimate, settings.rank_batch(&ranks)?, settings.sequence)?;
    check(&settings, &model)?;
    settings.agree(&ranks)?;

    let text = Text::read(&arguments.reading.corpus(&arguments.corpus)?)?;
    let (dev, text) = held_out(&arguments.dev, &arguments.reading, text)?;
    let messages = messages(&arguments.messages)?;
    let source = Source { text, messages, windows: Vec::new(), mix: settings.mix, seed: settings.seed };
    let quiet = arguments.verbosity.quiet || !ranks.is_first();
    if !quiet {
        eprintln!(
            "{name}: {} parameters, context {}, on {}; {:.1} MB of text, {} steps of {} bytes",
            model.parameters(),
            model.context,
            described(&place, &settings, &ranks),
            source.text.bytes.len() as f64 / 1e6,
            settings.learning_rate.steps,
            settings.batch * settings.sequence
        );
    }
    let parameters = initial.map(|start| start.parameters).unwrap_or_else(|| initial_parameters(&model, settings.seed));
    let backend = backend::open(place, &model, &settings, parameters, &ranks)?;
    let validation = Validation::of_text(&dev, &model, &settings);
    let mut run = Run::new(&name, model, settings, Material::Text(source), validation, backend, ranks);
    if let Some(checkpoint) = resumed {
        run.restore(checkpoint, &directory)?;
    }
    let conduct = Conduct {
        validate_every: arguments.validate_every,
        save_every: arguments.save_every,
        minutes: arguments.minutes,
        quiet,
    };
    interrupt::make_graceful();
    let complete = run.train(&directory, &conduct, interrupt::requested)?;
    if !quiet {
        let state = if complete { "trained" } else { "stopped; --resume continues it" };
        eprintln!("{name}: {state}, step {}, checkpoint {}", run.step(), directory.checkpoint().display());
    }
    if complete && !arguments.no_quantize {
        let path = directory.0.join(format!("{name}.m1q"));
        let tuning = FineTuning { steps: 0, learning_rate: 0.0 };
        quantize::export_to(&mut run, &name, tuning, &dev, &path, true, quiet)?;
        if !quiet {
            eprintln!("use it: equalinfo compress --model {} FILE", path.display());
        }
    }
    Ok(())
}

/// Where a run computes, for its first line.
pub(super) fn described(place: &Place, settings: &Settings, ranks: &Ranks) -> String {
    let ranks = if ranks.is_launched() { format!(", {} ranks", ranks.count()) } else { String::new() };
    match place {
        Place::Cpu(_) => format!("{place}, {:?} products, {} threads{ranks}", settings.precision, settings.workers),
        Place::Cuda(_) => format!("{place}{ranks}"),
    }
}

/// What the user calls the model, else the preset's name, or that of the corpus that a shipped model is adapted to.
fn model_name(arguments: &M1Arguments) -> String {
    let stem = arguments.corpus.first().and_then(|path| Path::new(path).file_name()).map(|name| name.to_string_lossy());
    let preset = arguments.preset().name().to_owned();
    let name = match (&arguments.name, stem) {
        (Some(name), _) => name.clone(),
        (None, Some(stem)) if arguments.adapts() => stem.split('.').next().unwrap_or_default().to_owned(),
        _ => preset.clone(),
    };
    let graphic: String = name.chars().filter(char::is_ascii_graphic).take(LONGEST_NAME).collect();
    if graphic.is_empty() { preset } else { graphic }
}

/// The checkpoint to continue from. A directory with a checkpoint is never overwritten by accident.
pub(super) fn resumed(resume: bool, directory: &Directory) -> Result<Option<Checkpoint>> {
    let path = directory.checkpoint();
    match (resume, path.exists()) {
        (true, true) => Checkpoint::load(&path).map(Some),
        (true, false) => bail!("--resume: there is no {}", path.display()),
        (false, true) => bail!("{} exists: continue it with --resume or choose another --output", path.display()),
        (false, false) => Ok(None),
    }
}

/// Weights to start from.
struct StartingPoint {
    model: ModelConfig,
    parameters: Vec<f32>,
}

/// The weights that `--init` names, grown to `--preset` where that is given.
fn starting_point(init: &str, arguments: &M1Arguments) -> Result<StartingPoint> {
    let start = trained(init)?;
    let Some(model) = arguments.preset.map(Preset::config) else { return Ok(start) };
    Ok(StartingPoint { parameters: grow(&start.model, &start.parameters, &model, arguments.seed)?, model })
}

/// A checkpoint, or the float model that an image stands for: a shipped one by name, or an `.m1q` file.
fn trained(init: &str) -> Result<StartingPoint> {
    if init.ends_with(".safetensors") {
        let checkpoint = Checkpoint::load(Path::new(init))?;
        return Ok(StartingPoint { model: checkpoint.state.model, parameters: checkpoint.training.parameters });
    }
    let image = crate::model::LoadedModel::m1(Some(init))?;
    let float = dequantize(&Model::load(image.image())?);
    let model = ModelConfig {
        layers: float.config.layers,
        heads: float.config.heads,
        feed_forward: float.config.ff,
        context: float.config.context,
        vocabulary: 256,
    };
    Ok(StartingPoint { parameters: quantize::parameters(&float), model })
}

fn messages(paths: &[String]) -> Result<Text> {
    if paths.is_empty() {
        return Ok(Text::default());
    }
    // The held-out tenth stays out of training, so that tables of messages can be made of it.
    Ok(Text::read(&Corpus::new(paths, CorpusOptions { lines: true, ..CorpusOptions::default() })?)?.hold_out(10).1)
}

fn settings(arguments: &M1Arguments) -> Settings {
    let adaptation = arguments.adapts();
    let defaults = arguments.preset().defaults();
    let steps = arguments.steps.unwrap_or(if adaptation { ADAPTATION_STEPS } else { defaults.steps });
    let sequence = arguments.sequence.unwrap_or(defaults.sequence);
    let peak = arguments.learning_rate.unwrap_or(match (arguments.optimizer, adaptation) {
        (OptimizerKind::Adafactor, _) => ADAFACTOR_RATE,
        (OptimizerKind::Adamw, true) => ADAPTATION_RATE * defaults.learning_rate,
        (OptimizerKind::Adamw, false) => defaults.learning_rate,
    });
    let windows = arguments.window_share.unwrap_or(if adaptation { 0.1 } else { 0.25 });
    let messages = if arguments.messages.is_empty() { 0.0 } else { arguments.message_share };
    let batch = arguments.batch.unwrap_or(defaults.batch);
    let seen = steps as f64 * (batch * sequence) as f64;
    let decay_steps = arguments.decay_steps.unwrap_or(steps / 4);
    let rounded_steps = if arguments.schedule == Schedule::Constant { decay_steps } else { steps / 3 };
    Settings {
        batch,
        sequence,
        micro_batch: sequence,
        workers: arguments.threads.count(),
        precision: arguments.precision.unwrap_or_else(Precision::detect),
        optimizer: arguments.optimizer,
        learning_rate: LearningRate {
            schedule: arguments.schedule,
            peak,
            warm_up: arguments.warmup.unwrap_or(steps / 20).min(if arguments.optimizer == OptimizerKind::Adafactor {
                10_000
            } else {
                300
            }),
            steps,
            decay_steps,
        },
        weight_decay: arguments.weight_decay,
        clip: arguments.clip,
        z_loss: arguments.z_loss,
        mix: Mix {
            windows: windows as f32,
            messages: messages as f32,
            layouts: arguments.layout_share.unwrap_or(if adaptation { 0.0 } else { 0.1 }),
        },
        rounded_steps: if arguments.no_quantize { 0 } else { arguments.rounded_steps.unwrap_or(rounded_steps) },
        recompute: false,
        resegment: arguments.resegment.unwrap_or(if adaptation { 1 } else { 3 }),
        window_text: WINDOW_TEXT.min((windows * seen) as usize),
        seed: arguments.seed,
    }
}

/// Text that is cut into windows each time, in bytes: as much as training makes of windows, so that short runs aren't spent on cutting, and this at most.
const WINDOW_TEXT: usize = 16_000_000;

/// A resumed run keeps its settings; its end may be moved.
fn extended(mut settings: Settings, arguments: &M1Arguments) -> Settings {
    if let Some(steps) = arguments.steps {
        settings.learning_rate.steps = steps;
    }
    if let Some(decay_steps) = arguments.decay_steps {
        settings.learning_rate.decay_steps = decay_steps;
        if settings.rounded_steps > 0 {
            settings.rounded_steps = decay_steps;
        }
    }
    settings
}

fn check(settings: &Settings, model: &ModelConfig) -> Result<()> {
    ensure!(settings.batch > 0 && settings.learning_rate.steps > 0, "--batch and --steps must be at least 1");
    ensure!(
        settings.sequence >= 2 * model.context.min(64),
        "--sequence {} is too short for a context of {}",
        settings.sequence,
        model.context
    );
    ensure!(
        (0.0..=1.0).contains(&(settings.mix.windows + settings.mix.messages)),
        "--window-share and --message-share add up to more than 1"
    );
    if settings.learning_rate.schedule == Schedule::Constant {
        ensure!(
            settings.learning_rate.decay_steps <= settings.learning_rate.steps,
            "--decay-steps is larger than --steps"
        );
    }
    Ok(())
}
