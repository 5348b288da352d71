use equalinfo_kernels::optimizer::{self, Adafactor, AdamW, Parameters};
use equalinfo_kernels::{Memory, View};

use crate::common::*;

/// A tensor on the device. The norm is 8 and the factor 0.5.
pub struct Tensor {
    gradients: TestBuffer,
    parameters: TestBuffer,
    product: TestBuffer,
    norm_and_factor: TestBuffer,
}

impl Tensor {
    pub fn new(driver: &TestDriver, gradients: &[f32], parameters: &[f32]) -> Self {
        Self {
            gradients: upload(driver, gradients),
            parameters: upload(driver, parameters),
            product: poisoned::<u16>(driver, parameters.len()),
            norm_and_factor: upload(driver, &[8.0f32, 0.5]),
        }
    }

    pub fn views(&self) -> Parameters<'_, TestBuffer> {
        Parameters {
            gradients: View::new(&self.gradients),
            parameters: View::new(&self.parameters),
            product: View::new(&self.product),
            norm_and_factor: View::new(&self.norm_and_factor),
        }
    }

    /// The parameters as they are now, whose copy is checked to be the same, rounded.
    pub fn parameters(&self, driver: &TestDriver) -> Vec<f32> {
        let parameters = download::<f32>(driver, &self.parameters);
        let rounded: Vec<u16> = parameters.iter().map(|&p| to_bf16(p)).collect();
        assert_eq!(download::<u16>(driver, &self.product), rounded, "the copy is the rounded master");
        parameters
    }

    pub fn check(&self, driver: &TestDriver, expected: &[f64]) {
        assert_close("parameters", &self.parameters(driver), expected, 2e-6, 1e-7);
    }
}

#[test]
fn the_norm_clips_on_the_device() {
    for length in [1, 77, 4096, 9001] {
        let values = Random::new(length as u64).floats(length, 2.0);
        let squares: f64 = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        on_every_schedule(|driver| {
            let values = upload(driver, &values);
            let count = optimizer::partials(length);
            let (partials, total) = (poisoned::<u64>(driver, count), poisoned::<u64>(driver, 1));
            let out = poisoned::<f32>(driver, 2);
            optimizer::sum_of_squares(driver, length, View::new(&values), View::new(&partials)).unwrap();
            optimizer::add_squares(driver, count, View::new(&partials), View::new(&total)).unwrap();
            let sum = f64::from_bits(download::<u64>(driver, &total)[0]);
            assert!((sum - squares).abs() < 1e-5 * squares, "{sum}, expected {squares}");
            let norm = squares.sqrt();
            for clip in [0.5 * norm, 2.0 * norm] {
                // The total over the ranks takes the same path as the sums of one.
                for (count, sums) in [(count, &partials), (1, &total)] {
                    optimizer::clip_factor(driver, count, clip as f32, View::new(sums), View::new(&out)).unwrap();
                    let expected = [norm, (clip / norm).min(1.0)];
                    assert_close("norm and factor", &download::<f32>(driver, &out), &expected, 1e-5, 0.0);
                }
            }
        });
    }
}

#[test]
fn adamw_follows_its_formula() {
    let length = 1100;
    let mut random = Random::new(11);
    let (gradients, parameters) = (random.floats(length, 1.0), random.floats(length, 1.0));
    let first = random.floats(length, 0.1);
    let second: Vec<f32> = random.floats(length, 0.1).iter().map(|v| v.abs()).collect();
    let update = AdamW { learning_rate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-9, weight_decay: 0.1, step: 3 };
    let wide = |value: f32| f64::from(value);
    let [b1, b2, rate, decay] = [update.beta1, update.beta2, update.learning_rate, update.weight_decay].map(wide);
    let (mut expected, mut firsts, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..length {
        let g = 0.5 * wide(gradients[i]);
        let m = b1 * wide(first[i]) + (1.0 - b1) * g;
        let v = b2 * wide(second[i]) + (1.0 - b2) * g * g;
        let step = m / (1.0 - b1.powi(3)) / ((v / (1.0 - b2.powi(3))).sqrt() + 1e-9);
        expected.push(wide(parameters[i]) * (1.0 - rate * decay) - rate * step);
        firsts.push(m);
        seconds.push(v);
    }
    on_every_schedule(|driver| {
        let tensor = Tensor::new(driver, &gradients, &parameters);
        let (first, second) = (upload(driver, &first), upload(driver, &second));
        optimizer::adamw(driver, length, update, tensor.views(), [View::new(&first), View::new(&second)]).unwrap();
        tensor.check(driver, &expected);
        assert_close("first", &download::<f32>(driver, &first), &firsts, 2e-6, 1e-7);
        assert_close("second", &download::<f32>(driver, &second), &seconds, 2e-6, 1e-7);
    });
}

/// State and parameters after one update, as in the CPU backend, in f64.
fn plain_adafactor(update: &Adafactor, gradients: &[f32], parameters: &[f32], state: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let (rows, columns) = (update.rows, update.columns);
    let decay = f64::from(update.decay);
    let g: Vec<f64> = gradients.iter().map(|&g| 0.5 * f64::from(g)).collect();
    let square: Vec<f64> = g.iter().map(|g| g * g + 1e-30).collect();
    let mut state: Vec<f64> = state.iter().map(|&s| f64::from(s)).collect();
    let steps: Vec<f64> = if update.factored {
        for row in 0..rows {
            let mean = (0..columns).map(|c| square[row * columns + c]).sum::<f64>() / columns as f64;
            state[row] = decay * state[row] + (1.0 - decay) * mean;
        }
        for column in 0..columns {
            let mean = (0..rows).map(|r| square[r * columns + column]).sum::<f64>() / rows as f64;
            state[rows + column] = decay * state[rows + column] + (1.0 - decay) * mean;
        }
        let mean = state[..rows].iter().sum::<f64>() / rows as f64;
        (0..rows * columns)
            .map(|i| g[i] * (mean / state[i / columns]).sqrt() / state[rows + i % columns].sqrt())
            .collect()
    } else {
        state.iter_mut().zip(&square).for_each(|(s, square)| *s = decay * *s + (1.0 - decay) * square);
        g.iter().zip(&state).map(|(g, s)| g / s.sqrt()).collect()
    };
    let parameters: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    let size = |values: &[f64]| (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt();
    let scale = f64::from(update.learning_rate) * size(&parameters).max(1e-3) / size(&steps).max(1.0);
    (parameters.iter().zip(&steps).map(|(p, s)| p - scale * s).collect(), state)
}

#[test]
fn adafactor_follows_its_formula() {
    // Updates that clip and updates that don't; parameters below the least size.
    for (rows, columns, factored, scale) in
        [(131, 133, true, 1.0), (150, 300, true, 1e-5), (5, 7, false, 1.0), (70, 64, false, 1.0)]
    {
        for decay in [0.1f32, 0.9] {
            let update = Adafactor { rows, columns, factored, learning_rate: 0.05, decay };
            let mut random = Random::new(rows as u64);
            let gradients = random.floats(rows * columns, 1.0);
            let parameters = random.floats(rows * columns, scale);
            let state: Vec<f32> = random.floats(update.state(), 0.1).iter().map(|v| v.abs() + 1e-3).collect();
            let (expected, states) = plain_adafactor(&update, &gradients, &parameters, &state);
            on_every_schedule(|driver| {
                let tensor = Tensor::new(driver, &gradients, &parameters);
                let state = upload(driver, &state);
                let workspace = poisoned::<u8>(driver, update.workspace_bytes());
                assert!(workspace.bytes() > 0);
                optimizer::adafactor(driver, update, tensor.views(), View::new(&state), View::new(&workspace)).unwrap();
                tensor.check(driver, &expected);
                assert_close("state", &download::<f32>(driver, &state), &states, 1e-5, 0.0);
            });
        }
    }
}
