//! Muon's update.

use super::matmul::{Multiplier, Operand};
use super::updates::sum_of_squares;
use crate::device::Muon;
use equalinfo_kernels::muon::{COEFFICIENTS, PASSES};

/// Moves a matrix; products are of the multiplier's precision, which five passes of the iteration bear.
pub fn update(
    multiplier: &mut Multiplier,
    update: Muon,
    gradient_scale: f32,
    gradients: &[f32],
    parameters: &mut [f32],
    momentum: &mut [f32],
) {
    let Muon { learning_rate, momentum: past, weight_decay, .. } = update;
    let mut direction = Vec::with_capacity(update.length());
    for (m, g) in momentum.iter_mut().zip(gradients) {
        let g = g * gradient_scale;
        *m = past * *m + (1.0 - past) * g;
        direction.push(past * *m + (1.0 - past) * g);
    }
    let direction = orthogonalized(multiplier, update, direction);
    let (keep, rate) = (1.0 - learning_rate * weight_decay, learning_rate * update.scale());
    parameters.iter_mut().zip(&direction).for_each(|(p, d)| *p = keep * *p - rate * d);
}

/// `U V^T` of the singular value decomposition `U S V^T`, nearly: Newton and Schulz's iteration on the shorter side.
fn orthogonalized(multiplier: &mut Multiplier, update: Muon, mut x: Vec<f32>) -> Vec<f32> {
    let Muon { rows, columns, .. } = update;
    let [side, long] = update.sides();
    let norm = sum_of_squares(&x).sqrt().max(1e-20) as f32;
    x.iter_mut().for_each(|value| *value /= norm);
    let [a, b, c] = COEFFICIENTS;
    // X X^T X is X (X^T X), so the smaller of both products does.
    let (mut gram, mut polynomial) = (vec![0.0; side * side], vec![0.0; side * side]);
    let mut next = vec![0.0; x.len()];
    for _ in 0..PASSES {
        let matrix = Operand::rows(&x, columns);
        let (left, right) = if rows <= columns { (matrix, matrix.transposed()) } else { (matrix.transposed(), matrix) };
        multiplier.multiply((side, side, long), left, right, &mut gram, side, false);
        let square = Operand::rows(&gram, side);
        multiplier.multiply((side, side, side), square, square, &mut polynomial, side, false);
        polynomial.iter_mut().zip(&gram).for_each(|(p, g)| *p = b * g + c * *p);
        next.iter_mut().zip(&x).for_each(|(n, x)| *n = a * x);
        let polynomial = Operand::rows(&polynomial, side);
        let (left, right) = if rows <= columns { (polynomial, matrix) } else { (matrix, polynomial) };
        multiplier.multiply((rows, columns, side), left, right, &mut next, columns, true);
        std::mem::swap(&mut x, &mut next);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::matmul::Precision;
    use equalinfo::random::Random;

    /// `matrix` (`rows x columns`) times its transpose, or the transpose times it, whichever is smaller.
    fn gram(matrix: &[f32], rows: usize, columns: usize) -> Vec<f64> {
        let side = rows.min(columns);
        let value = |i: usize, k: usize| {
            f64::from(if rows <= columns { matrix[i * columns + k] } else { matrix[k * columns + i] })
        };
        let product = |i, j| (0..rows.max(columns)).map(|k| value(i, k) * value(j, k)).sum();
        (0..side * side).map(|place| product(place / side, place % side)).collect()
    }

    fn random_matrix(length: usize) -> Vec<f32> {
        let mut random = Random::new(length as u64);
        (0..length).map(|_| random.below(2001) as f32 / 1000.0 - 1.0).collect()
    }

    fn muon(rows: usize, columns: usize) -> Muon {
        Muon { rows, columns, learning_rate: 0.1, momentum: 0.0, weight_decay: 0.5 }
    }

    #[test]
    fn directions_are_nearly_orthonormal() {
        for (rows, columns) in [(64, 64), (48, 160), (160, 48)] {
            let x = orthogonalized(
                &mut Multiplier::new(Precision::F32),
                muon(rows, columns),
                random_matrix(rows * columns),
            );
            let side = rows.min(columns);
            // The mean of the squares of all singular values, which the iteration leaves around 1.
            let trace: f64 = gram(&x, rows, columns).iter().step_by(side + 1).sum();
            assert!((trace / side as f64 - 0.85).abs() < 0.2, "{rows} x {columns}: {}", trace / side as f64);
            // A direction is not turned: it stays along the matrix that it was made of.
            let along: f32 = x.iter().zip(random_matrix(rows * columns)).map(|(a, b)| a * b).sum();
            assert!(along > 0.0);
        }
    }

    #[test]
    fn singular_values_come_near_one() {
        // Diagonal, so the values on the diagonal are the singular values.
        let mut matrix = vec![0.0; 64 * 64];
        (0..64).for_each(|i| matrix[65 * i] = 1.0 + i as f32);
        let x = orthogonalized(&mut Multiplier::new(Precision::F32), muon(64, 64), matrix);
        for (place, value) in x.iter().enumerate() {
            let expected = if place % 65 == 0 { 0.65..1.25 } else { -1e-5..1e-5 };
            assert!(expected.contains(value), "{value} at {place}");
        }
    }

    #[test]
    fn weights_decay_and_rest_without_gradients() {
        let (mut parameters, mut momentum) = (vec![1.0; 64 * 64], vec![0.0; 64 * 64]);
        let gradients = vec![0.0; 64 * 64];
        let mut multiplier = Multiplier::new(Precision::F32);
        update(&mut multiplier, muon(64, 64), 1.0, &gradients, &mut parameters, &mut momentum);
        assert!(parameters.iter().all(|p| (p - 0.95).abs() < 1e-6) && momentum.iter().all(|m| *m == 0.0));
    }
}
