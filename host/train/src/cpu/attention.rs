//! Attention over sliding or restarting contexts, in blocks of queries.
//!
//! All sequences of a batch lie end to end; position `t` sees `starts[t] ..= t`. A block of 64 queries therefore needs the keys from
//! `starts[first]` to its own last position: one small product for the scores, a softmax over each row's visible part, one product with the values. The
//! backward pass computes the scores again from the kept log-sums instead of storing them (as FlashAttention does).

use multiversion::multiversion;

use super::matmul::{Multiplier, Operand};
use super::{Cpu, vector};
use crate::device::{AttentionInput, AttentionShape, BUCKETS, HEAD};
use equalinfo::quantize::bucket;

const BLOCK: usize = 64;
const SCALE: f32 = 0.125;

/// Per-thread work space, grown on first use.
#[derive(Default)]
pub struct Scratch {
    scores: Vec<f32>,
    dscores: Vec<f32>,
    /// Bias by distance, farthest first: the bias of distance `n` is at `context - 1 - n`, so a row of scores adds a contiguous piece.
    bias: Vec<f32>,
    dbias: Vec<f32>,
}

impl Scratch {
    fn prepare(&mut self, context: usize, bias: &[f32]) {
        let cells = BLOCK * (context + BLOCK);
        self.scores.resize(cells, 0.0);
        self.dscores.resize(cells, 0.0);
        self.bias.clear();
        self.bias.extend((0..context).rev().map(|distance| bias[bucket(distance)]));
        self.dbias.clear();
        self.dbias.resize(context, 0.0);
    }
}

/// A block of queries of one head and the keys they see.
struct Block<'a> {
    first: usize,
    rows: usize,
    low: usize,
    keys: usize,
    starts: &'a [u32],
}

impl<'a> Block<'a> {
    fn all(starts: &'a [u32], tokens: usize) -> impl Iterator<Item = Block<'a>> {
        (0..tokens).step_by(BLOCK).map(move |first| {
            let rows = BLOCK.min(tokens - first);
            let low = starts[first] as usize;
            Block { first, rows, low, keys: first + rows - low, starts: &starts[first..first + rows] }
        })
    }

    /// The visible part of a row of scores, as columns of the block, and where its bias begins in the reversed table.
    fn visible(&self, row: usize, context: usize) -> (std::ops::Range<usize>, usize) {
        let (query, start) = (self.first + row, self.starts[row] as usize);
        (start - self.low..query + 1 - self.low, context - 1 - (query - start))
    }
}

fn columns(qkv: &[f32], width: usize, position: usize, part: usize, head: usize) -> Operand<'_> {
    Operand::rows(&qkv[position * 3 * width + part * width + head * HEAD..], 3 * width)
}

pub fn forward(
    multiplier: &mut Multiplier,
    scratch: &mut Scratch,
    shape: AttentionShape,
    input: &AttentionInput<Cpu>,
    out: &mut [f32],
    lse: &mut [f32],
) {
    let AttentionShape { tokens, heads, context } = shape;
    let width = heads * HEAD;
    for head in 0..heads {
        scratch.prepare(context, &input.bias.0[input.bias.1 + head * BUCKETS..][..BUCKETS]);
        let Scratch { scores, bias, .. } = scratch;
        for block in Block::all(input.starts, tokens) {
            let Block { first, rows, low, keys, .. } = block;
            let q = columns(input.qkv, width, first, 0, head);
            let k = columns(input.qkv, width, low, 1, head);
            multiplier.multiply((rows, keys, HEAD), q, k.transposed(), scores, keys, false);
            softmax(&block, context, bias, scores, &mut lse[first * heads + head..], heads);
            let v = columns(input.qkv, width, low, 2, head);
            let out = &mut out[first * width + head * HEAD..];
            multiplier.multiply((rows, HEAD, keys), Operand::rows(scores, keys), v, out, width, false);
        }
    }
}

#[allow(clippy::too_many_arguments)]
pub fn backward(
    multiplier: &mut Multiplier,
    scratch: &mut Scratch,
    shape: AttentionShape,
    input: &AttentionInput<Cpu>,
    lse: &[f32],
    dout: &[f32],
    dqkv: &mut [f32],
    dbias: &mut [f32],
) {
    let AttentionShape { tokens, heads, context } = shape;
    let width = heads * HEAD;
    dqkv[..tokens * 3 * width].fill(0.0);
    for head in 0..heads {
        scratch.prepare(context, &input.bias.0[input.bias.1 + head * BUCKETS..][..BUCKETS]);
        let Scratch { scores, dscores, bias, dbias: dbias_by_distance } = scratch;
        for block in Block::all(input.starts, tokens) {
            let Block { first, rows, low, keys, .. } = block;
            let q = columns(input.qkv, width, first, 0, head);
            let k = columns(input.qkv, width, low, 1, head);
            let v = columns(input.qkv, width, low, 2, head);
            let dout = Operand::rows(&dout[first * width + head * HEAD..], width);
            multiplier.multiply((rows, keys, HEAD), q, k.transposed(), scores, keys, false);
            multiplier.multiply((rows, keys, HEAD), dout, v.transposed(), dscores, keys, false);
            softmax_backward(
                &block,
                context,
                bias,
                &lse[first * heads + head..],
                heads,
                scores,
                dscores,
                dbias_by_distance,
            );
            let (p, ds) = (Operand::rows(scores, keys), Operand::rows(dscores, keys));
            let at = |position: usize, part: usize| position * 3 * width + part * width + head * HEAD;
            multiplier.multiply((rows, HEAD, keys), ds, k, &mut dqkv[at(first, 0)..], 3 * width, true);
            multiplier.multiply((keys, HEAD, rows), ds.transposed(), q, &mut dqkv[at(low, 1)..], 3 * width, true);
            multiplier.multiply((keys, HEAD, rows), p.transposed(), dout, &mut dqkv[at(low, 2)..], 3 * width, true);
        }
        for (reversed, gradient) in dbias_by_distance.iter().enumerate() {
            dbias[head * BUCKETS + bucket(context - 1 - reversed)] += gradient;
        }
    }
}

/// Scores of a block to probabilities; `lse` holds one value a row, `heads` apart.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn softmax(block: &Block, context: usize, bias: &[f32], scores: &mut [f32], lse: &mut [f32], heads: usize) {
    for (row, scores) in scores.chunks_exact_mut(block.keys).take(block.rows).enumerate() {
        let (visible, bias_start) = block.visible(row, context);
        scores[..visible.start].fill(0.0);
        scores[visible.end..].fill(0.0);
        let scores = &mut scores[visible];
        let bias = &bias[bias_start..];
        scores.iter_mut().zip(bias).for_each(|(s, b)| *s = SCALE * *s + b);
        let max = vector::max(scores);
        let sum = vector::exp_sum(scores, max);
        let inverse = 1.0 / sum;
        scores.iter_mut().for_each(|s| *s *= inverse);
        lse[row * heads] = max + sum.ln();
    }
}

/// Scores to probabilities again, and gradients of probabilities to gradients of `q.k`; adds to the bias gradients by distance.
#[allow(clippy::too_many_arguments)]
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn softmax_backward(
    block: &Block,
    context: usize,
    bias: &[f32],
    lse: &[f32],
    heads: usize,
    scores: &mut [f32],
    dscores: &mut [f32],
    dbias: &mut [f32],
) {
    let pairs = scores.chunks_exact_mut(block.keys).zip(dscores.chunks_exact_mut(block.keys));
    for (row, (p, dp)) in pairs.take(block.rows).enumerate() {
        let (visible, bias_start) = block.visible(row, context);
        for cells in [&mut *p, &mut *dp] {
            cells[..visible.start].fill(0.0);
            cells[visible.end..].fill(0.0);
        }
        let (p, dp) = (&mut p[visible.clone()], &mut dp[visible]);
        let lse = lse[row * heads];
        let bias = &bias[bias_start..];
        p.iter_mut().zip(bias).for_each(|(p, b)| *p = vector::exp(SCALE * *p + b - lse));
        let mean = vector::sum2(p, dp, |a, b| a * b);
        let dbias = &mut dbias[bias_start..];
        for ((p, dp), dbias) in p.iter().zip(dp.iter_mut()).zip(dbias) {
            let ds = p * (*dp - mean);
            *dbias += ds;
            *dp = SCALE * ds;
        }
    }
}
