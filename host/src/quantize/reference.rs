//! The float model in plain `f64` loops, for tests: the reference that the integer model must track.

use equalinfo_codec::m1::Config;
use equalinfo_codec::m1::ngrams::{self, History};

use super::{ActivationScales, FloatLayer, FloatM1, FloatTable, LayerScales, bucket, step_for};
use crate::random::Random;

/// A model with random weights of the magnitude that training produces, so that its distributions are far from uniform.
pub fn random_model(config: Config, seed: u64) -> FloatM1 {
    let mut random = Random::new(seed);
    let Config { d, ff, layers, heads, .. } = config;
    let mut normal =
        |count: usize, deviation: f64| -> Vec<f32> { (0..count).map(|_| random.normal() * deviation as f32).collect() };
    let inverse = |n: usize| 1.0 / (n as f64).sqrt();
    FloatM1 {
        config,
        name: "random".into(),
        embedding: normal(257 * d, 1.3 * inverse(d)),
        layers: (0..layers)
            .map(|_| FloatLayer {
                qkv: normal(3 * d * d, 1.3 * inverse(d)),
                bias: normal(heads * 32, 1.0),
                out: normal(d * d, 1.5 * inverse(d)),
                gate: normal(ff * d, inverse(d)),
                linear: normal(ff * d, inverse(d)),
                down: normal(d * ff, 1.5 * inverse(ff)),
            })
            .collect(),
        ngrams: [(2, 90), (5, 33)]
            .map(|(order, rows)| FloatTable { order, values: normal(rows * d, 0.3 * inverse(d)) })
            .into(),
    }
}

/// Text-like bytes: a few letters occur far more often than the rest.
pub fn random_text(length: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..length)
        .map(|_| if random.below(8) == 0 { random.below(256) as u8 } else { b'a' + random.below(6) as u8 })
        .collect()
}

/// The largest magnitudes seen in a layer.
#[derive(Clone, Default)]
struct Maxima {
    query: f64,
    key: f64,
    value: f64,
    mixed: f64,
    gate: f64,
    linear: f64,
    hidden: f64,
}

fn grow(largest: &mut f64, values: &[f64]) {
    *largest = values.iter().fold(*largest, |largest, value| largest.max(value.abs()));
}

fn rmsnorm(x: &[f64]) -> Vec<f64> {
    let square = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    x.iter().map(|x| x / (square + 1e-6).sqrt()).collect()
}

fn matvec(matrix: &[f32], x: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum()).collect()
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// The probabilities of the next byte after the begin symbol and after each byte of `text`, and scales that fit the
/// values seen.
pub fn forward(model: &FloatM1, text: &[u8], context: usize) -> (Vec<Vec<f64>>, ActivationScales) {
    let Config { d, layers, heads, .. } = model.config;
    let mut maxima = vec![Maxima::default(); layers];
    let mut cache: Vec<Vec<(Vec<f64>, Vec<f64>)>> = vec![Vec::new(); layers];
    let mut probabilities = Vec::new();
    let mut history = History::new();
    for symbol in std::iter::once(256).chain(text.iter().map(|byte| usize::from(*byte))) {
        let row = &model.embedding[symbol * d..][..d];
        let mut x: Vec<f64> = row.iter().map(|e| f64::from(*e) * (d as f64).sqrt()).collect();
        history.push(symbol as u16);
        for (index, ((layer, cache), maxima)) in model.layers.iter().zip(&mut cache).zip(&mut maxima).enumerate() {
            let qkv = matvec(&layer.qkv, &rmsnorm(&x));
            let (q, kv) = qkv.split_at(d);
            cache.push((kv[..d].to_vec(), kv[d..].to_vec()));
            let newest = &cache[cache.len().saturating_sub(context)..];
            let mut mixed = vec![0.0; d];
            for head in 0..heads {
                let range = 64 * head..64 * head + 64;
                let score = |(i, (key, _)): (usize, &(Vec<f64>, Vec<f64>))| {
                    let dot: f64 = q[range.clone()].iter().zip(&key[range.clone()]).map(|(q, k)| q * k).sum();
                    dot / 8.0 + f64::from(layer.bias[head * 32 + bucket(newest.len() - 1 - i)])
                };
                let weights = softmax(&newest.iter().enumerate().map(score).collect::<Vec<_>>());
                for (weight, (_, value)) in weights.iter().zip(newest) {
                    mixed[range.clone()].iter_mut().zip(&value[range.clone()]).for_each(|(m, v)| *m += weight * v);
                }
            }
            x.iter_mut().zip(matvec(&layer.out, &mixed)).for_each(|(x, add)| *x += add);
            for FloatTable { order, values } in model.ngrams.iter().filter(|_| index == 0) {
                let row = ngrams::row(history.hashes().of(*order), (values.len() / d) as u32);
                x.iter_mut().zip(&values[row * d..]).for_each(|(x, add)| *x += (d as f64).sqrt() * f64::from(*add));
            }
            let a = rmsnorm(&x);
            let (gate, linear) = (matvec(&layer.gate, &a), matvec(&layer.linear, &a));
            let hidden: Vec<f64> = gate.iter().zip(&linear).map(|(gate, linear)| gate.max(0.0) * linear).collect();
            x.iter_mut().zip(matvec(&layer.down, &hidden)).for_each(|(x, add)| *x += add);

            grow(&mut maxima.query, q);
            grow(&mut maxima.key, &kv[..d]);
            grow(&mut maxima.value, &kv[d..]);
            grow(&mut maxima.mixed, &mixed);
            grow(&mut maxima.gate, &gate);
            grow(&mut maxima.linear, &linear);
            grow(&mut maxima.hidden, &hidden);
        }
        probabilities.push(softmax(&matvec(&model.embedding[..256 * d], &rmsnorm(&x))));
    }
    let mut scales = ActivationScales::new(&model.config);
    for (scales, maxima) in scales.layers.iter_mut().zip(&maxima) {
        let step = |largest: f64, limit| step_for(largest as f32, limit);
        *scales = LayerScales {
            query: step(maxima.query, 127.0),
            key: step(maxima.key, 127.0),
            value: step(maxima.value, 127.0),
            mixed: step(maxima.mixed, 127.0),
            gate: step(maxima.gate, 16383.0),
            linear: step(maxima.linear, 16383.0),
            hidden: step(maxima.hidden, 127.0),
            ..*scales
        };
    }
    (probabilities, scales)
}
