//! How well an M2 does on tokens.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{check_meaning, check_vocabulary, matrices};
use crate::backend::memory::{self, MemoryEstimate};
use crate::backend::{self, Backend};
use crate::checkpoint::{Checkpoint, Kind, Origin};
use crate::device::IGNORE;
use crate::error::{Result, TrainError};
use crate::graph::{Batch, ModelConfig};
use crate::ranks::Ranks;
use crate::settings::Settings;
use crate::tokens::TokenRows;
use equalinfo::cuda::{self, DeviceChoice};
use equalinfo::tokens::TokenMethod;
use equalinfo::tokens::shards::{self, Meaning, Source};

/// What is measured, and on what; [`Default`] names neither.
#[derive(Debug, Clone)]
pub struct MeasureOptions {
    /// Checkpoint of M2 (`.safetensors`).
    pub checkpoint: PathBuf,
    /// Directory of held-out token shards.
    pub data: PathBuf,
    /// The shards that it was trained on, for the figures of a model that only knows how frequent tokens are; empty: none.
    pub training_data: Vec<Source>,
    /// M1 of the tokens, for its operations: a shipped model or the path of an `.m1q` file; `None`: the one that made them, if it is a shipped one.
    pub model: Option<String>,
    /// Rows that are measured; `None`: all.
    pub rows: Option<usize>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Threads of the CPU.
    pub threads: usize,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self {
            checkpoint: PathBuf::new(),
            data: PathBuf::new(),
            training_data: Vec::new(),
            model: None,
            rows: None,
            device: DeviceChoice::Auto,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl MeasureOptions {
    /// Operations of M1 for a byte.
    fn m1_flops_per_byte(&self, tokens: &shards::Settings) -> Result<f64> {
        let model = self.model.as_deref().or(tokens.model.as_deref()).unwrap_or(equalinfo::DEFAULT_MODEL);
        let model = equalinfo::store::named(model)?;
        let (found, expected) = (format!("{:016x}", model.id()), tokens.model_id.clone().unwrap_or_default());
        if found != expected {
            return Err(TrainError::OtherM1 { expected, name: model.name().to_owned(), found });
        }
        let config = model.config();
        let layer = 4 * config.d * config.d + 3 * config.d * config.ff;
        Ok(2.0 * (config.layers * layer) as f64)
    }
}

/// How well M2 does on tokens, see [`measure`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    /// The method's name in the paper's tables.
    pub method: String,
    /// The model's name.
    pub model: String,
    /// Weights of M2 without its embedding.
    pub parameters: usize,
    /// Steps that it was trained for.
    pub steps: u64,
    /// Tokens in these steps, those of rows seen twice counted twice.
    #[serde(default)]
    pub trained_tokens: u64,
    /// Tokens that were measured, padding excluded.
    pub tokens: u64,
    /// Cross-entropy, the mean over tokens, ends of documents included.
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
    /// With those of M1 and of M2's output, a row for each token of the vocabulary, which the paper leaves out: most of
    /// a small M2 with 65,536 tokens.
    #[serde(default)]
    pub flops_per_byte_with_output: f64,
    /// How often training saw each of its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<f64>,
    /// Bits of the end of a document, which count in [`Self::bits_per_byte`] too; `None` where tokens have no ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_end: Option<f64>,
    /// Bits of each token of a window, by its place in the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bits_by_place: Vec<f64>,
    /// [`Figures::accuracy`] of each token of a window, by its place in the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accuracy_by_place: Vec<f64>,
}

/// A checkpoint, and tokens that belong to it.
pub(super) struct Opened {
    pub checkpoint: Checkpoint,
    pub rows: TokenRows,
    /// What the tokens mean.
    meaning: Meaning,
    /// The SHA-256 of the shards that the checkpoint was trained on.
    trained_on: String,
}

impl Opened {
    pub fn new(options: &MeasureOptions) -> Result<Self> {
        let checkpoint = Checkpoint::load_of(&options.checkpoint, Kind::M2)?;
        let data = [Source::from(&*options.data)];
        let rows = TokenRows::open(&data, 0)?;
        let (meaning, trained_on) = match &checkpoint.state.origin {
            Origin::Tokens { meaning, sha256 } => (meaning.clone(), sha256.clone()),
            Origin::Text { .. } => return Err(TrainError::OtherKind { found: Kind::M1, expected: Kind::M2 }),
        };
        check_meaning("held-out", rows.manifest(), &meaning)?;
        check_vocabulary(&data, &rows.manifest().settings, &checkpoint.state.model)?;
        Ok(Self { checkpoint, rows, meaning, trained_on })
    }
}

/// Measures a checkpoint on tokens.
///
/// # Errors
/// The checkpoint and the tokens do not belong together or cannot be read.
pub fn measure(options: &MeasureOptions) -> Result<Figures> {
    let Opened { checkpoint, rows, meaning, trained_on } = Opened::new(options)?;
    let manifest = rows.manifest().clone();
    let (model, state) = (checkpoint.state.model, checkpoint.state.settings);
    let place = cuda::choose(options.device, 0)?;
    // Nothing is kept for a backward pass.
    let estimate = MemoryEstimate::new(&model, state.optimizer, true, 1);
    let micro_batch = memory::micro_batch(&place, &estimate, options.rows.unwrap_or(usize::MAX), model.context)?;
    let settings = Settings { workers: options.threads, micro_batch, recompute: true, ..state };
    let mut backend =
        backend::open(place, &model, &settings, checkpoint.training.parameters, &Arc::new(Ranks::alone()))?;
    let validation =
        rows.validation(options.rows.unwrap_or(usize::MAX), micro_batch.max(model.context), model.start_symbol())?;
    let tokens_per_window = match &manifest.settings.method {
        TokenMethod::EqualInfo { window_bits, token_bits, .. } if window_bits % token_bits == 0 => {
            (window_bits / token_bits) as usize
        }
        _ => 1,
    };
    let tally = tally(backend.as_mut(), &validation.batches, &model, tokens_per_window, manifest.settings.end())?;
    let ratio = validation.ratio;
    let bits = |nats: f64| nats / std::f64::consts::LN_2 / ratio;
    let parameters = matrices(&model);
    let flops = 2.0 * parameters as f64 / ratio;
    let m1 = if manifest.settings.method.needs_m1() { options.m1_flops_per_byte(&manifest.settings)? } else { 0.0 };
    let output = 2.0 * (model.width() * model.vocabulary) as f64 / ratio;
    let (unigram, epochs) = if options.training_data.is_empty() {
        (None, None)
    } else {
        let training = TokenRows::open(&options.training_data, 0)?;
        check_meaning("training", training.manifest(), &meaning)?;
        let found = training.sha256();
        if found != trained_on {
            let (what, found, expected) = ("tokens", trained_on, found.to_owned());
            return Err(TrainError::OtherText { what, found, expected });
        }
        let rows_seen = checkpoint.state.step as f64 * settings.batch as f64;
        let unigram = bits(tally.unigram_nats(&training.histogram(model.vocabulary)?));
        (Some(unigram), Some(rows_seen / training.pass() as f64))
    };
    let nats_per_token = tally.all().nats_per_token();
    Ok(Figures {
        method: manifest.settings.name,
        model: checkpoint.state.name,
        parameters,
        steps: checkpoint.state.step,
        trained_tokens: checkpoint.state.step * (settings.batch * settings.sequence) as u64,
        tokens: tally.all().tokens,
        nats_per_token,
        token_ratio: ratio,
        bits_per_byte: bits(nats_per_token),
        uniform_bits_per_byte: bits((model.vocabulary as f64).ln()),
        unigram_bits_per_byte: unigram,
        flops_per_byte: flops,
        flops_per_byte_with_m1: flops + m1,
        flops_per_byte_with_output: flops + m1 + output,
        epochs,
        accuracy: tally.all().accuracy(),
        bits_per_end: (tally.ends.tokens > 0).then(|| tally.ends.bits_per_token()),
        bits_by_place: tally.by_place(PlaceSums::bits_per_token),
        accuracy_by_place: tally.by_place(PlaceSums::accuracy),
    })
}

/// Sums over tokens.
#[derive(Debug, Clone, Copy, Default)]
struct PlaceSums {
    nats: f64,
    tokens: u64,
    /// Tokens that were found likelier than any other.
    likeliest: u64,
}

impl PlaceSums {
    fn nats_per_token(self) -> f64 {
        self.nats / self.tokens.max(1) as f64
    }

    fn bits_per_token(self) -> f64 {
        self.nats_per_token() / std::f64::consts::LN_2
    }

    fn accuracy(self) -> f64 {
        self.likeliest as f64 / self.tokens.max(1) as f64
    }
}

/// What was measured.
struct TokenTally {
    histogram: Vec<u64>,
    /// By place in a window.
    places: Vec<PlaceSums>,
    /// Of the ends of documents.
    ends: PlaceSums,
}

impl TokenTally {
    fn all(&self) -> PlaceSums {
        self.places.iter().fold(self.ends, |all, place| PlaceSums {
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
    fn by_place(&self, figure: impl Fn(PlaceSums) -> f64) -> Vec<f64> {
        if self.places.len() > 1 { self.places.iter().copied().map(figure).collect() } else { Vec::new() }
    }
}

fn tally(
    backend: &mut dyn Backend,
    batches: &[Batch],
    model: &ModelConfig,
    places: usize,
    end: Option<u32>,
) -> Result<TokenTally> {
    let places = vec![PlaceSums::default(); places.max(1)];
    let mut tally = TokenTally { histogram: vec![0; model.vocabulary], places, ends: PlaceSums::default() };
    for group in batches.chunks(backend.parallel_batches()) {
        for (batch, losses) in group.iter().zip(backend.losses(group.to_vec())?) {
            let positions = batch.targets.iter().zip(&batch.starts).zip(losses.nats.iter().zip(&losses.logit_gaps));
            // Where the first window of the row, or of the document, begins.
            let mut first = 0;
            for (position, ((&target, &start), (&nats, &gap))) in positions.enumerate() {
                if target == IGNORE {
                    continue;
                }
                tally.histogram[target as usize] += 1;
                first = first.max(start as usize);
                let of_window = (position - first) % tally.places.len();
                let place = if Some(target) == end {
                    first = position + 1;
                    &mut tally.ends
                } else {
                    &mut tally.places[of_window]
                };
                place.nats += f64::from(nats);
                place.tokens += 1;
                place.likeliest += u64::from(gap == 0.0);
            }
        }
    }
    if tally.all().tokens == 0 { Err(TrainError::NoTokens) } else { Ok(tally) }
}
