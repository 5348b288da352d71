//! Every operation against a plain f64 version: forward values, and gradients against central differences of the f64 version.
//!
//! Each check draws random weights for the outputs, so that the loss is their weighted sum; sizes are no multiples of the tile or the vector.

use super::Cpu;
use super::matmul::Precision;
use crate::device::*;
use crate::testing::random;
use equalinfo::quantize::bucket;

fn cpu() -> Cpu {
    Cpu::new(Precision::F32)
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum()
}

fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert!(found.len() >= expected.len(), "{what}: {} values, expected {}", found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*f) - e).abs() <= tolerance * (1.0 + e.abs()), "{what}[{i}]: {f}, expected {e}");
    }
}

/// Gradient of `loss` at `at`, by central differences.
fn differences(at: &[f32], loss: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut point = wide(at);
    (0..point.len())
        .map(|i| {
            let value = point[i];
            point[i] = value + STEP;
            let above = loss(&point);
            point[i] = value - STEP;
            let below = loss(&point);
            point[i] = value;
            (above - below) / (2.0 * STEP)
        })
        .collect()
}

fn plain_linear(s: LinearShape, x: &[f64], w: &[f64]) -> Vec<f64> {
    let mut y = Vec::with_capacity(s.tokens * s.outputs);
    for x in x.chunks_exact(s.inputs) {
        y.extend(w.chunks_exact(s.inputs).map(|w| x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>()));
    }
    y
}

#[test]
fn linear() {
    let s = LinearShape { tokens: 5, inputs: 7, outputs: 19 };
    let (x, w, g) = (random(35, 1), random(7 * 19, 2), random(5 * 19, 3));
    let mut device = cpu();
    let mut y = vec![f32::NAN; 5 * 19];
    device.linear(s, &x, At(&w, 0), &mut y);
    let plain = plain_linear(s, &wide(&x), &wide(&w));
    assert_close("y", &y, &plain, 1e-5);
    let residual = random(5 * 19, 4);
    device.linear_residual(s, &x, At(&w, 0), &residual, &mut y);
    let expected: Vec<f64> = plain.iter().zip(&residual).map(|(y, r)| y + f64::from(*r)).collect();
    assert_close("residual + y", &y, &expected, 1e-5);
    let (mut dx, mut dw) = (vec![f32::NAN; 35], vec![1.0; 7 * 19]);
    device.linear_backward_input(s, &g, At(&w, 0), &mut dx);
    device.linear_backward_weight(s, &g, &x, AtMut(&mut dw, 0));
    assert_close("dx", &dx, &differences(&x, |x| dot(&plain_linear(s, x, &wide(&w)), &g)), 1e-5);
    let expected: Vec<f64> =
        differences(&w, |w| dot(&plain_linear(s, &wide(&x), w), &g)).iter().map(|d| d + 1.0).collect();
    assert_close("dw, added to 1", &dw, &expected, 1e-5);
}

#[test]
fn embedding() {
    let (symbols, width) = (vec![2, 0, 2, 1], 3);
    let (table, g) = (random(9, 4), random(12, 5));
    let plain = |table: &[f64]| {
        symbols.iter().flat_map(|s| table[*s as usize * width..][..width].iter().map(|e| 1.5 * e)).collect::<Vec<_>>()
    };
    let mut device = cpu();
    let mut x = vec![f32::NAN; 12];
    device.embed(width, &symbols, At(&table, 0), 1.5, &mut x, false);
    assert_close("x", &x, &plain(&wide(&table)), 1e-6);
    device.embed(width, &symbols, At(&table, 0), -1.5, &mut x, true);
    assert_close("x less itself", &x, &[0.0; 12], 1e-6);
    let mut dtable = vec![0.0; 9];
    device.embed_backward(width, &symbols, &g, 1.5, AtMut(&mut dtable, 0));
    assert_close("dtable", &dtable, &differences(&table, |t| dot(&plain(t), &g)), 1e-5);
}

#[test]
fn rms_norm() {
    let (width, tokens) = (19, 4);
    let (x, g, previous) = (random(width * tokens, 6), random(width * tokens, 7), random(width * tokens, 8));
    let plain = |x: &[f64]| {
        let rows = x.chunks_exact(width).flat_map(|row| {
            let inverse = 1.0 / (row.iter().map(|v| v * v).sum::<f64>() / width as f64 + 1e-6).sqrt();
            row.iter().map(move |v| v * inverse).collect::<Vec<_>>()
        });
        rows.collect::<Vec<f64>>()
    };
    let mut device = cpu();
    let (mut y, mut inverse) = (vec![f32::NAN; width * tokens], vec![f32::NAN; tokens]);
    device.rms_norm(width, tokens, &x, &mut y, &mut inverse);
    assert_close("y", &y, &plain(&wide(&x)), 1e-5);
    let gradient = differences(&x, |x| dot(&plain(x), &g));
    let mut dx = vec![f32::NAN; width * tokens];
    // Not accumulating must not read what was there; 0 * NaN would show.
    dx.fill(1e30);
    device.rms_norm_backward(width, tokens, &x, &inverse, &g, &mut dx, false);
    assert_close("dx", &dx, &gradient, 1e-4);
    let mut dx = previous.clone();
    device.rms_norm_backward(width, tokens, &x, &inverse, &g, &mut dx, true);
    let sum: Vec<f64> = gradient.iter().zip(&previous).map(|(g, p)| g + f64::from(*p)).collect();
    assert_close("dx, added", &dx, &sum, 1e-4);
}

#[test]
fn reglu() {
    let (width, tokens) = (21, 3);
    let (x, g) = (random(2 * width * tokens, 9), random(width * tokens, 10));
    let plain = |x: &[f64]| {
        let rows = x
            .chunks_exact(2 * width)
            .flat_map(|row| (0..width).map(|i| row[i].max(0.0) * row[width + i]).collect::<Vec<_>>());
        rows.collect::<Vec<f64>>()
    };
    let mut device = cpu();
    let mut h = vec![f32::NAN; width * tokens];
    device.reglu(width, tokens, &x, &mut h);
    assert_close("h", &h, &plain(&wide(&x)), 1e-6);
    let mut dx = vec![f32::NAN; 2 * width * tokens];
    device.reglu_backward(width, tokens, &x, &g, &mut dx);
    assert_close("dx", &dx, &differences(&x, |x| dot(&plain(x), &g)), 1e-4);
}

/// Attention of one position after the other.
fn plain_attention(heads: usize, qkv: &[f64], bias: &[f64], starts: &[u32]) -> Vec<f64> {
    let width = heads * HEAD;
    let part = |t: usize, part: usize, head: usize| &qkv[t * 3 * width + part * width + head * HEAD..][..HEAD];
    let mut out = vec![0.0; starts.len() * width];
    for t in 0..starts.len() {
        for head in 0..heads {
            let visible: Vec<usize> = (starts[t] as usize..=t).collect();
            let score = |j: &usize| {
                let product: f64 = part(t, 0, head).iter().zip(part(*j, 1, head)).map(|(q, k)| q * k).sum();
                (product / 8.0 + bias[head * BUCKETS + bucket(t - j)]).exp()
            };
            let weights: Vec<f64> = visible.iter().map(score).collect();
            let sum: f64 = weights.iter().sum();
            for (j, weight) in visible.iter().zip(&weights) {
                for (c, v) in part(*j, 2, head).iter().enumerate() {
                    out[t * width + head * HEAD + c] += weight / sum * v;
                }
            }
        }
    }
    out
}

/// Contexts that restart and slide, over more than one block of queries.
fn starts(tokens: usize, context: usize, restarts: &[usize]) -> Vec<u32> {
    let begin = |t: usize| restarts.iter().copied().filter(|r| *r <= t).max().unwrap_or(0);
    (0..tokens).map(|t| begin(t).max((t + 1).saturating_sub(context)) as u32).collect()
}

#[test]
fn attention() {
    for (case, (tokens, heads, context, restarts)) in
        [(9, 1, 256, vec![]), (70, 2, 20, vec![5, 64]), (140, 1, 37, vec![66, 67, 100])].into_iter().enumerate()
    {
        let seed = 100 * case as u64;
        let width = heads * HEAD;
        let shape = AttentionShape { tokens, heads, context };
        let starts = starts(tokens, context, &restarts);
        let (qkv, bias, g) =
            (random(tokens * 3 * width, seed + 1), random(heads * BUCKETS, seed + 2), random(tokens * width, seed + 3));
        let mut device = cpu();
        let input = || AttentionInput { qkv: &qkv, bias: At(&bias, 0), starts: &starts };
        let (mut out, mut lse) = (vec![f32::NAN; tokens * width], vec![f32::NAN; tokens * heads]);
        device.attention(shape, input(), &mut out, &mut lse);
        assert_close("out", &out, &plain_attention(heads, &wide(&qkv), &wide(&bias), &starts), 1e-5);
        let (mut dqkv, mut dbias) = (vec![f32::NAN; tokens * 3 * width], vec![0.0; heads * BUCKETS]);
        device.attention_backward(shape, input(), Some(&out), &lse, &g, &mut dqkv, AtMut(&mut dbias, 0));
        let expected = differences(&bias, |bias| dot(&plain_attention(heads, &wide(&qkv), bias, &starts), &g));
        assert_close("dbias", &dbias, &expected, 1e-4);
        // All coordinates would be slow; a random direction has every one of them in it.
        for direction in 0..8 {
            let direction = random(qkv.len(), seed + 10 + direction);
            let along = |h: &[f64]| {
                let moved: Vec<f64> =
                    qkv.iter().zip(&direction).map(|(x, d)| f64::from(*x) + h[0] * f64::from(*d)).collect();
                dot(&plain_attention(heads, &moved, &wide(&bias), &starts), &g)
            };
            let expected = differences(&[0.0], along);
            let found = dot(&wide(&dqkv), &direction) as f32;
            assert_close("dqkv along a direction", &[found], &expected, 2e-4);
        }
    }
}

#[test]
fn attention_in_bf16_is_near() {
    let shape = AttentionShape { tokens: 150, heads: 2, context: 100 };
    let starts = starts(150, 100, &[30, 31, 90]);
    let (qkv, bias) = (random(150 * 3 * 128, 1), random(2 * BUCKETS, 2));
    let (mut out, mut lse) = (vec![f32::NAN; 150 * 128], vec![f32::NAN; 300]);
    let input = AttentionInput { qkv: &qkv, bias: At(&bias, 0), starts: &starts };
    Cpu::new(Precision::Bf16).attention(shape, input, &mut out, &mut lse);
    assert_close("out", &out, &plain_attention(2, &wide(&qkv), &wide(&bias), &starts), 1e-2);
}

#[test]
fn cross_entropy() {
    let s = LinearShape { tokens: 300, inputs: 5, outputs: 11 };
    let (x, w, z_loss) = (random(1500, 1), random(55, 2), 0.01f32);
    let targets: Vec<u32> = (0..300).map(|i| if i % 7 == 3 { IGNORE } else { (i * i) % 11 }).collect();
    let plain = |x: &[f64], w: &[f64], z_loss: f64, floor: f64| {
        let logits = plain_linear(s, x, w);
        let rows = logits.chunks_exact(11).zip(&targets).filter(|(_, t)| **t != IGNORE);
        let losses = rows.map(|(row, target)| {
            let sum = row.iter().map(|l| l.exp()).sum::<f64>();
            let probability = (1.0 - 11.0 * floor) * row[*target as usize].exp() / sum + floor;
            z_loss * sum.ln().powi(2) - probability.ln()
        });
        losses.sum::<f64>()
    };
    let mut device = cpu();
    for floor in [0.0, 0.02f32] {
        let (mut dx, mut dw) = (vec![f32::NAN; 1500], vec![0.0; 55]);
        let gradient = CrossEntropyGradient { scale: 0.5, dx: &mut dx, dw: AtMut(&mut dw, 0) };
        device.cross_entropy(s, &x, At(&w, 0), &targets, Objective { z_loss, floor }, Some(gradient));
        let loss = device.take_report().loss;
        assert_eq!(loss.count, targets.iter().filter(|t| **t != IGNORE).count() as u64);
        let expected = plain(&wide(&x), &wide(&w), 0.0, floor.into());
        assert!((loss.nats - expected).abs() < 1e-4 * expected, "{} nats, expected {expected}", loss.nats);
        let half = |gradient: Vec<f64>| gradient.iter().map(|g| 0.5 * g).collect::<Vec<_>>();
        assert_close("dx", &dx, &half(differences(&x, |x| plain(x, &wide(&w), z_loss.into(), floor.into()))), 1e-4);
        assert_close("dw", &dw, &half(differences(&w, |w| plain(&wide(&x), w, z_loss.into(), floor.into()))), 1e-4);
    }
    let losses = device.token_losses(s, &x, At(&w, 0), &targets);
    let nats = &losses.nats;
    let sum: f64 = nats.iter().map(|n| f64::from(*n)).sum();
    let expected = plain(&wide(&x), &wide(&w), 0.0, 0.0);
    assert!(nats.len() == 300 && (sum - expected).abs() < 1e-3, "{sum} nats, expected {expected}");
    for ((x, &target), behind) in x.chunks_exact(5).zip(&targets).zip(&losses.logit_gaps) {
        let logits: Vec<f32> = w.chunks_exact(5).map(|w| x.iter().zip(w).map(|(x, w)| x * w).sum()).collect();
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let expected = logits.get(target as usize).map_or(0.0, |wanted| largest - wanted);
        assert!((behind - expected).abs() < 1e-4 && (*behind == 0.0) == (expected == 0.0), "{behind} and {expected}");
    }
}

#[test]
fn fake_quantization() {
    let (rows, stride, step) = (3, 10, 0.25f32);
    let x: Vec<f32> = random(30, 1).iter().map(|v| 60.0 * v).collect();
    let mut device = cpu();
    let mut rounded = x.clone();
    device.fake_quantize(rows, stride, 2..7, step, &mut rounded);
    let mut gradient = vec![1.0; 30];
    device.fake_quantize_backward(rows, stride, 2..7, step, &rounded, &mut gradient);
    let mut clamped = 0;
    for (i, ((x, r), g)) in x.iter().zip(&rounded).zip(&gradient).enumerate() {
        if !(2..7).contains(&(i % stride)) {
            assert!(r == x && *g == 1.0, "column outside the range touched");
            continue;
        }
        let n = (x / step).round_ties_even().clamp(-127.0, 127.0);
        clamped += usize::from(n.abs() == 127.0);
        assert_eq!(*r, n * step);
        assert_eq!(*g, if n.abs() < 127.0 { 1.0 } else { 0.0 });
    }
    assert!(clamped > 0, "the test never clamps");
}

#[test]
fn adamw_follows_its_definition() {
    let (gradients, start) = (random(37, 1), random(37, 2));
    let mut device = cpu();
    let (mut parameters, mut first, mut second) = (start.clone(), vec![0.0; 37], vec![0.0; 37]);
    let (mut p, mut m, mut v) = (wide(&start), vec![0f64; 37], vec![0f64; 37]);
    // Half the norm is let through.
    let norm = gradients.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    device.clip_gradients(At(&gradients, 0), 37, Part::Whole, (0.5 * norm) as f32);
    assert!((device.take_report().gradient_norm - norm).abs() < 1e-5 * norm);
    for step in 1..=5u64 {
        let update = AdamW { learning_rate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-9, weight_decay: 0.1, step };
        device.adamw(
            update,
            37,
            At(&gradients, 0),
            AtMut(&mut parameters, 0),
            [AtMut(&mut first, 0), AtMut(&mut second, 0)],
        );
        for i in 0..37 {
            let g = 0.5 * f64::from(gradients[i]);
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.98 * v[i] + 0.02 * g * g;
            let (m_hat, v_hat) = (m[i] / (1.0 - 0.9f64.powi(step as i32)), v[i] / (1.0 - 0.98f64.powi(step as i32)));
            p[i] -= 0.01 * (m_hat / (v_hat.sqrt() + 1e-9) + 0.1 * p[i]);
        }
    }
    assert_close("parameters", &parameters, &p, 1e-4);
}

#[test]
fn adafactor_follows_its_definition() {
    for factored in [true, false] {
        let (rows, columns) = (6, 19);
        let (gradients, start) = (random(114, 1), random(114, 2));
        let shape = AdafactorShape { rows, columns, factored };
        let mut device = cpu();
        let (mut parameters, mut state) = (start.clone(), vec![0.0; if factored { 25 } else { 114 }]);
        device.adafactor(
            Adafactor { learning_rate: 0.1, decay: 0.0 },
            shape,
            At(&gradients, 0),
            AtMut(&mut parameters, 0),
            AtMut(&mut state, 0),
        );
        let square = |i: usize| f64::from(gradients[i]).powi(2) + 1e-30;
        let row_mean = |r: usize| (0..columns).map(|c| square(r * columns + c)).sum::<f64>() / columns as f64;
        let column_mean = |c: usize| (0..rows).map(|r| square(r * columns + c)).sum::<f64>() / rows as f64;
        let mean = (0..114).map(square).sum::<f64>() / 114.0;
        let step = |i: usize| {
            let second = if factored { row_mean(i / columns) * column_mean(i % columns) / mean } else { square(i) };
            f64::from(gradients[i]) / second.sqrt()
        };
        let size = |values: &dyn Fn(usize) -> f64| ((0..114).map(|i| values(i).powi(2)).sum::<f64>() / 114.0).sqrt();
        let scale = 0.1 * size(&|i| f64::from(start[i])).max(1e-3) / size(&step).max(1.0);
        let expected: Vec<f64> = (0..114).map(|i| f64::from(start[i]) - scale * step(i)).collect();
        assert_close("parameters", &parameters, &expected, 1e-5);
    }
}
