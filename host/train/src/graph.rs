//! The transformer as a training graph: parameters in one buffer, explicit forward and backward.
//!
//! `x = sqrt(d) E[symbol]`; per layer `x += W_o attention(norm(x))` and `x += W_down reglu(norm(x))`; between the two
//! of the first layer `x += sqrt(d) T[row]` for each n-gram table, whose row the last symbols say: so late, because
//! then what the first layer keeps of a symbol still depends on that symbol alone. Logits `E norm(x)`. RMSNorm has no
//! gain: a gain in front of a matrix is part of that matrix. In quantization-aware mode the weights are those that the
//! integer model will hold and activations are rounded where it rounds them, gradients passing straight through.

mod batch;
mod model;

use super::device::*;
use equalinfo::quantize::{ActivationScales, LayerScales, step_for};

pub use batch::{BadBatch, Batch, DeviceBatch};
pub use model::{ModelConfig, NgramTable, TENSORS_PER_LAYER, Tensor, TensorKind, initial_parameters};

/// The integer model's output gives every byte at least 2 of 65,536 shares: its loss is taken after that.
fn objective(scales: Option<&ActivationScales>, z_loss: f32) -> Objective {
    Objective { z_loss, floor: if scales.is_some() { 2.0 / 65536.0 } else { 0.0 } }
}

/// Step of a norm's int8 output.
fn norm_step(clip: f32) -> f32 {
    clip / 127.0
}

/// Steps of queries, keys and values.
fn qkv_steps(scales: &LayerScales) -> [f32; 3] {
    [scales.query, scales.key, scales.value]
}

/// What a layer leaves for its gradients, besides its input.
struct Layer<B> {
    inverse: B,
    a: B,
    qkv: B,
    lse: B,
    o: B,
    middle: B,
    middle_inverse: B,
    middle_a: B,
    gate_linear: B,
    h: B,
}

/// What a forward pass tells those who round it.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Steps of the activations.
    pub scales: ActivationScales,
    /// Root mean square of each feed-forward activation of each layer.
    pub hidden: Vec<Vec<f32>>,
}

/// The graph with its activations, for batches of up to a fixed number of tokens.
pub struct Graph<D: Device> {
    config: ModelConfig,
    tensors: Vec<Tensor>,
    capacity: usize,
    /// The input of each layer, and the output of the last.
    x: Vec<D::Buffer>,
    /// One a layer; or one for all, so that the backward pass computes each layer's once more.
    layers: Vec<Layer<D::Buffer>>,
    inverse: D::Buffer,
    a: D::Buffer,
    dx: D::Buffer,
    da: D::Buffer,
    dqkv: D::Buffer,
    dh: D::Buffer,
    dgate_linear: D::Buffer,
}

impl<D: Device> Graph<D> {
    /// A graph that keeps all activations for the backward pass.
    pub fn new(device: &D, config: &ModelConfig, capacity: usize) -> Self {
        Self::keeping(device, config, capacity, config.layers)
    }

    /// A graph that keeps the layers' inputs alone and computes the rest once more for the backward pass: less memory, a third more work.
    pub fn recomputing(device: &D, config: &ModelConfig, capacity: usize) -> Self {
        Self::keeping(device, config, capacity, config.layers.min(1))
    }

    /// `kept`: how many layers' activations there is room for.
    fn keeping(device: &D, config: &ModelConfig, capacity: usize, kept: usize) -> Self {
        let (d, ff) = (config.width(), config.feed_forward);
        let rows = |width: usize| device.zeros(capacity * width);
        let activations = |width: usize| device.activations(capacity * width);
        let layers = (0..kept)
            .map(|_| Layer {
                inverse: rows(1),
                a: activations(d),
                qkv: activations(3 * d),
                lse: rows(config.heads),
                o: activations(d),
                middle: rows(d),
                middle_inverse: rows(1),
                middle_a: activations(d),
                gate_linear: activations(2 * ff),
                h: activations(ff),
            })
            .collect();
        Self {
            config: config.clone(),
            tensors: config.tensors(),
            capacity,
            x: (0..=config.layers).map(|_| rows(d)).collect(),
            layers,
            inverse: rows(1),
            a: activations(d),
            dx: device.paired(capacity * d),
            da: activations(d),
            dqkv: activations(3 * d),
            dh: activations(ff),
            dgate_linear: activations(2 * ff),
        }
    }

    /// The sizes of its model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Factor of the embedding and of n-gram rows.
    fn root(&self) -> f32 {
        (self.config.width() as f32).sqrt()
    }

    /// Offset of tensor `index` of `layer`.
    fn offset(&self, layer: usize, index: usize) -> usize {
        self.tensors[1 + TENSORS_PER_LAYER * layer + index].offset
    }

    fn linear_shape(&self, tokens: usize, inputs: usize, outputs: usize) -> LinearShape {
        LinearShape { tokens, inputs, outputs }
    }

    fn attention_shape(&self, tokens: usize) -> AttentionShape {
        AttentionShape { tokens, heads: self.config.heads, context: self.config.context }
    }

    fn output_shape(&self, tokens: usize) -> LinearShape {
        self.linear_shape(tokens, self.config.width(), self.config.vocabulary)
    }

    /// Runs the layers; leaves the normalized output in `self.a`. With `scales`, activations are rounded as the integer model does.
    fn forward(
        &mut self,
        device: &mut D,
        parameters: &D::Buffer,
        batch: &DeviceBatch<D>,
        scales: Option<&ActivationScales>,
    ) {
        let tokens = batch.tokens;
        assert!(tokens <= self.capacity, "{tokens} tokens in a graph for {}", self.capacity);
        let d = self.config.width();
        device.embed(d, &batch.symbols, At(parameters, 0), self.root(), &mut self.x[0], false);
        for index in 0..self.config.layers {
            self.forward_layer(device, parameters, batch, scales, index, true);
        }
        device.rms_norm(d, tokens, &self.x[self.config.layers], &mut self.a, &mut self.inverse);
        if let Some(scales) = scales {
            device.fake_quantize(tokens, d, 0..d, norm_step(scales.output_clip), &mut self.a);
        }
    }

    /// Where a layer's activations are.
    fn place(&self, index: usize) -> usize {
        index % self.layers.len()
    }

    /// Runs a layer on its input; `whole`: up to the input of the next.
    fn forward_layer(
        &mut self,
        device: &mut D,
        parameters: &D::Buffer,
        batch: &DeviceBatch<D>,
        scales: Option<&ActivationScales>,
        index: usize,
        whole: bool,
    ) {
        let tokens = batch.tokens;
        let (d, ff) = (self.config.width(), self.config.feed_forward);
        let [w_qkv, bias, w_out, w_gate_linear, w_down] =
            std::array::from_fn(|i| At(parameters, self.offset(index, i)));
        let shape = self.attention_shape(tokens);
        let [to_qkv, to_d, to_ff, from_ff] =
            [(d, 3 * d), (d, d), (d, 2 * ff), (ff, d)].map(|(i, o)| self.linear_shape(tokens, i, o));
        let scales = scales.map(|scales| &scales.layers[index]);
        let (place, root) = (self.place(index), self.root());
        let layer = &mut self.layers[place];
        let (before, after) = self.x.split_at_mut(index + 1);
        let (x, next) = (&before[index], &mut after[0]);

        device.rms_norm(d, tokens, x, &mut layer.a, &mut layer.inverse);
        if let Some(scales) = scales {
            device.fake_quantize(tokens, d, 0..d, norm_step(scales.attention_clip), &mut layer.a);
        }
        device.linear(to_qkv, &layer.a, w_qkv, &mut layer.qkv);
        if let Some(scales) = scales {
            for (part, step) in qkv_steps(scales).into_iter().enumerate() {
                device.fake_quantize(tokens, 3 * d, part * d..(part + 1) * d, step, &mut layer.qkv);
            }
        }
        let input = AttentionInput { qkv: &layer.qkv, bias, starts: &batch.starts };
        device.attention(shape, input, &mut layer.o, &mut layer.lse);
        if let Some(scales) = scales {
            device.fake_quantize(tokens, d, 0..d, scales.mixed, &mut layer.o);
        }
        device.linear_residual(to_d, &layer.o, w_out, x, &mut layer.middle);
        if index == 0 {
            let table = At(parameters, ngrams_offset(&self.tensors));
            batch.ngrams.iter().for_each(|rows| device.embed(d, rows, table, root, &mut layer.middle, true));
        }

        device.rms_norm(d, tokens, &layer.middle, &mut layer.middle_a, &mut layer.middle_inverse);
        if let Some(scales) = scales {
            device.fake_quantize(tokens, d, 0..d, norm_step(scales.feed_forward_clip), &mut layer.middle_a);
        }
        device.linear_reglu(to_ff, &layer.middle_a, w_gate_linear, &mut layer.gate_linear, &mut layer.h);
        if let Some(scales) = scales {
            device.fake_quantize(tokens, ff, 0..ff, scales.hidden, &mut layer.h);
        }
        if whole {
            device.linear_residual(from_ff, &layer.h, w_down, &layer.middle, next);
        }
    }

    /// Adds the loss to the device's report.
    pub fn evaluate(
        &mut self,
        device: &mut D,
        parameters: &D::Buffer,
        batch: &DeviceBatch<D>,
        scales: Option<&ActivationScales>,
    ) {
        self.forward(device, parameters, batch, scales);
        let (shape, objective) = (self.output_shape(batch.tokens), objective(scales, 0.0));
        device.cross_entropy(shape, &self.a, At(parameters, 0), &batch.targets, objective, None);
    }

    /// What every position costs.
    pub fn token_losses(
        &mut self,
        device: &mut D,
        parameters: &D::Buffer,
        batch: &DeviceBatch<D>,
        scales: Option<&ActivationScales>,
    ) -> TokenLosses {
        self.forward(device, parameters, batch, scales);
        device.token_losses(self.output_shape(batch.tokens), &self.a, At(parameters, 0), &batch.targets)
    }

    /// Adds the loss to the device's report, and gradients times `gradient_scale` to `gradients`.
    #[allow(clippy::too_many_arguments)]
    pub fn train(
        &mut self,
        device: &mut D,
        parameters: &D::Buffer,
        gradients: &mut D::Buffer,
        batch: &DeviceBatch<D>,
        scales: Option<&ActivationScales>,
        z_loss: f32,
        gradient_scale: f32,
    ) {
        self.forward(device, parameters, batch, scales);
        let tokens = batch.tokens;
        let (d, ff) = (self.config.width(), self.config.feed_forward);
        let output = self.output_shape(tokens);
        let gradient = CrossEntropyGradient { scale: gradient_scale, dx: &mut self.da, dw: AtMut(gradients, 0) };
        let objective = objective(scales, z_loss);
        device.cross_entropy(output, &self.a, At(parameters, 0), &batch.targets, objective, Some(gradient));
        if let Some(scales) = scales {
            device.fake_quantize_backward(tokens, d, 0..d, norm_step(scales.output_clip), &self.a, &mut self.da);
        }
        let (last, root) = (self.config.layers, self.root());
        device.rms_norm_backward(d, tokens, &self.x[last], &self.inverse, &self.da, &mut self.dx, false);
        for index in (0..last).rev() {
            if self.layers.len() < last && index + 1 < last {
                self.forward_layer(device, parameters, batch, scales, index, false);
            }
            let offsets: [usize; 5] = std::array::from_fn(|i| self.offset(index, i));
            let [w_qkv, bias, w_out, w_gate_linear, w_down] = offsets.map(|offset| At(parameters, offset));
            let shape = self.attention_shape(tokens);
            let [to_qkv, to_d, to_ff, from_ff] =
                [(d, 3 * d), (d, d), (d, 2 * ff), (ff, d)].map(|(i, o)| self.linear_shape(tokens, i, o));
            let scales = scales.map(|scales| &scales.layers[index]);
            let layer = &self.layers[self.place(index)];

            device.linear_backward_weight(from_ff, &self.dx, &layer.h, AtMut(gradients, offsets[4]));
            let (dh, dgate_linear) = (&mut self.dh, &mut self.dgate_linear);
            if let Some(scales) = scales {
                device.linear_backward_input(from_ff, &self.dx, w_down, dh);
                device.fake_quantize_backward(tokens, ff, 0..ff, scales.hidden, &layer.h, dh);
                device.reglu_backward(ff, tokens, &layer.gate_linear, dh, dgate_linear);
            } else {
                device.linear_backward_reglu(from_ff, &self.dx, w_down, &layer.gate_linear, dh, dgate_linear);
            }
            device.linear_backward_weight(to_ff, &self.dgate_linear, &layer.middle_a, AtMut(gradients, offsets[3]));
            device.linear_backward_input(to_ff, &self.dgate_linear, w_gate_linear, &mut self.da);
            if let Some(scales) = scales {
                device.fake_quantize_backward(
                    tokens,
                    d,
                    0..d,
                    norm_step(scales.feed_forward_clip),
                    &layer.middle_a,
                    &mut self.da,
                );
            }
            device.rms_norm_backward(d, tokens, &layer.middle, &layer.middle_inverse, &self.da, &mut self.dx, true);

            if index == 0 {
                for rows in &batch.ngrams {
                    let table = AtMut(&mut *gradients, ngrams_offset(&self.tensors));
                    device.embed_backward(d, rows, &self.dx, root, table);
                }
            }
            device.linear_backward_weight(to_d, &self.dx, &layer.o, AtMut(gradients, offsets[2]));
            device.linear_backward_input(to_d, &self.dx, w_out, &mut self.da);
            if let Some(scales) = scales {
                device.fake_quantize_backward(tokens, d, 0..d, scales.mixed, &layer.o, &mut self.da);
            }
            let input = AttentionInput { qkv: &layer.qkv, bias, starts: &batch.starts };
            let (out, dbias) = (scales.is_none().then_some(&layer.o), AtMut(gradients, offsets[1]));
            device.attention_backward(shape, input, out, &layer.lse, &self.da, &mut self.dqkv, dbias);
            if let Some(scales) = scales {
                for (part, step) in qkv_steps(scales).into_iter().enumerate() {
                    device.fake_quantize_backward(
                        tokens,
                        3 * d,
                        part * d..(part + 1) * d,
                        step,
                        &layer.qkv,
                        &mut self.dqkv,
                    );
                }
            }
            device.linear_backward_weight(to_qkv, &self.dqkv, &layer.a, AtMut(gradients, offsets[0]));
            device.linear_backward_input(to_qkv, &self.dqkv, w_qkv, &mut self.da);
            if let Some(scales) = scales {
                device.fake_quantize_backward(
                    tokens,
                    d,
                    0..d,
                    norm_step(scales.attention_clip),
                    &layer.a,
                    &mut self.da,
                );
            }
            device.rms_norm_backward(d, tokens, &self.x[index], &layer.inverse, &self.da, &mut self.dx, true);
        }
        device.embed_backward(d, &batch.symbols, &self.dx, self.root(), AtMut(gradients, 0));
    }

    /// What the last forward pass tells about its activations.
    ///
    /// # Panics
    /// The graph does not keep all activations.
    pub fn calibration(&self, device: &D, tokens: usize) -> Calibration {
        assert_eq!(self.layers.len(), self.config.layers, "activations of all layers");
        let ff = self.config.feed_forward;
        let hidden = self.layers.iter().map(|layer| {
            let values = device.read(At(&layer.h, 0), tokens * ff);
            let mut squares = vec![0f64; ff];
            values
                .chunks_exact(ff)
                .for_each(|row| squares.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(v * v)));
            squares.into_iter().map(|sum| (sum / tokens as f64).sqrt() as f32).collect()
        });
        Calibration { hidden: hidden.collect(), scales: self.activation_scales(device, tokens) }
    }

    /// Steps for the activations of the last forward pass that lose the least in the square mean.
    fn activation_scales(&self, device: &D, tokens: usize) -> ActivationScales {
        let (d, ff) = (self.config.width(), self.config.feed_forward);
        let values = |buffer: &D::Buffer, stride: usize, columns: std::ops::Range<usize>| -> Vec<f32> {
            let values = device.read(At(buffer, 0), tokens * stride);
            // Rows evenly from all over the batch: more would not change what suits them.
            let rows = values.chunks_exact(stride).step_by((tokens / ROWS_MEASURED).max(1));
            rows.flat_map(|row| &row[columns.clone()]).copied().collect()
        };
        let step = |buffer: &D::Buffer, stride, columns| best_step(&values(buffer, stride, columns));
        let layers = self.layers.iter().map(|layer| {
            let halves = values(&layer.gate_linear, 2 * ff, 0..2 * ff);
            // 16 bits have room: twice the range that was seen.
            let wide = step_for(2.0 * largest(&halves), 32767.0);
            LayerScales {
                attention_clip: 127.0 * step(&layer.a, d, 0..d),
                query: step(&layer.qkv, 3 * d, 0..d),
                key: step(&layer.qkv, 3 * d, d..2 * d),
                value: step(&layer.qkv, 3 * d, 2 * d..3 * d),
                mixed: step(&layer.o, d, 0..d),
                feed_forward_clip: 127.0 * step(&layer.middle_a, d, 0..d),
                gate: wide,
                linear: wide,
                hidden: step(&layer.h, ff, 0..ff),
            }
        });
        ActivationScales { layers: layers.collect(), output_clip: 127.0 * step(&self.a, d, 0..d) }
    }
}

/// Where the n-gram tables begin, if there are any: they are the last tensor.
fn ngrams_offset(tensors: &[Tensor]) -> usize {
    tensors.last().map_or(0, |tensor| tensor.offset)
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, v| largest.max(v.abs()))
}

/// The step with the least square error: finer steps round better and clamp more.
fn best_step(values: &[f32]) -> f32 {
    let coarsest = (largest(values) / 127.0).max(f32::MIN_POSITIVE);
    let error = |step: f32| {
        let errors = values.iter().map(|v| f64::from(v - step * (v / step).round_ties_even().clamp(-127.0, 127.0)));
        errors.map(|e| e * e).sum::<f64>()
    };
    let candidates = (0..STEPS_TRIED).map(|fourth| coarsest * (-0.25 * fourth as f32).exp2());
    let measured = candidates.map(|step| (step, error(step)));
    measured.min_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(coarsest, |(step, _)| step)
}

/// Rows of activations that a step is chosen by, about.
const ROWS_MEASURED: usize = 2048;

/// Steps that calibration tries, a fourth of an octave apart.
const STEPS_TRIED: usize = 12;
