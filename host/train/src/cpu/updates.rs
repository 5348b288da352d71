//! Parameter updates.

use multiversion::multiversion;

use super::vector;
use crate::device::{Adafactor, AdafactorShape, AdamW};

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn adamw(
    update: AdamW,
    gradient_scale: f32,
    gradients: &[f32],
    parameters: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let AdamW { learning_rate, beta1, beta2, epsilon, weight_decay, step } = update;
    let correct = |beta: f32| (1.0 - f64::from(beta).powi(step.min(1 << 30) as i32)) as f32;
    let (rate, inverse_second) = (learning_rate / correct(beta1), 1.0 / correct(beta2));
    let keep = 1.0 - learning_rate * weight_decay;
    for (((g, p), m), v) in gradients.iter().zip(parameters).zip(first).zip(second) {
        let g = g * gradient_scale;
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *p = keep * *p - rate * *m / ((*v * inverse_second).sqrt() + epsilon);
    }
}

/// T5X defaults: `eps1 = 1e-30`, `eps2 = 1e-3`, update clipping at RMS 1, steps relative to the RMS of the parameter, no first moment.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn adafactor(
    update: Adafactor,
    gradient_scale: f32,
    shape: AdafactorShape,
    gradients: &[f32],
    parameters: &mut [f32],
    state: &mut [f32],
) {
    let Adafactor { learning_rate, decay } = update;
    let AdafactorShape { rows, columns, factored } = shape;
    let square = |g: f32| (g * gradient_scale) * (g * gradient_scale) + 1e-30;
    let mut step = vec![0f32; rows * columns];
    if factored {
        let (row_state, column_state) = state.split_at_mut(rows);
        for (row, r) in gradients.chunks_exact(columns).zip(row_state.iter_mut()) {
            *r = decay * *r + (1.0 - decay) * vector::sum(row, square) / columns as f32;
        }
        let mut squares = vec![0f32; columns];
        for row in gradients.chunks_exact(columns) {
            squares.iter_mut().zip(row).for_each(|(s, g)| *s += square(*g));
        }
        for (c, s) in column_state.iter_mut().zip(&squares) {
            *c = decay * *c + (1.0 - decay) * s / rows as f32;
        }
        let mean = vector::sum(row_state, |r| r) / rows as f32;
        for ((row, r), out) in gradients.chunks_exact(columns).zip(row_state.iter()).zip(step.chunks_exact_mut(columns))
        {
            let row_factor = (mean / r).sqrt() * gradient_scale;
            for ((o, g), c) in out.iter_mut().zip(row).zip(column_state.iter()) {
                *o = g * row_factor / c.sqrt();
            }
        }
    } else {
        for ((o, g), s) in step.iter_mut().zip(gradients).zip(state.iter_mut()) {
            *s = decay * *s + (1.0 - decay) * square(*g);
            *o = g * gradient_scale / s.sqrt();
        }
    }
    let root_mean_square = |values: &[f32]| (vector::sum(values, |v| v * v) / values.len() as f32).sqrt();
    let clip = root_mean_square(&step).max(1.0);
    let scale = learning_rate * root_mean_square(parameters).max(1e-3) / clip;
    parameters.iter_mut().zip(&step).for_each(|(p, s)| *p -= scale * s);
}

/// In f64 over pieces, so that the norm of millions of values keeps its digits.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn sum_of_squares(values: &[f32]) -> f64 {
    values.chunks(4096).map(|piece| f64::from(vector::sum(piece, |v| v * v))).sum()
}
