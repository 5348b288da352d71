//! The options of `train m2` and `eval m2`; the work is in [`m2`].

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use equalinfo::cuda::DeviceChoice;
use equalinfo::tokens::shards::Source;

use equalinfo_train::cpu::matmul::Precision;
use equalinfo_train::m2::{self, Figures, M2Options, MeasureOptions, Proof, Prover};
use equalinfo_train::optimizer::{OptimizerKind, Schedule};
use equalinfo_train::run::RunControl;

use super::files::{Destination, Output, refuse_output};
use super::interrupt;
use super::options::{Choice, DEVICES, ThreadArguments, VerbosityArguments, choice, count, not_negative, positive};
use super::table::{Table, grouped, number};
use super::train::{OPTIMIZERS, PRECISIONS, SCHEDULES};
use crate::must;
use crate::training::{Progress, in_words, ranks};

/// Sizes of M2, named by their weights without the embedding.
pub const PRESETS: [Choice<m2::Preset>; 6] = [
    ("tiny", "0.1 M parameters: minutes on a few cores", m2::Preset::Tiny),
    ("3m", "3 M parameters: 3 layers of 256", m2::Preset::M3),
    ("25m", "25 M parameters: 6 layers of 512", m2::Preset::M25),
    ("113m", "113 M parameters: 12 layers of 768", m2::Preset::M113),
    ("403m", "403 M parameters: 24 layers of 1024", m2::Preset::M403),
    ("2b", "1.6 G parameters: 24 layers of 2048", m2::Preset::B2),
];

/// Options of `train m2`.
///
/// Started by torchrun, srun or mpirun, every process is a rank on a GPU of its own: rows of a step are dealt to them, and rank 0 writes the files.
#[derive(Debug, Clone, Args)]
pub struct TrainArguments {
    /// Directories of token shards that 'tokenize' wrote, read together; or a directory of such directories
    ///
    /// All must hold the same tokens: another method, model or row length is refused. Every row comes once in a pass,
    /// in a random order over all of them; with DIRECTORY:2 its rows come twice, with DIRECTORY:0.5 half of them in
    /// one pass and half in the next. --resume needs the same ones in the same order.
    #[arg(long, value_name = "DIRECTORY[:WEIGHT]", required = true, num_args = 1.., value_parser = str::parse::<Source>)]
    pub data: Vec<Source>,

    /// Directory of held-out shards of the same tokens, for validation on 20 batches
    #[arg(long, value_name = "DIRECTORY")]
    pub dev: Option<PathBuf>,

    /// Directory of the run: checkpoints and metrics.jsonl (default: runs/NAME)
    #[arg(short, long, value_name = "DIRECTORY")]
    pub output: Option<PathBuf>,

    /// Name of the model (default: the preset)
    #[arg(long)]
    pub name: Option<String>,

    /// The size (default: 25m)
    #[arg(long, value_parser = choice(&PRESETS))]
    pub preset: Option<m2::Preset>,

    /// Continue the run in the output directory from its last checkpoint, to the same bits
    ///
    /// The tokens must be the same, wherever they lie. Other options are those of the run: they can be left out, and
    /// are refused where they differ. What may change: --device, -T and the number of ranks, --recompute, --dev,
    /// --minutes, --validate-every and --save-every, and --steps before the learning rate falls (always, with the
    /// default schedule). With other threads or another device the last bits may differ.
    #[arg(long)]
    pub resume: bool,

    /// Steps of the optimizer (default: the paper's 200,000)
    #[arg(long, value_name = "N", value_parser = count::<u64>)]
    pub steps: Option<u64>,

    /// Stop, with a checkpoint, after this many minutes
    #[arg(long, value_name = "MINUTES", value_parser = positive::<f64>)]
    pub minutes: Option<f64>,

    /// Rows in a step (default: 256)
    #[arg(long, value_name = "N", value_parser = count::<usize>)]
    pub batch: Option<usize>,

    /// What moves the parameters (default: adafactor)
    #[arg(long, value_parser = choice(&OPTIMIZERS))]
    pub optimizer: Option<OptimizerKind>,

    /// How the learning rate moves (default: rsqrt)
    #[arg(long, value_parser = choice(&SCHEDULES))]
    pub schedule: Option<Schedule>,

    /// Peak learning rate (default: the paper's 0.01 for Adafactor; for AdamW by preset)
    #[arg(long, value_name = "RATE", value_parser = positive::<f32>)]
    pub learning_rate: Option<f32>,

    /// Steps until the learning rate is at its peak; those that it is held for, with rsqrt
    #[arg(long, value_name = "N")]
    pub warmup: Option<u64>,

    /// Of AdamW (default: 0.05)
    #[arg(long, value_name = "X", value_parser = not_negative::<f32>)]
    pub weight_decay: Option<f32>,

    /// Largest norm of the gradient (default: 1)
    #[arg(long, value_name = "NORM", value_parser = positive::<f32>)]
    pub clip: Option<f32>,

    /// Weight of the z-loss (default: 1e-4)
    #[arg(long, value_name = "X", value_parser = not_negative::<f32>)]
    pub z_loss: Option<f32>,

    /// Arithmetic on the CPU (default: bf16 where the processor has a unit for it)
    #[arg(long, value_parser = choice(&PRECISIONS))]
    pub precision: Option<Precision>,

    /// Decides initial weights and the order of the rows (default: 1)
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Compute activations once more for the backward pass instead of keeping them: less memory, a third more work, the same bits
    #[arg(long)]
    pub recompute: bool,

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

/// Options of `eval m2`.
///
/// Bits/byte are nats a token over ln 2 and the bytes of text a token, both of the rows that are measured; ends of documents cost bits, and stand for no bytes
/// of text. Operations a byte are two a weight of M2 without its embedding, as the paper counts, and two a weight of M1 for methods that need it.
#[derive(Debug, Clone, Args)]
pub struct EvalArguments {
    /// Checkpoint of 'train m2' (.safetensors)
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,

    /// Directory of held-out token shards that 'tokenize' wrote
    #[arg(long, value_name = "DIRECTORY")]
    pub data: PathBuf,

    /// The shards that it was trained on, for the figures of a model that only knows how frequent tokens are; given
    /// for each of the run's --data, with its weight
    #[arg(long, value_name = "DIRECTORY[:WEIGHT]", value_parser = str::parse::<Source>)]
    pub training_data: Vec<Source>,

    /// M1 of the tokens, for its operations: a shipped model or the path of an .m1q file (default: the one that made them, if it is a shipped one)
    #[arg(long, value_name = "NAME|PATH")]
    pub model: Option<String>,

    /// Measure so many rows (default: all)
    #[arg(long, value_name = "N", value_parser = count::<usize>)]
    pub rows: Option<usize>,

    /// Write the rows that are measured as a file coded by M2 itself (default: in memory), decode it with M2 again, and compare
    ///
    /// Each way runs M2 token by token on the CPU, in f32: for as many --rows as time allows. Each thread has a code of its own, which costs up to 5 bytes;
    /// how many tokens a row has is not in the file.
    #[arg(long, value_name = "FILE")]
    pub prove: Option<Option<PathBuf>>,

    /// Overwrite the file of --prove
    #[arg(short, long, requires = "prove")]
    pub force: bool,

    /// Where to compute
    #[arg(long, value_name = "DEVICE", value_parser = choice(&DEVICES), default_value = "auto")]
    pub device: DeviceChoice,

    #[command(flatten)]
    pub threads: ThreadArguments,

    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

impl EvalArguments {
    /// As the trainer takes them.
    pub fn options(&self) -> MeasureOptions {
        MeasureOptions {
            checkpoint: self.checkpoint.clone(),
            data: self.data.clone(),
            training_data: self.training_data.clone(),
            model: self.model.clone(),
            rows: self.rows,
            device: self.device,
            threads: self.threads.count(),
        }
    }
}

impl TrainArguments {
    /// As the trainer takes them.
    pub fn options(&self) -> M2Options {
        M2Options {
            data: self.data.clone(),
            dev: self.dev.clone(),
            output: self.output.clone(),
            name: self.name.clone(),
            preset: self.preset,
            resume: self.resume,
            steps: self.steps,
            batch: self.batch,
            optimizer: self.optimizer,
            schedule: self.schedule,
            learning_rate: self.learning_rate,
            warmup: self.warmup,
            weight_decay: self.weight_decay,
            clip: self.clip,
            z_loss: self.z_loss,
            precision: self.precision,
            seed: self.seed,
            recompute: self.recompute,
            control: RunControl {
                validate_every: self.validate_every,
                save_every: self.save_every,
                minutes: self.minutes,
                ..RunControl::default()
            },
            device: self.device,
            threads: self.threads.given(),
        }
    }
}

/// Trains M2 and shows how it goes.
///
/// # Errors
/// Those of [`m2::Run`].
pub fn train(arguments: &TrainArguments) -> Result<()> {
    let mut run = m2::Run::as_rank(&arguments.options(), ranks()?).map_err(in_words)?;
    // Of every rank: only the first is told that the run starts.
    interrupt::make_graceful();
    run.train(&mut Progress::new(arguments.verbosity.quiet)).map_err(in_words)?;
    Ok(())
}

/// What is printed as JSON.
#[derive(serde::Serialize)]
struct Evaluation {
    #[serde(flatten)]
    figures: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
}

/// Codes the tokens, into a file if there is one, and decodes what is there then.
fn prove(options: &MeasureOptions, file: Option<(&PathBuf, Output)>) -> Result<Proof> {
    let prover = Prover::open(options).map_err(in_words)?;
    let encoded = prover.encode().map_err(in_words)?;
    match file {
        Some((path, mut output)) => {
            let shown = path.display();
            output.write_all(&encoded.code).with_context(|| format!("{shown}: cannot write"))?;
            output.finish(None)?;
            let code = fs::read(path).with_context(|| format!("{shown}: cannot read"))?;
            prover.verify(&code).with_context(|| format!("{shown}: proves nothing"))?;
        }
        None => prover.verify(&encoded.code).map_err(in_words)?,
    }
    Ok(prover.proof(&encoded))
}

/// Measures and prints.
///
/// # Errors
/// Those of [`m2::measure()`] and of a [`Prover`], or the proof or stdout cannot be written.
pub fn eval(arguments: &EvalArguments) -> Result<()> {
    // Before the work, which takes long: what is in the way is told at once.
    let file = match arguments.prove.as_ref().and_then(Option::as_ref) {
        Some(path) => {
            must!(path != Path::new("-"), "--prove: expected a file, which is read back");
            refuse_output(path, [arguments.checkpoint.as_path()])?;
            Some((path, Output::create(&Destination::from_argument(path), arguments.force, true)?))
        }
        None => None,
    };
    let figures = m2::measure(&arguments.options()).map_err(in_words)?;
    let proof = arguments.prove.is_some().then(|| prove(&arguments.options(), file)).transpose()?;
    let text = if arguments.json {
        serde_json::to_string(&Evaluation { figures, proof })? + "\n"
    } else {
        let mut table = Table::new(&[
            "bits/byte",
            "uniform",
            "unigram",
            "accuracy",
            "bytes/token",
            "MFLOPs/byte",
            "with M1",
            "with output",
        ]);
        table.row(vec![
            number(Some(figures.bits_per_byte), 4),
            number(Some(figures.uniform_bits_per_byte), 4),
            number(figures.unigram_bits_per_byte, 4),
            number(Some(figures.accuracy), 4),
            number(Some(figures.token_ratio), 4),
            number(Some(figures.flops_per_byte / 1e6), 2),
            number(Some(figures.flops_per_byte_with_m1 / 1e6), 2),
            number(Some(figures.flops_per_byte_with_output / 1e6), 2),
        ]);
        let mut text = format!(
            "{} on {}: {} steps, {} tokens measured\n\n{}",
            figures.model,
            figures.method,
            grouped(figures.steps),
            grouped(figures.tokens),
            table.render()
        );
        if let Some(bits) = figures.bits_per_end {
            text.push_str(&format!("end of a document: {bits:.3} bits\n"));
        }
        if let Some(proof) = proof {
            text.push_str(&format!(
                "proof: {} bytes, which decode to the tokens: {:.4} bits/byte, {:.4} by the probabilities they are coded with\n",
                grouped(proof.bytes as u64),
                proof.bits_per_byte,
                proof.computed_bits_per_byte
            ));
        }
        for (place, (bits, accuracy)) in figures.bits_by_place.iter().zip(&figures.accuracy_by_place).enumerate() {
            text.push_str(&format!("token {} of a window: {bits:.3} bits, accuracy {accuracy:.4}\n", place + 1));
        }
        text
    };
    super::standard::print(text)
}
