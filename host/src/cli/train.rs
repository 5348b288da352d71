//! `train` and `quantize`: the options of the trainer; the work is in [`crate::train`].

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::options::{CorpusArguments, Device, ThreadArguments, VerbosityArguments};
use crate::train::cpu::matmul::Precision;
use crate::train::optimizer::{OptimizerKind, Schedule};

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
    Unigram(super::train_unigram::UnigramArguments),
}

/// Sizes of M1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 0.11 M parameters: microcontrollers with 128-256 KiB of flash
    Nano,
    /// 0.64 M parameters: larger microcontrollers
    Micro,
    /// 3.15 M parameters: the M1 of the paper
    #[value(name = "3m")]
    M3,
}

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
    #[arg(long)]
    pub preset: Option<Preset>,

    /// Start from a shipped model or a checkpoint instead of random weights: adapt it, or with --preset grow it to a larger one
    #[arg(long, value_name = "NAME|PATH")]
    pub init: Option<String>,

    /// Continue the run in the output directory from its last checkpoint, to the same bits
    #[arg(long, conflicts_with = "init")]
    pub resume: bool,

    /// Steps of the optimizer (default: by preset)
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,

    /// Stop, with a checkpoint, after this many minutes
    #[arg(long, value_name = "MINUTES")]
    pub minutes: Option<f64>,

    /// Sequences in a step (default: by preset)
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,

    /// Bytes in a sequence (default: by preset)
    #[arg(long, value_name = "N")]
    pub sequence: Option<usize>,

    /// Share of the sequences that are made of windows; the others slide, as method ac does (default: by preset)
    #[arg(long, value_name = "0..1")]
    pub window_share: Option<f64>,

    /// Files of short messages, one a line; lines 1, 11, 21, ... of all are held out
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub messages: Vec<String>,

    /// Share of the sequences that are made of messages
    #[arg(long, value_name = "0..1", default_value_t = 0.02, requires = "messages")]
    pub message_share: f64,

    /// Cut the text into windows anew, with the current model, this many times
    #[arg(long, value_name = "N")]
    pub resegment: Option<u32>,

    #[arg(long, default_value = "adamw")]
    pub optimizer: OptimizerKind,

    #[arg(long, default_value = "cosine")]
    pub schedule: Schedule,

    /// Peak learning rate (default: by preset and optimizer)
    #[arg(long, value_name = "RATE")]
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
    #[arg(long, value_name = "0..1")]
    pub layout_share: Option<f32>,

    #[arg(long, value_name = "X", default_value_t = 0.05)]
    pub weight_decay: f32,

    /// Largest norm of the gradient
    #[arg(long, value_name = "NORM", default_value_t = 1.0)]
    pub clip: f32,

    /// Weight of the z-loss
    #[arg(long, value_name = "X", default_value_t = 1e-4)]
    pub z_loss: f32,

    /// Arithmetic (default: bf16 where the processor has a unit for it)
    #[arg(long)]
    pub precision: Option<Precision>,

    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Steps between validations
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub validate_every: u64,

    /// Steps between checkpoints
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub save_every: u64,

    /// Where to train
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: Device,

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
    #[arg(long, value_name = "RATE", default_value_t = crate::train::quantize::LEARNING_RATE)]
    pub learning_rate: f32,

    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Where to calibrate and fine-tune
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: Device,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}
