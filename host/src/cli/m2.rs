//! The options of `train m2` and `eval m2`; the work is in [`crate::train::m2`].

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use super::options::{Device, ThreadArguments, VerbosityArguments};
use super::table::{Table, grouped, number};
use crate::model::LoadedModel;
use crate::tokenize::shards::Settings;
use crate::train::m2;
use crate::train::optimizer::{OptimizerKind, Schedule};

/// Sizes of M2, named by their weights without the embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 0.1 M parameters: minutes on a few cores
    Tiny,
    /// 25 M parameters: 6 layers of 512
    #[value(name = "25m")]
    M25,
    /// 113 M parameters: 12 layers of 768
    #[value(name = "113m")]
    M113,
    /// 403 M parameters: 24 layers of 1024
    #[value(name = "403m")]
    M403,
    /// 1.6 G parameters: 24 layers of 2048
    #[value(name = "2b")]
    B2,
}

/// Options of `train m2`.
///
/// Started by torchrun, srun or mpirun, every process is a rank on a GPU of its own: rows of a step are dealt to them, and rank 0 writes the files.
#[derive(Debug, Clone, Args)]
pub struct TrainArguments {
    /// Directory of token shards that 'tokenize' wrote
    #[arg(long, value_name = "DIRECTORY")]
    pub data: PathBuf,

    /// Directory of held-out shards of the same tokens, for validation on 20 batches
    #[arg(long, value_name = "DIRECTORY")]
    pub dev: Option<PathBuf>,

    /// Directory of the run: checkpoints and metrics.jsonl (default: runs/NAME)
    #[arg(short, long, value_name = "DIRECTORY")]
    pub output: Option<PathBuf>,

    /// Name of the model (default: the preset)
    #[arg(long)]
    pub name: Option<String>,

    /// The size
    #[arg(long, default_value = "25m")]
    pub preset: Preset,

    /// Continue the run in the output directory from its last checkpoint, to the same bits
    #[arg(long)]
    pub resume: bool,

    /// Steps of the optimizer (default: the paper's 200,000)
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,

    /// Stop, with a checkpoint, after this many minutes
    #[arg(long, value_name = "MINUTES")]
    pub minutes: Option<f64>,

    /// Rows in a step
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub batch: usize,

    #[arg(long, default_value = "adafactor")]
    pub optimizer: OptimizerKind,

    #[arg(long, default_value = "rsqrt")]
    pub schedule: Schedule,

    /// Peak learning rate (default: the paper's 0.01 for Adafactor; for AdamW by preset)
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f32>,

    /// Steps until the learning rate is at its peak; those that it is held for, with rsqrt
    #[arg(long, value_name = "N")]
    pub warmup: Option<u64>,

    /// Of AdamW
    #[arg(long, value_name = "X", default_value_t = 0.05)]
    pub weight_decay: f32,

    /// Largest norm of the gradient
    #[arg(long, value_name = "NORM", default_value_t = 1.0)]
    pub clip: f32,

    /// Weight of the z-loss
    #[arg(long, value_name = "X", default_value_t = 1e-4)]
    pub z_loss: f32,

    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Compute activations once more for the backward pass instead of keeping them: less memory, a third more work, the same bits
    #[arg(long)]
    pub recompute: bool,

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

/// Options of `eval m2`.
///
/// Bits/byte are nats a token over ln 2 and the bytes of text a token, both of the rows that are measured; operations a byte are two a
/// weight of M2 without its embedding, as the paper counts, and two a weight of M1 for methods that need it.
#[derive(Debug, Clone, Args)]
pub struct EvalArguments {
    /// Checkpoint of 'train m2' (.safetensors)
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,

    /// Directory of held-out token shards that 'tokenize' wrote
    #[arg(long, value_name = "DIRECTORY")]
    pub data: PathBuf,

    /// Directory of the shards that it was trained on, for the figures of a model that only knows how frequent tokens are
    #[arg(long, value_name = "DIRECTORY")]
    pub training_data: Option<PathBuf>,

    /// M1 of the tokens, for its operations: a shipped model or the path of an .m1q file (default: the one that made them, if it is a shipped one)
    #[arg(long, value_name = "NAME|PATH")]
    pub model: Option<String>,

    /// Measure so many rows (default: all)
    #[arg(long, value_name = "N")]
    pub rows: Option<usize>,

    /// Where to compute
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: Device,

    #[command(flatten)]
    pub threads: ThreadArguments,

    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

impl EvalArguments {
    /// Operations of M1 for a byte.
    ///
    /// # Errors
    /// The model cannot be read, or is not the one that made these tokens.
    pub fn m1_flops_per_byte(&self, tokens: &Settings) -> Result<f64> {
        let model = LoadedModel::m1(self.model.as_deref().or(tokens.model.as_deref()))
            .context("the model that made these tokens: name it with --model")?;
        let (found, expected) = (format!("{:016x}", model.id()), tokens.model_id.clone().unwrap_or_default());
        ensure!(
            found == expected,
            "these tokens were made with model {expected}, but this is {} {found}; name it with --model",
            model.name()
        );
        let config = model.engine().context("M1 is not a model")?.config();
        let layer = 4 * config.d * config.d + 3 * config.d * config.ff;
        Ok(2.0 * (config.layers * layer) as f64)
    }
}

/// Measures and prints.
///
/// # Errors
/// Those of [`m2::measure`], or stdout cannot be written.
pub fn eval(arguments: &EvalArguments) -> Result<()> {
    let figures = m2::measure(arguments)?;
    let text = if arguments.json {
        serde_json::to_string(&figures)? + "\n"
    } else {
        let mut table =
            Table::new(&["bits/byte", "uniform", "unigram", "accuracy", "bytes/token", "MFLOPs/byte", "with M1"]);
        table.row(vec![
            number(Some(figures.bits_per_byte), 4),
            number(Some(figures.uniform_bits_per_byte), 4),
            number(figures.unigram_bits_per_byte, 4),
            number(Some(figures.accuracy), 4),
            number(Some(figures.token_ratio), 4),
            number(Some(figures.flops_per_byte / 1e6), 2),
            number(Some(figures.flops_per_byte_with_m1 / 1e6), 2),
        ]);
        let mut text = format!(
            "{} on {}: {} steps, {} tokens measured\n\n{}",
            figures.model,
            figures.method,
            grouped(figures.steps),
            grouped(figures.tokens),
            table.render()
        );
        for (place, (bits, accuracy)) in figures.bits_by_place.iter().zip(&figures.accuracy_by_place).enumerate() {
            text.push_str(&format!("token {} of a window: {bits:.3} bits, accuracy {accuracy:.4}\n", place + 1));
        }
        text
    };
    use std::io::Write;
    std::io::stdout().write_all(text.as_bytes()).context("(stdout): cannot write")
}
