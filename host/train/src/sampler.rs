//! M2 a token at a time: what follows, with the keys and values of what came before kept.
//!
//! The arithmetic is that of the training graph in f32, in another order; the tests compare them.

use std::sync::Arc;

use multiversion::multiversion;

use super::cpu::vector;
use super::device::{BUCKETS, HEAD};
use super::graph::{ModelConfig, TENSORS_PER_LAYER, Tensor};
use equalinfo::quantize::bucket;
use equalinfo::random::Random;

/// A model and the tokens that it has seen.
pub struct Sampler {
    config: ModelConfig,
    tensors: Vec<Tensor>,
    parameters: Arc<Vec<f32>>,
    /// Keys and values of each layer, a row of `2 d` a token.
    cache: Vec<Vec<f32>>,
    length: usize,
}

/// How a token is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Logits are divided by it; 0 takes the likeliest.
    pub temperature: f32,
    /// Only the likeliest so many, if given.
    pub top_k: Option<usize>,
    /// Only the likeliest that together have this probability (Holtzman et al. 2020).
    pub top_p: f32,
}

impl Sampler {
    /// A model that has seen nothing.
    pub fn new(config: ModelConfig, parameters: impl Into<Arc<Vec<f32>>>) -> Self {
        let cache = vec![Vec::new(); config.layers];
        Self { tensors: config.tensors(), config, parameters: parameters.into(), cache, length: 0 }
    }

    /// The symbol that a context begins with.
    pub fn start_symbol(&self) -> u32 {
        self.config.start_symbol()
    }

    /// Tokens that it can still see.
    pub fn room(&self) -> usize {
        self.config.context - self.length
    }

    /// Forgets what it has seen.
    pub fn reset(&mut self) {
        self.cache.iter_mut().for_each(Vec::clear);
        self.length = 0;
    }

    fn tensor(&self, index: usize) -> &[f32] {
        &self.parameters[self.tensors[index].range()]
    }

    /// Shows a symbol, a token or the start symbol, and returns the logits of the next token. There must be room.
    pub fn push(&mut self, symbol: u32) -> Vec<f32> {
        assert!(self.room() > 0, "a context of {} is full", self.config.context);
        let (d, heads) = (self.config.width(), self.config.heads);
        let row = symbol as usize * d;
        let mut x: Vec<f32> = self.tensor(0)[row..row + d].iter().map(|e| e * (d as f32).sqrt()).collect();
        for layer in 0..self.config.layers {
            let part = |part: usize| 1 + TENSORS_PER_LAYER * layer + part;
            let qkv = product(self.tensor(part(0)), &normalized(&x));
            let (query, key_and_value) = qkv.split_at(d);
            self.cache[layer].extend_from_slice(key_and_value);
            let cached = &self.cache[layer];
            let bias = self.tensor(part(1));
            let mut mixed = vec![0.0; d];
            for head in 0..heads {
                let columns = head * HEAD..(head + 1) * HEAD;
                let scores: Vec<f32> = (0..=self.length)
                    .map(|position| {
                        let key = &cached[position * 2 * d..][columns.clone()];
                        dot(&query[columns.clone()], key) / 8.0 + bias[head * BUCKETS + bucket(self.length - position)]
                    })
                    .collect();
                for (position, weight) in softmax(&scores).into_iter().enumerate() {
                    let value = &cached[position * 2 * d + d..][columns.clone()];
                    mixed[columns.clone()].iter_mut().zip(value).for_each(|(mixed, value)| *mixed += weight * value);
                }
            }
            add(&mut x, &product(self.tensor(part(2)), &mixed));
            let halves = product(self.tensor(part(3)), &normalized(&x));
            let (gate, linear) = halves.split_at(self.config.feed_forward);
            let hidden: Vec<f32> = gate.iter().zip(linear).map(|(gate, linear)| gate.max(0.0) * linear).collect();
            add(&mut x, &product(self.tensor(part(4)), &hidden));
        }
        self.length += 1;
        product(&self.tensor(0)[..self.config.vocabulary * d], &normalized(&x))
    }
}

impl Choice {
    /// Draws one of the tokens that these logits are of.
    pub fn draw(&self, logits: &[f32], random: &mut Random) -> u32 {
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
        if self.temperature <= 0.0 {
            return order[0];
        }
        order.truncate(self.top_k.unwrap_or(order.len()).max(1));
        let scaled: Vec<f32> = order.iter().map(|&token| logits[token as usize] / self.temperature).collect();
        let mut probabilities = softmax(&scaled);
        let mut sum = 0.0;
        let kept = probabilities.iter().take_while(|probability| {
            let more = sum < self.top_p;
            sum += **probability;
            more
        });
        let kept = kept.count().max(1);
        probabilities.truncate(kept);
        let mut place = random.uniform() * probabilities.iter().sum::<f32>();
        for (&token, probability) in order.iter().zip(&probabilities) {
            place -= probability;
            if place < 0.0 {
                return token;
            }
        }
        order[kept - 1]
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    vector::sum2(a, b, |a, b| a * b)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn product(matrix: &[f32], x: &[f32]) -> Vec<f32> {
    matrix.chunks_exact(x.len()).map(|row| dot(row, x)).collect()
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

fn normalized(x: &[f32]) -> Vec<f32> {
    let inverse = 1.0 / (dot(x, x) / x.len() as f32 + 1e-6).sqrt();
    x.iter().map(|x| x * inverse).collect()
}

fn softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::cpu::matmul::Precision;
    use crate::graph::{Batch, DeviceBatch, Graph, initial_parameters};

    #[test]
    fn it_says_what_the_training_graph_says() {
        let config =
            ModelConfig { layers: 2, heads: 2, feed_forward: 64, context: 40, vocabulary: 300, ngrams: Vec::new() };
        let mut random = Random::new(9);
        let mut parameters = initial_parameters(&config, 4);
        parameters.iter_mut().for_each(|parameter| *parameter += 0.05 * random.normal());
        let tokens: Vec<u32> = (0..40).map(|_| random.below(300) as u32).collect();
        let mut batch = Batch::default();
        for (i, &token) in tokens.iter().enumerate() {
            batch.symbols.push(if i == 0 { config.start_symbol() } else { tokens[i - 1] });
            batch.targets.push(token);
            batch.starts.push(0);
        }
        let mut device = Cpu::new(Precision::F32);
        let mut graph = Graph::new(&device, &config, 40);
        let on_device = DeviceBatch::new(&device, &config, &batch);
        let nats = graph.token_losses(&mut device, &parameters, &on_device, None).nats;
        let mut sampler = Sampler::new(config, parameters);
        for ((symbol, target), expected) in batch.symbols.into_iter().zip(tokens).zip(nats) {
            let found = -softmax(&sampler.push(symbol))[target as usize].ln();
            assert!((found - expected).abs() < 1e-3, "{found} and {expected} nats");
        }
        assert_eq!(sampler.room(), 0);
    }

    #[test]
    fn after_a_reset_it_is_as_new() {
        let config =
            ModelConfig { layers: 1, heads: 1, feed_forward: 64, context: 4, vocabulary: 256, ngrams: Vec::new() };
        let mut sampler = Sampler::new(config.clone(), initial_parameters(&config, 2));
        let first = sampler.push(config.start_symbol());
        assert_ne!(sampler.push(7), first);
        sampler.reset();
        assert_eq!((sampler.room(), sampler.push(config.start_symbol())), (4, first));
    }

    #[test]
    fn choices_keep_to_their_limits() {
        let logits = [0.0, 3.0, 2.9, -5.0];
        let mut random = Random::new(1);
        let mut draws = |choice: Choice| -> Vec<u32> {
            let mut seen: Vec<u32> = (0..2000).map(|_| choice.draw(&logits, &mut random)).collect();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        let all = Choice { temperature: 1.0, top_k: None, top_p: 1.0 };
        assert_eq!(draws(all), [0, 1, 2, 3]);
        assert_eq!(draws(Choice { temperature: 0.0, ..all }), [1]);
        assert_eq!(draws(Choice { top_k: Some(2), ..all }), [1, 2]);
        assert_eq!(draws(Choice { top_p: 0.3, ..all }), [1]);
        assert_eq!(draws(Choice { top_p: 0.9, ..all }), [1, 2]);
    }
}
