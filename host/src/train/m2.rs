//! `equalinfo train m2` and `eval m2`: the model of tokens, its presets, and how it is measured.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::backend::{self, Backend, MemoryEstimate};
use super::checkpoint::Checkpoint;
use super::cpu::matmul::Precision;
use super::data::Mix;
use super::model::{ModelConfig, TensorKind, initial_parameters};
use super::optimizer::{LearningRate, OptimizerKind};
use super::run::{Conduct, Directory, Material, Run, Settings};
use super::tokens::TokenRows;
use crate::cli::interrupt;
use crate::cli::m2::{EvalArguments, Preset, TrainArguments};
use crate::cuda;
use crate::ranks::Ranks;
use crate::tokenize::method::Method;
use crate::tokenize::shards::Manifest;

impl Preset {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
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
            Self::M25 => (6, 8, 2048),
            Self::M113 => (12, 12, 3072),
            Self::M403 => (24, 16, 4096),
            Self::B2 => (24, 32, 8192),
        };
        ModelConfig { layers, heads, feed_forward, context: sequence, vocabulary }
    }

    /// Peak learning rate of AdamW.
    fn adamw_rate(self) -> f32 {
        match self {
            Self::Tiny => 3e-3,
            Self::M25 => 1e-3,
            Self::M113 => 6e-4,
            Self::M403 => 3e-4,
            Self::B2 => 2e-4,
        }
    }
}

/// The paper's peak learning rate, which its schedule holds for [`ADAFACTOR_WARM_UP`] steps.
const ADAFACTOR_RATE: f32 = 0.01;
/// The paper's warm-up.
const ADAFACTOR_WARM_UP: u64 = 10_000;
/// Rows of a validation: the paper's 20 batches.
const VALIDATION_BATCHES: usize = 20;

/// Runs `train m2`.
///
/// # Errors
/// The tokens or the checkpoint cannot be read, or a device fails.
pub fn train(arguments: &TrainArguments) -> Result<()> {
    let ranks = Arc::new(Ranks::from_environment()?);
    let rows = TokenRows::open(&arguments.data, arguments.seed)?;
    let tokens = &rows.manifest().settings;
    let name = arguments.name.clone().unwrap_or_else(|| arguments.preset.name().to_owned());
    let directory = Directory(arguments.output.clone().unwrap_or_else(|| Path::new("runs").join(&name)));
    std::fs::create_dir_all(&directory.0)
        .with_context(|| format!("cannot make the run's directory {}", directory.0.display()))?;
    let resumed = super::m1::resumed(arguments.resume, &directory)?;
    let model = match &resumed {
        Some(checkpoint) => checkpoint.state.model.clone(),
        None => arguments.preset.config(tokens.vocabulary, tokens.sequence),
    };
    ensure!(
        (model.vocabulary, model.context) == (tokens.vocabulary, tokens.sequence),
        "{}: {} tokens in rows of {}, but the checkpoint is of a model of {} and {}",
        arguments.data.display(),
        tokens.vocabulary,
        tokens.sequence,
        model.vocabulary,
        model.context
    );
    let place = cuda::choose(arguments.device, ranks.local())?;
    let mut settings = match &resumed {
        Some(checkpoint) => {
            let mut settings = checkpoint.state.settings.clone();
            settings.learning_rate.steps = arguments.steps.unwrap_or(settings.learning_rate.steps);
            settings
        }
        None => settings(arguments, tokens.sequence),
    };
    settings.recompute = arguments.recompute;
    ranks.agree("device", &place.is_gpu())?;
    settings.agree(&ranks)?;
    ranks.agree("tokens", &rows.manifest().sha256())?;
    let estimate = MemoryEstimate::new(&model, settings.optimizer, settings.recompute, ranks.count());
    settings.micro_batch = backend::micro_batch(&place, &estimate, settings.rank_batch(&ranks)?, settings.sequence)?;
    let held_out = match &arguments.dev {
        Some(directory) => TokenRows::open(directory, 0)?,
        None => TokenRows::open(&arguments.data, 0)?,
    };
    ensure!(
        same_tokens(rows.manifest(), held_out.manifest()),
        "--dev: tokens of {} in rows of {}, but --data has {} in rows of {}",
        held_out.manifest().settings.name,
        held_out.manifest().settings.sequence,
        tokens.name,
        tokens.sequence
    );
    let validation_rows = VALIDATION_BATCHES * settings.batch;
    let validation =
        held_out.validation(validation_rows, settings.micro_batch.max(model.context), model.start_symbol())?;
    let quiet = arguments.verbosity.quiet || !ranks.is_first();
    if !quiet {
        eprintln!(
            "{name} on {}: {} parameters, {} of them not in the embedding, on {}; {} rows of {} tokens, {} steps of {} tokens",
            tokens.name,
            model.parameters(),
            matrices(&model),
            super::m1::described(&place, &settings, &ranks),
            rows.manifest().rows(),
            tokens.sequence,
            settings.learning_rate.steps,
            settings.batch * settings.sequence
        );
        if arguments.dev.is_none() {
            eprintln!("no --dev: validation is on tokens that training sees as well");
        }
    }
    let parameters = initial(&model, settings.seed);
    let backend = backend::open(place, &model, &settings, parameters, &ranks)?;
    let mut run = Run::new(&name, model, settings, Material::Tokens(Box::new(rows)), validation, backend, ranks);
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
    Ok(())
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

fn settings(arguments: &TrainArguments, sequence: usize) -> Settings {
    let steps = arguments.steps.unwrap_or(200_000);
    let (peak, warm_up) = match arguments.optimizer {
        OptimizerKind::Adafactor => (ADAFACTOR_RATE, ADAFACTOR_WARM_UP),
        OptimizerKind::Adamw => (arguments.preset.adamw_rate(), (steps / 20).min(2000)),
    };
    Settings {
        batch: arguments.batch,
        sequence,
        micro_batch: sequence,
        workers: arguments.threads.count(),
        precision: Precision::detect(),
        optimizer: arguments.optimizer,
        learning_rate: LearningRate {
            schedule: arguments.schedule,
            peak: arguments.learning_rate.unwrap_or(peak),
            warm_up: arguments.warmup.unwrap_or(warm_up),
            steps,
            decay_steps: steps / 4,
        },
        weight_decay: arguments.weight_decay,
        clip: arguments.clip,
        z_loss: arguments.z_loss,
        mix: Mix::default(),
        rounded_steps: 0,
        recompute: false,
        resegment: 0,
        window_text: 0,
        seed: arguments.seed,
    }
}

/// Whether ids mean the same in both, and rows are of one length.
fn same_tokens(a: &Manifest, b: &Manifest) -> bool {
    let meaning = |manifest: &Manifest| {
        let settings = &manifest.settings;
        (settings.method.clone(), settings.model_id.clone(), settings.context, settings.sequence)
    };
    meaning(a) == meaning(b)
}

/// Weights of matrices: what the paper counts as parameters.
fn matrices(model: &ModelConfig) -> usize {
    model.tensors().iter().filter(|tensor| tensor.kind == TensorKind::Matrix).map(|tensor| tensor.len()).sum()
}

/// What `eval m2` prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    /// The method's name in the paper's tables.
    pub method: String,
    pub model: String,
    /// Weights of M2 without its embedding.
    pub parameters: usize,
    /// Steps that it was trained for.
    pub steps: u64,
    /// Tokens that were measured, padding excluded.
    pub tokens: u64,
    pub nats_per_token: f64,
    /// Share of the tokens that M2 finds likelier than any other.
    pub accuracy: f64,
    /// Bytes of text a token, of the tokens that were measured.
    pub token_ratio: f64,
    /// `nats_per_token / (token_ratio * ln 2)`.
    pub bits_per_byte: f64,
    /// The same for a model that finds all tokens equally likely.
    pub uniform_bits_per_byte: f64,
    /// The same for a model that knows how frequent tokens are in the training text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unigram_bits_per_byte: Option<f64>,
    /// Operations of M2 for a byte of text, two a weight, as the paper counts.
    pub flops_per_byte: f64,
    /// With those of M1, for methods that need it.
    pub flops_per_byte_with_m1: f64,
    /// Bits of each token of a window, by its place in the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bits_by_place: Vec<f64>,
    /// [`Figures::accuracy`] of each token of a window, by its place in the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accuracy_by_place: Vec<f64>,
}

/// Measures a checkpoint on tokens.
///
/// # Errors
/// The checkpoint and the tokens do not belong together or cannot be read.
pub fn measure(arguments: &EvalArguments) -> Result<Figures> {
    let checkpoint = Checkpoint::load(&arguments.checkpoint)?;
    let rows = TokenRows::open(&arguments.data, 0)?;
    let manifest = rows.manifest().clone();
    let (model, state) = (checkpoint.state.model, checkpoint.state.settings);
    ensure!(
        (model.vocabulary, model.context) == (manifest.settings.vocabulary, manifest.settings.sequence),
        "{} has {} tokens in rows of {}, but {} is a model of {} and {}",
        arguments.data.display(),
        manifest.settings.vocabulary,
        manifest.settings.sequence,
        arguments.checkpoint.display(),
        model.vocabulary,
        model.context
    );
    let place = cuda::choose(arguments.device, 0)?;
    // Nothing is kept for a backward pass.
    let estimate = MemoryEstimate::new(&model, state.optimizer, true, 1);
    let micro_batch = backend::micro_batch(&place, &estimate, arguments.rows.unwrap_or(usize::MAX), model.context)?;
    let settings = Settings { workers: arguments.threads.count(), micro_batch, recompute: true, ..state };
    let mut backend =
        backend::open(place, &model, &settings, checkpoint.training.parameters, &Arc::new(Ranks::alone()))?;
    let validation =
        rows.validation(arguments.rows.unwrap_or(usize::MAX), micro_batch.max(model.context), model.start_symbol())?;
    let tokens_per_window = match &manifest.settings.method {
        Method::EqualInfo { window_bits, token_bits, .. } if window_bits % token_bits == 0 => {
            (window_bits / token_bits) as usize
        }
        _ => 1,
    };
    let tally = tally(backend.as_mut(), &validation.batches, &model, tokens_per_window)?;
    let ratio = validation.ratio;
    let bits = |nats: f64| nats / std::f64::consts::LN_2 / ratio;
    let parameters = matrices(&model);
    let flops = 2.0 * parameters as f64 / ratio;
    let m1 = if manifest.settings.method.needs_m1() { arguments.m1_flops_per_byte(&manifest.settings)? } else { 0.0 };
    let unigram = match &arguments.training_data {
        Some(directory) => {
            let training = TokenRows::open(directory, 0)?;
            ensure!(same_tokens(training.manifest(), &manifest), "--training-data: other tokens than --data");
            Some(bits(tally.unigram_nats(&training.histogram(model.vocabulary)?)))
        }
        None => None,
    };
    let nats_per_token = tally.all().nats_per_token();
    Ok(Figures {
        method: manifest.settings.name,
        model: checkpoint.state.name,
        parameters,
        steps: checkpoint.state.step,
        tokens: tally.all().tokens,
        nats_per_token,
        token_ratio: ratio,
        bits_per_byte: bits(nats_per_token),
        uniform_bits_per_byte: bits((model.vocabulary as f64).ln()),
        unigram_bits_per_byte: unigram,
        flops_per_byte: flops,
        flops_per_byte_with_m1: flops + m1,
        accuracy: tally.all().accuracy(),
        bits_by_place: tally.by_place(|place| place.nats_per_token() / std::f64::consts::LN_2),
        accuracy_by_place: tally.by_place(Place::accuracy),
    })
}

/// Sums over tokens.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    nats: f64,
    tokens: u64,
    /// Tokens that were found likelier than any other.
    likeliest: u64,
}

impl Place {
    fn nats_per_token(self) -> f64 {
        self.nats / self.tokens.max(1) as f64
    }

    fn accuracy(self) -> f64 {
        self.likeliest as f64 / self.tokens.max(1) as f64
    }
}

/// What was measured.
struct Tally {
    histogram: Vec<u64>,
    /// By place in a window.
    places: Vec<Place>,
}

impl Tally {
    fn all(&self) -> Place {
        self.places.iter().fold(Place::default(), |all, place| Place {
            nats: all.nats + place.nats,
            tokens: all.tokens + place.tokens,
            likeliest: all.likeliest + place.likeliest,
        })
    }

    /// Nats a token for a model with the frequencies of other tokens, each counted once more than it occurs (Laplace).
    fn unigram_nats(&self, training: &[u64]) -> f64 {
        let total = (training.iter().sum::<u64>() + training.len() as u64) as f64;
        let nats = |(&count, &trained): (&u64, &u64)| -(count as f64) * ((trained + 1) as f64 / total).ln();
        self.histogram.iter().zip(training).map(nats).sum::<f64>() / self.all().tokens.max(1) as f64
    }

    /// A figure of each place, if windows have more than one.
    fn by_place(&self, figure: impl Fn(Place) -> f64) -> Vec<f64> {
        if self.places.len() > 1 { self.places.iter().copied().map(figure).collect() } else { Vec::new() }
    }
}

fn tally(
    backend: &mut dyn Backend,
    batches: &[super::model::Batch],
    model: &ModelConfig,
    places: usize,
) -> Result<Tally> {
    let mut tally = Tally { histogram: vec![0; model.vocabulary], places: vec![Place::default(); places.max(1)] };
    for group in batches.chunks(backend.parallel_batches()) {
        for (batch, losses) in group.iter().zip(backend.losses(group.to_vec())?) {
            let positions = batch.targets.iter().zip(&batch.starts).zip(losses.nats.iter().zip(&losses.behind));
            for (position, ((&target, &start), (&nats, &behind))) in positions.enumerate() {
                if target == super::device::IGNORE {
                    continue;
                }
                tally.histogram[target as usize] += 1;
                let place = &mut tally.places[(position - start as usize) % places.max(1)];
                place.nats += f64::from(nats);
                place.tokens += 1;
                place.likeliest += u64::from(behind == 0.0);
            }
        }
    }
    ensure!(tally.all().tokens > 0, "no tokens to measure");
    Ok(tally)
}
