//! `train` and `quantize`: the options of the trainer; the work is in [`equalinfo_train`].

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::say;
use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo::cuda::DeviceChoice;
use equalinfo_train::cpu::matmul::Precision;
use equalinfo_train::integer_model::{self, QuantizeOptions};
use equalinfo_train::m1::{self, M1Options};
use equalinfo_train::optimizer::{OptimizerKind, Schedule};
use equalinfo_train::run::RunControl;

use super::files::{self, Destination, Output};
use super::interrupt;
use super::options::{
    Choice, CorpusArguments, DEVICES, ThreadArguments, VerbosityArguments, choice, count, not_negative, positive,
    say_skipped, share,
};
use crate::training::{Progress, exported, in_words, ranks};

/// Models that can be trained.
#[derive(Debug, Clone, Subcommand)]
pub enum Train {
    /// Train the byte language model M1 on text, or adapt a shipped one to a domain
    M1(Box<M1Arguments>),
    /// Train M2, a language model of the tokens of compressed text
    M2(Box<super::m2::TrainArguments>),
    /// Count bytes: the frequencies of method static-ac
    Static(super::train_static::StaticArguments),
    /// Train a vocabulary of subwords, as SentencePiece has them: the tokens of method unigram
    Unigram(super::train_subwords::UnigramArguments),
    /// Train a vocabulary by byte-pair encoding, within words or across them, also for method unigram
    Bpe(super::train_subwords::BpeArguments),
}

/// Sizes of M1.
const PRESETS: [Choice<m1::Preset>; 4] = [
    ("pico", "0.06 M parameters and n-gram tables: microcontrollers with 256 KiB of flash", m1::Preset::Pico),
    ("nano", "0.12 M parameters and n-gram tables: microcontrollers with 512 KiB of flash", m1::Preset::Nano),
    ("micro", "0.64 M parameters: larger microcontrollers", m1::Preset::Micro),
    ("3m", "3.15 M parameters: the M1 of the paper", m1::Preset::M3),
];

/// What moves the parameters.
pub const OPTIMIZERS: [Choice<OptimizerKind>; 3] = [
    ("adamw", "Decoupled weight decay on matrices", OptimizerKind::Adamw),
    ("adafactor", "Factored second moments and relative steps, as T5X trains", OptimizerKind::Adafactor),
    ("muon", "Orthogonalised momentum for the layers' matrices, AdamW for the rest", OptimizerKind::Muon),
];

/// How the learning rate moves.
pub const SCHEDULES: [Choice<Schedule>; 3] = [
    ("cosine", "Linear warm-up, then half a cosine down to a hundredth", Schedule::Cosine),
    ("rsqrt", "The paper's: constant during warm-up, then the inverse square root of the step", Schedule::Rsqrt),
    (
        "constant",
        "Linear warm-up, constant, then linear down to a hundredth over the last --decay-steps: a run can be lengthened before it decays",
        Schedule::Constant,
    ),
];

/// Arithmetic of matrix products.
pub const PRECISIONS: [Choice<Precision>; 2] = [
    ("bf16", "bf16 operands, f32 sums, on the tile unit or on vectors of bf16", Precision::Bf16),
    ("f32", "f32 throughout", Precision::F32),
];

/// Options of `train m1`.
///
/// Started by torchrun, srun or mpirun, every process is a rank on a GPU of its own: rows of a step are dealt to them, and rank 0 writes the files.
#[derive(Debug, Clone, Args)]
pub struct M1Arguments {
    /// Corpus: files, directories or patterns (.txt, .jsonl, .parquet; .gz, .zst, .xz)
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<String>,

    #[command(flatten)]
    pub reading: CorpusArguments,

    /// Held-out text for validation (default: every 100th document of the corpus)
    #[arg(long, value_name = "PATH")]
    pub dev: Vec<String>,

    /// Directory of the run: checkpoints, metrics.jsonl, the quantized model (default: runs/NAME)
    #[arg(short, long, value_name = "DIRECTORY")]
    pub output: Option<PathBuf>,

    /// Name of the model, at most 16 ASCII characters (default: the preset, or the corpus file with --init alone)
    #[arg(long)]
    pub name: Option<String>,

    /// The size, which sets every other default (default: nano); with --init, the model grows to it
    #[arg(long, value_parser = choice(&PRESETS))]
    pub preset: Option<m1::Preset>,

    /// N-gram tables: how many of the last bytes each one looks up, 2 to 6; 0 for none, as in the paper (default:
    /// 2,3,4; with --init alone those of the model)
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    pub ngrams: Vec<usize>,

    /// Rows of each n-gram table, or of all alike (default: by preset)
    #[arg(long, value_name = "ROWS,...", value_delimiter = ',')]
    pub ngram_rows: Vec<usize>,

    /// Start from a shipped model or a checkpoint instead of random weights: adapt it, or with --preset grow it to a larger one
    #[arg(long, value_name = "NAME|PATH")]
    pub init: Option<String>,

    /// Continue the run in the output directory from its last checkpoint, to the same bits
    ///
    /// The text must be the same, wherever it lies. Other options are those of the run: they can be left out, and are
    /// refused where they differ. What may change: --device, -T and the number of ranks, --dev where the run had one,
    /// --minutes, --validate-every and --save-every, and --steps and --decay-steps before the learning rate falls. With
    /// other threads or another device the last bits may differ.
    #[arg(long, conflicts_with = "init")]
    pub resume: bool,

    /// Steps of the optimizer (default: by preset)
    #[arg(long, value_name = "N", value_parser = count::<u64>)]
    pub steps: Option<u64>,

    /// Stop, with a checkpoint, after this many minutes
    #[arg(long, value_name = "MINUTES", value_parser = positive::<f64>)]
    pub minutes: Option<f64>,

    /// Sequences in a step (default: by preset)
    #[arg(long, value_name = "N", value_parser = count::<usize>)]
    pub batch: Option<usize>,

    /// Bytes in a sequence (default: by preset)
    #[arg(long, value_name = "N", value_parser = count::<usize>)]
    pub sequence: Option<usize>,

    /// Share of the sequences that are made of windows; the others slide, as method ac does (default: by preset)
    #[arg(long, value_name = "0..1", value_parser = share::<f64>)]
    pub window_share: Option<f64>,

    /// Files of short messages, one a line; lines 1, 11, 21, ... of all are held out
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub messages: Vec<String>,

    /// Share of the sequences that are made of messages (default: 0.02)
    #[arg(long, value_name = "0..1", requires = "messages", value_parser = share::<f64>)]
    pub message_share: Option<f64>,

    /// Share of the sequences of messages that are one context of many, a line each, as in a file of them (default:
    /// 0.5)
    #[arg(long, value_name = "0..1", requires = "messages", value_parser = share::<f32>)]
    pub joined_share: Option<f32>,

    /// Cut the text into windows anew, with the current model, this many times
    #[arg(long, value_name = "N")]
    pub resegment: Option<u32>,

    /// What moves the parameters (default: adamw)
    #[arg(long, value_parser = choice(&OPTIMIZERS))]
    pub optimizer: Option<OptimizerKind>,

    /// How the learning rate moves (default: cosine)
    #[arg(long, value_parser = choice(&SCHEDULES))]
    pub schedule: Option<Schedule>,

    /// Peak learning rate (default: by preset and optimizer)
    #[arg(long, value_name = "RATE", value_parser = positive::<f32>)]
    pub learning_rate: Option<f32>,

    /// Steps until the learning rate is at its peak
    #[arg(long, value_name = "N")]
    pub warmup: Option<u64>,

    /// Steps over which `--schedule constant` falls at the end (default: a quarter)
    #[arg(long, value_name = "N")]
    pub decay_steps: Option<u64>,

    /// Last steps, which round weights and activations as the integer model does (default: --decay-steps, or a third)
    #[arg(long, value_name = "N")]
    pub rounded_steps: Option<u64>,

    /// Train a float model to the end and write no NAME.m1q
    #[arg(long, conflicts_with = "rounded_steps")]
    pub no_quantize: bool,

    /// Share of the sliding contexts whose text is laid out in another way: CR LF line ends, wrapped and indented
    /// lines (default: 0.1, or 0 with --init alone)
    #[arg(long, value_name = "0..1", value_parser = share::<f32>)]
    pub layout_share: Option<f32>,

    /// Decoupled weight decay of AdamW and Muon (default: 0.05)
    #[arg(long, value_name = "X", value_parser = not_negative::<f32>)]
    pub weight_decay: Option<f32>,

    /// Largest norm of the gradient (default: 1)
    #[arg(long, value_name = "NORM", value_parser = positive::<f32>)]
    pub clip: Option<f32>,

    /// Weight of the z-loss (default: 1e-4)
    #[arg(long, value_name = "X", value_parser = not_negative::<f32>)]
    pub z_loss: Option<f32>,

    /// Arithmetic (default: bf16 where the processor has a unit for it)
    #[arg(long, value_parser = choice(&PRECISIONS))]
    pub precision: Option<Precision>,

    /// Decides initial weights and the order of the text (default: 1)
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Steps between validations
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = count::<u64>)]
    pub validate_every: u64,

    /// Steps between checkpoints, which are never more than ten minutes apart
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count::<u64>)]
    pub save_every: u64,

    /// Where to train
    #[arg(long, value_name = "DEVICE", value_parser = choice(&DEVICES), default_value = "auto")]
    pub device: DeviceChoice,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// Options of `quantize`.
#[derive(Debug, Clone, Args)]
pub struct QuantizeArguments {
    /// Checkpoint of `train m1` (.safetensors)
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,

    /// Text to calibrate and fine-tune on: files, directories or patterns
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<String>,

    #[command(flatten)]
    pub reading: CorpusArguments,

    /// Held-out text to measure the float and the integer model on
    #[arg(long, value_name = "PATH")]
    pub dev: Vec<String>,

    /// The quantized model
    #[arg(short, long, value_name = "FILE.m1q")]
    pub output: PathBuf,

    /// Overwrite the output
    #[arg(short, long)]
    pub force: bool,

    /// Name inside the model, at most 16 ASCII characters (default: the checkpoint's)
    #[arg(long)]
    pub name: Option<String>,

    /// Steps of quantization-aware fine-tuning (default: 1500, or none where training already rounded)
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,

    /// Learning rate at the beginning of fine-tuning, which falls to nothing
    #[arg(long, value_name = "RATE", default_value_t = integer_model::LEARNING_RATE, value_parser = positive::<f32>)]
    pub learning_rate: f32,

    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Where to calibrate and fine-tune
    #[arg(long, value_name = "DEVICE", value_parser = choice(&DEVICES), default_value = "auto")]
    pub device: DeviceChoice,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

impl M1Arguments {
    fn options(&self) -> Result<M1Options> {
        let mut options = M1Options {
            corpus: self.reading.corpus(&self.corpus)?,
            dev: self.reading.optional(&self.dev)?,
            output: self.output.clone(),
            name: self.name.clone(),
            preset: self.preset,
            ngrams: match self.ngrams.as_slice() {
                [] => None,
                [0] => Some(Vec::new()),
                orders => Some(orders.to_vec()),
            },
            ngram_rows: self.ngram_rows.clone(),
            init: self.init.clone(),
            resume: self.resume,
            steps: self.steps,
            batch: self.batch,
            sequence: self.sequence,
            window_share: self.window_share,
            messages: None,
            message_share: self.message_share,
            joined_share: self.joined_share,
            resegment: self.resegment,
            optimizer: self.optimizer,
            schedule: self.schedule,
            learning_rate: self.learning_rate,
            warmup: self.warmup,
            decay_steps: self.decay_steps,
            rounded_steps: self.rounded_steps,
            quantize: !self.no_quantize,
            layout_share: self.layout_share,
            weight_decay: self.weight_decay,
            clip: self.clip,
            z_loss: self.z_loss,
            precision: self.precision,
            seed: self.seed,
            control: RunControl {
                validate_every: self.validate_every,
                save_every: self.save_every,
                minutes: self.minutes,
                ..RunControl::default()
            },
            device: self.device,
            threads: self.threads.given(),
        };
        if !self.messages.is_empty() {
            let lines = CorpusOptions { lines: true, ..CorpusOptions::default() };
            options.messages = Some(Corpus::new(&self.messages, lines)?);
        }
        if options.adapts() && options.name.is_none() {
            // An adapted model is called like its corpus, as far as a model can be.
            let file = self.corpus.first().and_then(|path| Path::new(path).file_name());
            let stem = file.map(|name| name.to_string_lossy().split('.').next().unwrap_or_default().to_owned());
            let plain = |letter: &char| letter.is_ascii_graphic() && *letter != '\\';
            let name: String = stem.unwrap_or_default().chars().filter(plain).take(m1::LONGEST_NAME).collect();
            options.name = (!name.is_empty()).then_some(name);
        }
        Ok(options)
    }
}

/// Trains M1 and shows how it goes.
///
/// # Errors
/// Those of [`m1::Run`], or the corpus cannot be found.
pub fn m1(arguments: &M1Arguments) -> Result<()> {
    let options = arguments.options()?;
    let mut run = m1::Run::as_rank(&options, ranks()?).map_err(in_words)?;
    [Some(&options.corpus), options.dev.as_ref()].into_iter().flatten().for_each(say_skipped);
    // Of every rank: only the first is told that the run starts.
    interrupt::make_graceful();
    run.train(&mut Progress::new(arguments.verbosity.quiet)).map_err(in_words)?;
    Ok(())
}

/// Turns a checkpoint into an integer model.
///
/// # Errors
/// Those of [`integer_model::quantize_checkpoint`], or the output cannot be written.
pub fn quantize(arguments: &QuantizeArguments) -> Result<()> {
    let read = arguments.corpus.iter().chain(&arguments.dev).map(Path::new);
    files::refuse_output(&arguments.output, read.chain([arguments.checkpoint.as_path()]))?;
    let options = QuantizeOptions {
        checkpoint: arguments.checkpoint.clone(),
        corpus: arguments.reading.corpus(&arguments.corpus)?,
        dev: arguments.reading.optional(&arguments.dev)?,
        name: arguments.name.clone(),
        steps: arguments.steps,
        learning_rate: arguments.learning_rate,
        seed: arguments.seed,
        device: arguments.device,
        threads: arguments.threads.count(),
    };
    // Before the work, which takes long: what is in the way is told at once.
    let mut output = Output::create(&Destination::from_argument(&arguments.output), arguments.force, true)?;
    let mut progress = Progress::new(arguments.verbosity.quiet);
    let model = integer_model::quantize_checkpoint(&options, &mut progress).map_err(in_words)?;
    [Some(&options.corpus), options.dev.as_ref()].into_iter().flatten().for_each(say_skipped);
    output.write_all(&model.image).with_context(|| format!("{}: cannot write", arguments.output.display()))?;
    output.finish(None)?;
    if !arguments.verbosity.quiet {
        say!("{}", exported(&arguments.output, &model));
    }
    Ok(())
}
