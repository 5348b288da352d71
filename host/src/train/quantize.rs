//! `quantize`: calibration, quantization-aware fine-tuning and export of a trained M1.
//!
//! `train m1` rounds weights and activations as the integer model does in its last steps, gradients passing straight through, so its checkpoints
//! need no more than export. Others are calibrated (activations get the steps that lose the least on training text) and fine-tuned first.
//! Both models are measured on held-out text at the end, the integer one by the integer code.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use equalinfo_codec::m1::Config;

use super::backend::{self, Holders, MemoryEstimate};
use super::checkpoint::Checkpoint;
use super::data::{Source, Text, held_out, validation_pieces};
use super::model::{ModelConfig, TENSORS_PER_LAYER, Tensor};
use super::optimizer::{LearningRate, Schedule};
use super::run::{DEV_BYTES, DEV_LENGTH, Material, Run, Validation};
use crate::cli::files::{Destination, Output};
use crate::cli::train::QuantizeArguments;
use crate::cuda;
use crate::engine::{Engine, Image};
use crate::quantize::{FloatLayer, FloatM1, quantize};
use crate::ranks::Ranks;

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
    pub steps: u64,
    pub learning_rate: f32,
}

/// What came of it, in bits/byte of held-out text with a sliding context.
pub struct Outcome {
    pub image: Vec<u8>,
    /// The float model before fine-tuning.
    pub before: f64,
    /// The float model that was quantized: its weights and activations not rounded.
    pub float: f64,
    /// The integer model, by the integer code.
    pub integer: f64,
}

/// Calibrates, fine-tunes for `steps` and exports a run's model; `report` is told the step and the bits/byte of the simulated integer model.
pub fn export(
    run: &mut Run,
    name: &str,
    tuning: FineTuning,
    dev: &Text,
    mut report: impl FnMut(u64, f64),
) -> Result<Outcome> {
    let FineTuning { steps, learning_rate } = tuning;
    let before = run.validate(false)?;
    let schedule =
        LearningRate { schedule: Schedule::Constant, peak: learning_rate, warm_up: WARM_UP, steps, decay_steps: steps };
    run.fine_tune(schedule, |run| {
        let step = run.step();
        if step.is_multiple_of(REPORT_EVERY) || step == steps {
            report(step, run.validate(true)?);
        }
        Ok(())
    })?;
    let float = if steps == 0 { before } else { run.validate(false)? };
    let scales = run.activation_scales()?;
    let image = quantize(&float_model(&run.model, &run.backend.state(Holders::First)?.parameters, name), &scales)?;
    let integer = run.ranks.by_first(|| integer_bits_per_byte(&image, dev))?;
    Ok(Outcome { image, before, float, integer })
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
    FloatM1 {
        config: dimensions(model),
        name: name.to_owned(),
        embedding: values(&tensors[0]),
        layers: layers.collect(),
    }
}

/// The parameters of an exporter's model, in the trainer's order.
pub fn parameters(float: &FloatM1) -> Vec<f32> {
    let mut parameters = float.embedding.clone();
    for FloatLayer { qkv, bias, out, gate, linear, down } in &float.layers {
        [qkv, bias, out, gate, linear, down].into_iter().for_each(|tensor| parameters.extend(tensor));
    }
    parameters
}

/// Bits/byte of held-out text by the integer code: what arithmetic coding would spend, each document from an empty context that slides.
pub fn integer_bits_per_byte(image: &[u8], dev: &Text) -> Result<f64> {
    let engine = Engine::new(Arc::new(Image::from_bytes(image.to_vec())?))?;
    let (mut bits, mut bytes) = (0.0, 0usize);
    for piece in validation_pieces(dev, DEV_BYTES, DEV_LENGTH) {
        engine.trace(piece, engine.config().context, |position, frequencies| {
            bits += 16.0 - f64::from(frequencies.count(piece[position])).log2();
        })?;
        bytes += piece.len();
    }
    Ok(bits / bytes.max(1) as f64)
}

/// `equalinfo quantize`.
pub fn run(arguments: &QuantizeArguments) -> Result<()> {
    let checkpoint = Checkpoint::load(&arguments.checkpoint)?;
    let text = Text::read(&arguments.reading.corpus(&arguments.corpus)?)?;
    let (dev, text) = held_out(&arguments.dev, &arguments.reading, text)?;
    let state = checkpoint.state.clone();
    let name = arguments.name.clone().unwrap_or(state.name);
    let mut settings = state.settings;
    settings.workers = arguments.threads.count();
    settings.seed = arguments.seed;
    settings.window_text = WINDOW_TEXT;
    let source =
        Source { text, messages: Text::default(), windows: Vec::new(), mix: settings.mix, seed: settings.seed };
    let steps = arguments.steps.unwrap_or(if state.scales.is_some() { 0 } else { STEPS });
    let parameters = checkpoint.training.parameters;
    let ranks = Arc::new(Ranks::alone());
    let place = cuda::choose(arguments.device, 0)?;
    let estimate = MemoryEstimate::new(&state.model, settings.optimizer, settings.recompute, 1);
    settings.micro_batch = backend::micro_batch(&place, &estimate, settings.batch, settings.sequence)?;
    let backend = backend::open(place, &state.model, &settings, parameters, &ranks)?;
    let validation = Validation::of_text(&dev, &state.model, &settings);
    let mut run = Run::new(&name, state.model, settings, Material::Text(source), validation, backend, ranks);
    run.scales = state.scales.clone().map(Arc::new);
    if steps > 0 && run.settings.mix.windows > 0.0 {
        run.cut_windows()?;
    }
    export_to(
        &mut run,
        &name,
        FineTuning { steps, learning_rate: arguments.learning_rate },
        &dev,
        &arguments.output,
        arguments.force,
        arguments.verbosity.quiet,
    )
}

/// [`export`] with reports on stderr and the image in a file.
pub fn export_to(
    run: &mut Run,
    name: &str,
    tuning: FineTuning,
    dev: &Text,
    path: &Path,
    force: bool,
    quiet: bool,
) -> Result<()> {
    let is_first = run.ranks.is_first();
    let report = |step: u64, bits: f64| {
        if !quiet && is_first {
            eprintln!("{name} fine-tuning step {step}: dev {bits:.4} bits/byte");
        }
    };
    let Outcome { image, before, float, integer } = export(run, name, tuning, dev, report)?;
    if !is_first {
        return Ok(());
    }
    let mut output = Output::create(&Destination::from_argument(path), force, true)?;
    output.write_all(&image)?;
    output.finish(None)?;
    if !quiet {
        eprintln!(
            "{}: {} bytes; dev: {}float {float:.4}, integer {integer:.4} bits/byte",
            path.display(),
            image.len(),
            if tuning.steps > 0 { format!("before fine-tuning {before:.4}, ") } else { String::new() }
        );
    }
    Ok(())
}
