//! Cross-entropy fused with the output projection, in chunks of positions so that the logits stay in cache.

use multiversion::multiversion;

use super::matmul::{Multiplier, Operand};
use super::vector;
use crate::device::{CrossEntropyGradient, IGNORE, LinearShape, Loss, Objective, TokenLosses};

/// Positions in a chunk: 256 x 256 logits are 256 KiB.
const CHUNK: usize = 256;

#[allow(clippy::too_many_arguments)]
pub fn cross_entropy(
    multiplier: &mut Multiplier,
    logits: &mut Vec<f32>,
    shape: LinearShape,
    x: &[f32],
    w: &[f32],
    targets: &[u32],
    objective: Objective,
    mut gradient: Option<CrossEntropyGradient<Vec<f32>>>,
) -> Loss {
    let LinearShape { tokens, inputs, outputs } = shape;
    let mut loss = Loss::default();
    logits.resize(CHUNK * outputs, 0.0);
    for first in (0..tokens).step_by(CHUNK) {
        let count = CHUNK.min(tokens - first);
        let x = &x[first * inputs..(first + count) * inputs];
        let rows = &mut logits[..count * outputs];
        let weights = Operand::rows(w, inputs);
        multiplier.multiply(
            (count, outputs, inputs),
            Operand::rows(x, inputs),
            weights.transposed(),
            rows,
            outputs,
            false,
        );
        let scale = gradient.as_ref().map_or(0.0, |gradient| gradient.scale);
        loss += logits_to_gradients(rows, outputs, &targets[first..first + count], objective, scale);
        if let Some(gradient) = &mut gradient {
            let dx = &mut gradient.dx[first * inputs..(first + count) * inputs];
            multiplier.multiply((count, inputs, outputs), Operand::rows(rows, outputs), weights, dx, inputs, false);
            let dw = &mut gradient.dw.0[gradient.dw.1..];
            let transposed = Operand::rows(rows, outputs).transposed();
            multiplier.multiply((outputs, inputs, count), transposed, Operand::rows(x, inputs), dw, inputs, true);
        }
    }
    loss
}

#[allow(clippy::too_many_arguments)]
pub fn token_losses(
    multiplier: &mut Multiplier,
    logits: &mut Vec<f32>,
    shape: LinearShape,
    x: &[f32],
    w: &[f32],
    targets: &[u32],
) -> TokenLosses {
    let LinearShape { tokens, inputs, outputs } = shape;
    let mut losses = TokenLosses::default();
    logits.resize(CHUNK * outputs, 0.0);
    for first in (0..tokens).step_by(CHUNK) {
        let count = CHUNK.min(tokens - first);
        let x = &x[first * inputs..(first + count) * inputs];
        let rows = &mut logits[..count * outputs];
        let weights = Operand::rows(w, inputs).transposed();
        multiplier.multiply((count, outputs, inputs), Operand::rows(x, inputs), weights, rows, outputs, false);
        logits_to_losses(rows, outputs, &targets[first..first + count], &mut losses);
    }
    losses
}

/// Replaces logits by their gradients times `scale`; returns the loss.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn logits_to_gradients(logits: &mut [f32], outputs: usize, targets: &[u32], objective: Objective, scale: f32) -> Loss {
    let Objective { z_loss, floor } = objective;
    let shared = 1.0 - outputs as f32 * floor;
    let mut loss = Loss::default();
    for (row, target) in logits.chunks_exact_mut(outputs).zip(targets) {
        if *target == IGNORE {
            row.fill(0.0);
            continue;
        }
        let wanted = row[*target as usize];
        let (lse, sum) = softmax(row);
        // The logits decide the share `weight` of the target's probability.
        let (nats, weight) = if floor == 0.0 {
            (lse - wanted, 1.0)
        } else {
            let decided = shared * row[*target as usize] / sum;
            (-(decided + floor).ln(), decided / (decided + floor))
        };
        loss.nats += f64::from(nats);
        loss.count += 1;
        // Without z-loss and floor this is (softmax - one-hot); z-loss adds 2 z ln(Z) softmax.
        let factor = scale * (weight + 2.0 * z_loss * lse) / sum;
        row.iter_mut().for_each(|v| *v *= factor);
        row[*target as usize] -= scale * weight;
    }
    loss
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn logits_to_losses(logits: &mut [f32], outputs: usize, targets: &[u32], losses: &mut TokenLosses) {
    for (row, target) in logits.chunks_exact_mut(outputs).zip(targets) {
        let (nats, behind) = match *target {
            IGNORE => (0.0, 0.0),
            target => {
                let wanted = row[target as usize];
                let largest = vector::max(row);
                (softmax(row).0 - wanted, largest - wanted)
            }
        };
        losses.nats.push(nats);
        losses.logit_gaps.push(behind);
    }
}

/// Leaves `exp(row - max)` in the row; returns the log of the sum of exponentials and that sum relative to the maximum.
#[inline(always)]
fn softmax(row: &mut [f32]) -> (f32, f32) {
    let max = vector::max(row);
    let sum = vector::exp_sum(row, max);
    (max + sum.ln(), sum)
}
