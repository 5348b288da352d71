//! Attention against a plain f64 version on the same bf16 inputs, and the plain gradients against differences of the
//! plain forward pass.

use equalinfo_kernels::View;
use equalinfo_kernels::attention::*;

use crate::common::*;
use crate::differences::{differences, dot, wide};

/// A batch's first visible positions, with restarting contexts and a limit on how far back any position sees.
fn starts(tokens: usize, context: usize, restarts: &[usize]) -> Vec<i32> {
    let begin = |t: usize| restarts.iter().copied().filter(|r| *r <= t).max().unwrap_or(0);
    (0..tokens).map(|t| begin(t).max((t + 1).saturating_sub(context)) as i32).collect()
}

fn bucket(distance: usize) -> usize {
    if distance < 16 {
        return distance;
    }
    let logarithmic = 16.0 + (distance as f64 / 16.0).log2() / 3.0 * 16.0;
    // Distances at which the logarithm is an integer: the division's rounding must not decide.
    ((logarithmic + 1e-9) as usize).min(31)
}

struct Case {
    shape: AttentionShape,
    qkv: Vec<f32>,
    bias: Vec<f32>,
    starts: Vec<i32>,
    dout: Vec<f32>,
}

/// The results of the plain version, all in f64.
struct Plain {
    out: Vec<f64>,
    lse: Vec<f64>,
    dqkv: Vec<f64>,
    dbias: Vec<f64>,
}

impl Case {
    fn new(tokens: usize, heads: usize, context: usize, restarts: &[usize]) -> Self {
        let mut random = Random::new((tokens * 7 + heads) as u64);
        let width = heads * HEAD;
        let mut rounded =
            |length, scale| random.floats(length, scale).into_iter().map(round_bf16).collect::<Vec<f32>>();
        // Queries of this size spread the probabilities: scores differ by several units.
        let (qkv, dout) = (rounded(tokens * 3 * width, 2.0), rounded(tokens * width, 1.0));
        let bias = random.floats(heads * BUCKETS, 1.0);
        Self { shape: AttentionShape { tokens, heads }, qkv, bias, starts: starts(tokens, context, restarts), dout }
    }

    fn at(&self, position: usize, part: usize, head: usize) -> usize {
        let width = self.shape.heads * HEAD;
        position * 3 * width + part * width + head * HEAD
    }

    /// The probabilities of `query`'s visible keys, and the log of their sum.
    fn probabilities(&self, qkv: &[f64], bias: &[f64], query: usize, head: usize) -> (Vec<f64>, f64) {
        let q = &qkv[self.at(query, 0, head)..][..HEAD];
        let score = |key: usize| {
            let k = &qkv[self.at(key, 1, head)..][..HEAD];
            let product: f64 = q.iter().zip(k).map(|(a, b)| a * b).sum();
            product / 8.0 + bias[head * BUCKETS + bucket(query - key)]
        };
        let scores: Vec<f64> = (self.starts[query] as usize..=query).map(score).collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lse = max + scores.iter().map(|s| (s - max).exp()).sum::<f64>().ln();
        (scores.iter().map(|s| (s - lse).exp()).collect(), lse)
    }

    fn plain_out(&self, qkv: &[f64], bias: &[f64]) -> Vec<f64> {
        let AttentionShape { tokens, heads } = self.shape;
        let mut out = vec![0.0; tokens * heads * HEAD];
        for query in 0..tokens {
            for head in 0..heads {
                let (p, _) = self.probabilities(qkv, bias, query, head);
                let row = &mut out[(query * heads + head) * HEAD..][..HEAD];
                for (p, key) in p.iter().zip(self.starts[query] as usize..) {
                    let v = &qkv[self.at(key, 2, head)..][..HEAD];
                    row.iter_mut().zip(v).for_each(|(o, v)| *o += p * v);
                }
            }
        }
        out
    }

    fn plain(&self) -> Plain {
        let AttentionShape { tokens, heads } = self.shape;
        let (qkv, bias, dout) = (wide(&self.qkv), wide(&self.bias), wide(&self.dout));
        let out = self.plain_out(&qkv, &bias);
        let (mut lse, mut dqkv, mut dbias) = (vec![0.0; tokens * heads], vec![0.0; qkv.len()], vec![0.0; bias.len()]);
        for query in 0..tokens {
            for head in 0..heads {
                let row = (query * heads + head) * HEAD;
                let (p, sum) = self.probabilities(&qkv, &bias, query, head);
                lse[query * heads + head] = sum;
                let (o, g) = (&out[row..][..HEAD], &dout[row..][..HEAD]);
                let delta: f64 = o.iter().zip(g).map(|(o, g)| o * g).sum();
                for (p, key) in p.iter().zip(self.starts[query] as usize..) {
                    let [q_at, k_at, v_at] = [(query, 0), (key, 1), (key, 2)].map(|(t, part)| self.at(t, part, head));
                    let dp: f64 = g.iter().zip(&qkv[v_at..]).map(|(g, v)| g * v).sum();
                    let ds = p * (dp - delta);
                    dbias[head * BUCKETS + bucket(query - key)] += ds;
                    for i in 0..HEAD {
                        dqkv[q_at + i] += ds * qkv[k_at + i] / 8.0;
                        dqkv[k_at + i] += ds * qkv[q_at + i] / 8.0;
                        dqkv[v_at + i] += p * g[i];
                    }
                }
            }
        }
        Plain { out, lse, dqkv, dbias }
    }

    /// The kernels' `out`, `lse`, `dqkv` and `dbias` (added to zeros).
    fn run(&self, driver: &TestDriver) -> [Vec<f32>; 4] {
        let AttentionShape { tokens, heads } = self.shape;
        let width = tokens * heads * HEAD;
        let qkv = upload_bf16(driver, &self.qkv);
        let (bias, starts) = (upload(driver, &self.bias), upload(driver, &self.starts));
        let input = AttentionInput { qkv: View::new(&qkv), bias: View::new(&bias), starts: View::new(&starts) };
        let (out, lse) = (poisoned::<u16>(driver, width), poisoned::<f32>(driver, tokens * heads));
        attention_forward(driver, self.shape, input, View::new(&out), View::new(&lse)).unwrap();

        let dout = upload_bf16(driver, &self.dout);
        let workspace = poisoned::<f32>(driver, self.shape.backward_workspace());
        let dqkv = poisoned::<u16>(driver, 3 * width);
        let dbias = upload(driver, &vec![0.0f32; heads * BUCKETS]);
        let output = AttentionOutput { out: View::new(&out), lse: View::new(&lse) };
        let (dout, workspace) = (View::new(&dout), View::new(&workspace));
        attention_backward(driver, self.shape, input, output, dout, workspace, View::new(&dqkv), View::new(&dbias))
            .unwrap();
        [download_bf16(driver, &out), download(driver, &lse), download_bf16(driver, &dqkv), download(driver, &dbias)]
    }

    fn check(&self, driver: &TestDriver, expected: &Plain) {
        let [out, lse, dqkv, dbias] = self.run(driver);
        // Probabilities and ds are rounded to bf16 on their way into the products, results once more.
        assert_close("lse", &lse, &expected.lse, 1e-6, 1e-5);
        assert_close("out", &out, &expected.out, 1.0 / 128.0, 4e-3);
        let largest = expected.dqkv.iter().fold(0.0f64, |largest, g| largest.max(g.abs()));
        assert_close("dqkv", &dqkv, &expected.dqkv, 1.0 / 128.0, 4e-3 * largest);
        let visible = self.starts.iter().enumerate().map(|(t, s)| t + 1 - *s as usize).sum::<usize>() as f64;
        assert_close("dbias", &dbias, &expected.dbias, 1e-2, 2e-3 * visible.sqrt());
    }
}

#[test]
fn plain_gradients_follow_the_plain_forward_pass() {
    let case = Case::new(24, 2, 17, &[5, 6]);
    let (plain, qkv, bias) = (case.plain(), wide(&case.qkv), wide(&case.bias));
    let along_bias = differences(&case.bias, |bias| dot(&case.plain_out(&qkv, bias), &case.dout));
    let found: Vec<f32> = plain.dbias.iter().map(|g| *g as f32).collect();
    assert_close("dbias", &found, &along_bias, 1e-5, 1e-6);
    for seed in 0..6 {
        // A random direction has every coordinate in it.
        let direction = wide(&Random::new(seed).floats(qkv.len(), 1.0));
        let loss = |h: &[f64]| {
            let moved: Vec<f64> = qkv.iter().zip(&direction).map(|(x, d)| x + h[0] * d).collect();
            dot(&case.plain_out(&moved, &bias), &case.dout)
        };
        let found: f64 = plain.dqkv.iter().zip(&direction).map(|(g, d)| g * d).sum();
        assert_close("dqkv along a direction", &[found as f32], &differences(&[0.0], loss), 1e-4, 1e-4);
    }
}

#[test]
fn short_and_restarting_contexts() {
    for (tokens, heads, context, restarts) in [
        (1, 1, 256, &[][..]),
        (64, 1, 256, &[]),
        (70, 2, 20, &[5, 64]),
        (140, 1, 37, &[66, 67, 100]),
        (201, 3, 64, &[3, 4, 17, 50, 63, 64, 65, 127, 128, 150]),
        (130, 1, 1, &[]),
        // Of the block of keys before it, a block of queries sees only the last.
        (130, 1, 2, &[]),
    ] {
        let case = Case::new(tokens, heads, context, restarts);
        let expected = case.plain();
        on_every_schedule(|driver| case.check(driver, &expected));
    }
}

#[test]
fn contexts_of_256_bytes_that_slide() {
    let case = Case::new(450, 1, 256, &[]);
    let expected = case.plain();
    on_every_schedule(|driver| case.check(driver, &expected));
}

#[test]
fn sequences_of_512_tokens() {
    let case = Case::new(512 + 75, 2, 512, &[512]);
    case.check(&TestDriver::default(), &case.plain());
}

#[test]
fn the_gradient_of_the_bias_is_added() {
    let case = Case::new(90, 2, 80, &[20]);
    let driver = TestDriver::default();
    let alone = case.run(&driver)[3].clone();
    let AttentionShape { tokens, heads } = case.shape;
    let width = tokens * heads * HEAD;
    let qkv = upload_bf16(&driver, &case.qkv);
    let (bias, starts) = (upload(&driver, &case.bias), upload(&driver, &case.starts));
    let input = AttentionInput { qkv: View::new(&qkv), bias: View::new(&bias), starts: View::new(&starts) };
    let (out, lse) = (poisoned::<u16>(&driver, width), poisoned::<f32>(&driver, tokens * heads));
    attention_forward(&driver, case.shape, input, View::new(&out), View::new(&lse)).unwrap();
    let before = Random::new(3).floats(heads * BUCKETS, 4.0);
    let (dout, dbias) = (upload_bf16(&driver, &case.dout), upload(&driver, &before));
    let workspace = poisoned::<f32>(&driver, case.shape.backward_workspace());
    let dqkv = poisoned::<u16>(&driver, 3 * width);
    let output = AttentionOutput { out: View::new(&out), lse: View::new(&lse) };
    let (dout, workspace) = (View::new(&dout), View::new(&workspace));
    attention_backward(&driver, case.shape, input, output, dout, workspace, View::new(&dqkv), View::new(&dbias))
        .unwrap();
    let expected: Vec<f32> = before.iter().zip(&alone).map(|(b, a)| b + a).collect();
    assert_eq!(download::<f32>(&driver, &dbias), expected);
}

#[test]
fn gradients_are_the_same_bits_at_every_run() {
    let case = Case::new(150, 2, 90, &[40, 41]);
    let bits = |seed, os_threads| {
        let results = case.run(&TestDriver::new(seed, os_threads));
        results.map(|values| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
    };
    let first = bits(0, 1);
    for (seed, os_threads) in [(0, 2), (5, 1), (11, 2)] {
        assert!(bits(seed, os_threads) == first, "seed {seed}, {os_threads} threads");
    }
}
