//! Calibration, quantization-aware fine-tuning and export of a trained M1.
//!
//! `train m1` rounds weights and activations as the integer model does in its last steps, gradients passing straight through, so its checkpoints
//! need no more than export. Others are calibrated (activations get the steps that lose the least on training text) and fine-tuned first.
//! Both models are measured on held-out text at the end, the integer one by the integer code.

use std::path::PathBuf;
use std::sync::Arc;

use equalinfo_codec::m1::Config;

use super::backend::memory::{self, MemoryEstimate};
use super::backend::{self, Gather};
use super::checkpoint::{Checkpoint, Kind};
use super::data::{Source, Text, held_out, validation_pieces};
use super::graph::{ModelConfig, TENSORS_PER_LAYER, Tensor};
use super::observer::{Event, Observer};
use super::optimizer::{LearningRate, Schedule};
use super::run::{TrainingData, TrainingRun};
use super::settings::DEV_LENGTH;
use super::validation::{DEV_BYTES, Validation};
use crate::error::{Result, TrainError};
use crate::ranks::Ranks;
use equalinfo::corpus::Corpus;
use equalinfo::cuda::{self, DeviceChoice};
use equalinfo::engine::{Engine, Image};
use equalinfo::quantize::{FloatLayer, FloatM1, FloatTable, quantize_model};

/// Peak learning rate of fine-tuning: high enough that weights move to where rounding hurts less.
pub const LEARNING_RATE: f32 = 2e-3;
const WARM_UP: u64 = 50;
/// Text that is cut into windows for fine-tuning, in bytes: cutting costs as much as training on a third of it.
const WINDOW_TEXT: usize = 3_000_000;
const REPORT_EVERY: u64 = 250;
/// Steps of fine-tuning unless the user says otherwise.
pub const STEPS: u64 = 1500;

/// Quantization-aware fine-tuning: the learning rate falls linearly from its peak.
#[derive(Clone, Copy, Debug)]
pub struct FineTuning {
    /// Steps of the optimizer; 0 leaves the model as it is.
    pub steps: u64,
    /// Peak learning rate.
    pub learning_rate: f32,
}

/// What came of it, in bits per byte of held-out text with a sliding context.
#[derive(Debug, Clone)]
pub struct IntegerModel {
    /// The `.m1q` image.
    pub image: Vec<u8>,
    /// Steps of fine-tuning.
    pub steps: u64,
    /// The float model before fine-tuning.
    pub before: f64,
    /// The float model that was quantized: its weights and activations not rounded.
    pub float: f64,
    /// The integer model, by the integer code.
    pub integer: f64,
}

/// Calibrates, fine-tunes for `steps` and exports a run's model; the observer is told the bits/byte of the simulated integer model.
///
/// # Errors
/// A device or a rank fails, or the weights cannot be quantized.
pub fn export(
    run: &mut TrainingRun,
    name: &str,
    tuning: FineTuning,
    dev: &Text,
    observer: &mut dyn Observer,
) -> Result<IntegerModel> {
    let FineTuning { steps, learning_rate } = tuning;
    let before = run.validate(false)?;
    let schedule =
        LearningRate { schedule: Schedule::Constant, peak: learning_rate, warm_up: WARM_UP, steps, decay_steps: steps };
    let float = if steps == 0 {
        before
    } else {
        run.fine_tune(schedule, |run| {
            let step = run.step();
            if step.is_multiple_of(REPORT_EVERY) || step == steps {
                let bits_per_byte = run.validate(true)?;
                observer.event(&Event::FineTuned { step, bits_per_byte });
            }
            Ok(())
        })?;
        run.validate(false)?
    };
    let scales = run.activation_scales()?;
    let float_model = float_model(&run.model, &run.backend.state(Gather::First)?.parameters, name);
    let image = quantize_model(&float_model, &scales)?;
    let integer = run.ranks.by_first(|| integer_bits_per_byte(&image, dev))?;
    Ok(IntegerModel { image, steps, before, float, integer })
}

fn dimensions(model: &ModelConfig) -> Config {
    Config {
        d: model.width(),
        ff: model.feed_forward,
        context: model.context,
        layers: model.layers,
        heads: model.heads,
    }
}

/// The parameters in the exporter's form.
pub fn float_model(model: &ModelConfig, parameters: &[f32], name: &str) -> FloatM1 {
    let tensors = model.tensors();
    let values = |tensor: &Tensor| parameters[tensor.range()].to_vec();
    let half = model.feed_forward * model.width();
    let layers = tensors[1..].chunks_exact(TENSORS_PER_LAYER).map(|layer| {
        let [qkv, bias, out, gate_linear, down] = std::array::from_fn(|i| values(&layer[i]));
        let (gate, linear) = gate_linear.split_at(half);
        FloatLayer { qkv, bias, out, gate: gate.to_vec(), linear: linear.to_vec(), down }
    });
    // All tables are one tensor, the last.
    let mut rows = tensors.last().map_or(0, |tensor| tensor.offset);
    let ngrams = model.ngrams.iter().map(|table| {
        let first = rows;
        rows += table.rows * model.width();
        FloatTable { order: table.order, values: parameters[first..rows].to_vec() }
    });
    let ngrams = ngrams.collect();
    FloatM1 {
        config: dimensions(model),
        name: name.to_owned(),
        embedding: values(&tensors[0]),
        layers: layers.collect(),
        ngrams,
    }
}

/// The parameters of an exporter's model, in the trainer's order.
pub fn parameters(float: &FloatM1) -> Vec<f32> {
    let mut parameters = float.embedding.clone();
    for FloatLayer { qkv, bias, out, gate, linear, down } in &float.layers {
        [qkv, bias, out, gate, linear, down].into_iter().for_each(|tensor| parameters.extend(tensor));
    }
    float.ngrams.iter().for_each(|table| parameters.extend(&table.values));
    parameters
}

/// Bits/byte of held-out text by the integer code: what arithmetic coding would spend, each document from an empty context that slides.
///
/// # Errors
/// The bytes are no image, or `EQUALINFO_SIMD` names no path of this processor.
pub fn integer_bits_per_byte(image: &[u8], dev: &Text) -> Result<f64> {
    let image = Image::from_bytes(image.to_vec()).map_err(TrainError::library)?;
    let engine = Engine::new(Arc::new(image)).map_err(TrainError::library)?;
    let (mut bits, mut bytes) = (0.0, 0usize);
    for piece in validation_pieces(dev, DEV_BYTES, DEV_LENGTH) {
        let traced = engine.trace(piece, engine.config().context, |position, frequencies| {
            bits += 16.0 - f64::from(frequencies.count(piece[position])).log2();
        });
        traced.map_err(TrainError::library)?;
        bytes += piece.len();
    }
    Ok(bits / bytes.max(1) as f64)
}

/// How a checkpoint of M1 becomes an integer model; [`Default`] names no checkpoint and no text.
#[derive(Debug, Clone)]
pub struct QuantizeOptions {
    /// Checkpoint of M1 (`.safetensors`).
    pub checkpoint: PathBuf,
    /// Text to calibrate and fine-tune on.
    pub corpus: Corpus,
    /// Held-out text to measure both models on; `None`: every 100th document of the corpus.
    pub dev: Option<Corpus>,
    /// Name inside the model, at most 16 ASCII characters; `None`: the checkpoint's.
    pub name: Option<String>,
    /// Steps of quantization-aware fine-tuning; `None`: [`STEPS`], or none where training already rounded.
    pub steps: Option<u64>,
    /// Learning rate at the beginning of fine-tuning, which falls to nothing.
    pub learning_rate: f32,
    /// Decides the order of the text.
    pub seed: u64,
    /// Where to calibrate and fine-tune.
    pub device: DeviceChoice,
    /// Threads of the CPU.
    pub threads: usize,
}

impl Default for QuantizeOptions {
    fn default() -> Self {
        Self {
            checkpoint: PathBuf::new(),
            corpus: Corpus::default(),
            dev: None,
            name: None,
            steps: None,
            learning_rate: LEARNING_RATE,
            seed: 1,
            device: DeviceChoice::Auto,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// The integer model of a checkpoint.
///
/// # Errors
/// The checkpoint or the text cannot be read, a device fails, or the weights cannot be quantized.
pub fn quantize_checkpoint(options: &QuantizeOptions, observer: &mut dyn Observer) -> Result<IntegerModel> {
    let checkpoint = Checkpoint::load_of(&options.checkpoint, Kind::M1)?;
    let (dev, text) = held_out(options.dev.as_ref(), Text::read(&options.corpus)?)?;
    let state = checkpoint.state.clone();
    let name = options.name.clone().unwrap_or(state.name);
    let mut settings = state.settings;
    settings.workers = options.threads;
    settings.seed = options.seed;
    settings.window_text = WINDOW_TEXT;
    let source =
        Source { text, messages: Text::default(), windows: Vec::new(), mix: settings.mix, seed: settings.seed };
    let steps = options.steps.unwrap_or(if state.scales.is_some() { 0 } else { STEPS });
    let parameters = checkpoint.training.parameters;
    let ranks = Arc::new(Ranks::alone());
    let place = cuda::choose(options.device, 0)?;
    let estimate = MemoryEstimate::new(&state.model, settings.optimizer, settings.recompute, 1);
    settings.micro_batch = memory::micro_batch(&place, &estimate, settings.batch, settings.sequence)?;
    let backend = backend::open(place, &state.model, &settings, parameters, &ranks)?;
    let validation = Validation::of_text(&dev, &state.model, &settings);
    let mut run =
        TrainingRun::new(&name, state.model, settings, TrainingData::Text(source), validation, backend, ranks);
    run.scales = state.scales.clone().map(Arc::new);
    if steps > 0 && run.settings.mix.windows > 0.0 {
        run.cut_windows()?;
    }
    export(&mut run, &name, FineTuning { steps, learning_rate: options.learning_rate }, &dev, observer)
}
