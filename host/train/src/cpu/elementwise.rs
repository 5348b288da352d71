//! The memory-bound operations: one pass over their operands each.

use std::ops::Range;

use multiversion::multiversion;

use super::vector;

const EPSILON: f32 = 1e-6;

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn embed(width: usize, symbols: &[u32], table: &[f32], scale: f32, x: &mut [f32], accumulate: bool) {
    for (row, symbol) in x.chunks_exact_mut(width).zip(symbols) {
        let source = &table[*symbol as usize * width..][..width];
        if accumulate {
            row.iter_mut().zip(source).for_each(|(x, e)| *x += scale * e);
        } else {
            row.iter_mut().zip(source).for_each(|(x, e)| *x = scale * e);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn embed_backward(width: usize, symbols: &[u32], dx: &[f32], scale: f32, dtable: &mut [f32]) {
    for (row, symbol) in dx.chunks_exact(width).zip(symbols) {
        let target = &mut dtable[*symbol as usize * width..][..width];
        target.iter_mut().zip(row).for_each(|(t, d)| *t += scale * d);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn rms_norm(width: usize, x: &[f32], y: &mut [f32], inverse: &mut [f32]) {
    for ((x, y), inverse) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(inverse) {
        let r = 1.0 / (vector::sum(x, |v| v * v) / width as f32 + EPSILON).sqrt();
        *inverse = r;
        y.iter_mut().zip(x).for_each(|(y, x)| *y = r * x);
    }
}

/// `dx_i (+)= r dy_i - x_i r^3 (dy . x) / width`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn rms_norm_backward(width: usize, x: &[f32], inverse: &[f32], dy: &[f32], dx: &mut [f32], accumulate: bool) {
    let rows = x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width)).zip(inverse);
    for (((x, dy), dx), r) in rows {
        let along = vector::sum2(dy, x, |a, b| a * b) * r * r * r / width as f32;
        let keep = if accumulate { 1.0 } else { 0.0 };
        for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
            *dx = keep * *dx + r * dy - along * x;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn reglu(width: usize, gate_linear: &[f32], h: &mut [f32]) {
    for (row, h) in gate_linear.chunks_exact(2 * width).zip(h.chunks_exact_mut(width)) {
        let (gate, linear) = row.split_at(width);
        for ((h, g), l) in h.iter_mut().zip(gate).zip(linear) {
            *h = if *g > 0.0 { *g * *l } else { 0.0 };
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn reglu_backward(width: usize, gate_linear: &[f32], dh: &[f32], dgate_linear: &mut [f32]) {
    let rows =
        gate_linear.chunks_exact(2 * width).zip(dh.chunks_exact(width)).zip(dgate_linear.chunks_exact_mut(2 * width));
    for ((row, dh), out) in rows {
        let (gate, linear) = row.split_at(width);
        let (dgate, dlinear) = out.split_at_mut(width);
        for i in 0..width {
            let open = gate[i] > 0.0;
            dgate[i] = if open { dh[i] * linear[i] } else { 0.0 };
            dlinear[i] = if open { dh[i] * gate[i] } else { 0.0 };
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn fake_quantize(x: &mut [f32], stride: usize, columns: Range<usize>, step: f32) {
    let inverse = 1.0 / step;
    for row in x.chunks_exact_mut(stride) {
        for v in &mut row[columns.clone()] {
            *v = step * (*v * inverse).clamp(-127.0, 127.0).round_ties_even();
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub fn fake_quantize_backward(x: &[f32], stride: usize, columns: Range<usize>, step: f32, dx: &mut [f32]) {
    let limit = 126.5 * step;
    for (row, dx) in x.chunks_exact(stride).zip(dx.chunks_exact_mut(stride)) {
        for (v, d) in row[columns.clone()].iter().zip(&mut dx[columns.clone()]) {
            *d = if v.abs() < limit { *d } else { 0.0 };
        }
    }
}
