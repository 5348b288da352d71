use equalinfo_kernels::View;
use equalinfo_kernels::muon::{self, COEFFICIENTS, Muon, PASSES};

use crate::common::*;
use crate::optimizer::Tensor;

/// A matrix in f64, row-major.
#[derive(Clone)]
struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    fn new(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        Self { rows, columns, values: (0..rows * columns).map(|i| value(i / columns, i % columns)).collect() }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.columns + column]
    }

    fn times(&self, other: &Self) -> Self {
        let sum = |i, j| (0..self.columns).map(|k| self.at(i, k) * other.at(k, j)).sum();
        Self::new(self.rows, other.columns, sum)
    }

    fn transposed(&self) -> Self {
        Self::new(self.columns, self.rows, |i, j| self.at(j, i))
    }

    fn combined(&self, a: f64, other: &Self, b: f64) -> Self {
        Self::new(self.rows, self.columns, |i, j| a * self.at(i, j) + b * other.at(i, j))
    }
}

/// Newton and Schulz's iteration as it is written down, on the left side.
fn orthogonalized(direction: &Matrix) -> Matrix {
    let [a, b, c] = COEFFICIENTS.map(f64::from);
    let norm = direction.values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let mut x = direction.combined(1.0 / norm, direction, 0.0);
    for _ in 0..PASSES {
        let gram = x.times(&x.transposed());
        x = x.combined(a, &gram.combined(b, &gram.times(&gram), c).times(&x), 1.0);
    }
    x
}

#[test]
fn muon_follows_its_formula() {
    for (rows, columns) in [(64, 64), (64, 136), (136, 64), (8, 24)] {
        let length = rows * columns;
        let mut random = Random::new(length as u64);
        let (gradients, parameters) = (random.floats(length, 1.0), random.floats(length, 0.1));
        let momentum = random.floats(length, 0.3);
        let update = Muon { rows, columns, learning_rate: 0.02, momentum: 0.95, weight_decay: 0.1 };
        let wide = |value: f32| f64::from(value);
        let past = wide(update.momentum);
        // The factor of the gradients is 0.5.
        let moved = |i: usize| past * wide(momentum[i]) + (1.0 - past) * 0.5 * wide(gradients[i]);
        let momenta: Vec<f64> = (0..length).map(moved).collect();
        let direction = Matrix::new(rows, columns, |i, j| {
            let place = i * columns + j;
            past * momenta[place] + (1.0 - past) * 0.5 * wide(gradients[place])
        });
        let step = orthogonalized(&direction);
        let [rate, decay] = [update.learning_rate, update.weight_decay].map(wide);
        let scale = 0.2 * (rows.max(columns) as f64).sqrt();
        on_every_schedule(|driver| {
            let tensor = Tensor::new(driver, &gradients, &parameters);
            let momentum = upload(driver, &momentum);
            let workspace = poisoned::<u8>(driver, update.workspace_bytes());
            muon::muon(driver, update, tensor.views(), View::new(&momentum), View::new(&workspace)).unwrap();
            assert_close("momentum", &download::<f32>(driver, &momentum), &momenta, 2e-6, 1e-7);
            let now = tensor.parameters(driver);
            // Steps of the iteration are rounded to bf16: against the size of all of them, not each one's.
            let (mut error, mut size) = (0.0, 0.0);
            for i in 0..length {
                let expected = scale * step.values[i];
                let found = (wide(parameters[i]) * (1.0 - rate * decay) - wide(now[i])) / rate;
                error += (found - expected).powi(2);
                size += expected.powi(2);
            }
            let relative = (error / size).sqrt();
            assert!(relative < 0.05, "{rows} x {columns}: off by {relative} of the step");
        });
    }
}

#[test]
fn without_a_gradient_weights_only_decay() {
    let update = Muon { rows: 16, columns: 8, learning_rate: 0.5, momentum: 0.9, weight_decay: 0.1 };
    let (zeros, parameters) = (vec![0.0; 128], Random::new(5).floats(128, 1.0));
    let expected: Vec<f64> = parameters.iter().map(|&p| 0.95 * f64::from(p)).collect();
    on_every_schedule(|driver| {
        let tensor = Tensor::new(driver, &zeros, &parameters);
        let momentum = upload(driver, &zeros);
        let workspace = poisoned::<u8>(driver, update.workspace_bytes());
        muon::muon(driver, update, tensor.views(), View::new(&momentum), View::new(&workspace)).unwrap();
        tensor.check(driver, &expected);
    });
}
