//! Linear layers against plain f64 products of the same rounded operands. The operands are bf16 values, so each product
//! is exact in f32; the remaining differences are the f32 sums and the rounding of the output.

use equalinfo_kernels::View;
use equalinfo_kernels::gemm::*;

use crate::common::*;
use crate::path::{OnPath, paths};

/// One bf16 rounding, and f32 sums of up to a few hundred products of size 1.
const BF16: f64 = 1.0 / 256.0;
const SUMS: f64 = 2e-5;

/// Random operands of a layer, exact in bf16.
struct Layer {
    shape: LinearShape,
    x: Vec<f32>,
    w: Vec<f32>,
    dy: Vec<f32>,
}

impl Layer {
    fn new(tokens: usize, inputs: usize, outputs: usize) -> Self {
        let mut random = Random::new((tokens * 1000 + inputs * 100 + outputs) as u64);
        let mut values = |length| random.floats(length, 1.0).into_iter().map(round_bf16).collect::<Vec<f32>>();
        let shape = LinearShape { tokens, inputs, outputs };
        Self { shape, x: values(tokens * inputs), w: values(inputs * outputs), dy: values(tokens * outputs) }
    }

    /// `sum_k a(row, k) b(column, k)`.
    fn product(
        (rows, columns, depth): (usize, usize, usize),
        a: impl Fn(usize, usize) -> f32,
        b: impl Fn(usize, usize) -> f32,
    ) -> Vec<f64> {
        let value = |row, column| (0..depth).map(|k| f64::from(a(row, k)) * f64::from(b(column, k))).sum::<f64>();
        (0..rows * columns).map(|i| value(i / columns, i % columns)).collect()
    }

    fn y(&self) -> Vec<f64> {
        let LinearShape { tokens, inputs, outputs } = self.shape;
        Self::product((tokens, outputs, inputs), |t, i| self.x[t * inputs + i], |o, i| self.w[o * inputs + i])
    }

    fn dx(&self) -> Vec<f64> {
        let LinearShape { tokens, inputs, outputs } = self.shape;
        Self::product((tokens, inputs, outputs), |t, o| self.dy[t * outputs + o], |i, o| self.w[o * inputs + i])
    }

    fn dw(&self) -> Vec<f64> {
        let LinearShape { tokens, inputs, outputs } = self.shape;
        Self::product((outputs, inputs, tokens), |o, t| self.dy[t * outputs + o], |i, t| self.x[t * inputs + i])
    }
}

/// Less than a tile, whole tiles, and slightly more, in every dimension; depths shorter and longer than the ring of
/// stages.
fn layers() -> Vec<Layer> {
    [(1, 8, 8), (37, 40, 24), (128, 128, 128), (131, 72, 136), (129, 264, 16), (200, 136, 200), (70, 520, 136)]
        .map(|(tokens, inputs, outputs)| Layer::new(tokens, inputs, outputs))
        .into()
}

/// Calls `check` for every device, path of its products and layer.
fn each_layer(mut check: impl FnMut(&TestDriver, &OnPath, &Layer)) {
    for layer in layers() {
        on_every_schedule(|driver| paths(driver).iter().for_each(|path| check(driver, path, &layer)));
    }
}

#[test]
fn forward_rounds_to_bf16() {
    each_layer(|driver, path, layer| {
        let (x, w) = (upload_bf16(driver, &layer.x), upload_bf16(driver, &layer.w));
        let y = poisoned::<u16>(driver, layer.y().len());
        linear_forward(path, layer.shape, View::new(&x), View::new(&w), View::new(&y)).unwrap();
        assert_close("y", &download_bf16(driver, &y), &layer.y(), BF16, SUMS);
    });
}

#[test]
fn forward_in_f32_and_added_to_a_residual() {
    each_layer(|driver, path, layer| {
        let (x, w) = (upload_bf16(driver, &layer.x), upload_bf16(driver, &layer.w));
        let y = poisoned::<f32>(driver, layer.y().len());
        linear_forward_f32(path, layer.shape, View::new(&x), View::new(&w), View::new(&y)).unwrap();
        assert_close("y", &download::<f32>(driver, &y), &layer.y(), 1e-6, SUMS);

        let residual = Random::new(9).floats(layer.y().len(), 1.0);
        let expected: Vec<f64> = layer.y().iter().zip(&residual).map(|(y, r)| y + f64::from(*r)).collect();
        let (before, after) = (upload(driver, &residual), poisoned::<f32>(driver, residual.len()));
        let add = |to| {
            let (x, w) = (View::new(&x), View::new(&w));
            linear_forward_residual(path, layer.shape, x, w, View::new(&before), View::new(to)).unwrap();
            assert_close("y", &download::<f32>(driver, to), &expected, 1e-6, SUMS);
        };
        add(&after);
        assert_eq!(download::<f32>(driver, &before), residual, "the residual is only read");
        add(&before);
    });
}

#[test]
fn forward_with_reglu_equals_the_separate_kernels() {
    each_layer(|driver, path, layer| {
        let LinearShape { tokens, inputs, outputs } = layer.shape;
        let w = Random::new(4).floats(2 * inputs * outputs, 1.0);
        let (x, w) = (upload_bf16(driver, &layer.x), upload_bf16(driver, &w));
        let (gate_linear, h) =
            (poisoned::<u16>(driver, 2 * tokens * outputs), poisoned::<u16>(driver, tokens * outputs));
        let both = LinearShape { outputs: 2 * outputs, ..layer.shape };
        linear_forward(path, both, View::new(&x), View::new(&w), View::new(&gate_linear)).unwrap();
        let gates = download_bf16(driver, &gate_linear);
        let product = |i: usize| {
            let row = &gates[i / outputs * 2 * outputs..];
            round_bf16(row[i % outputs].max(0.0) * row[outputs + i % outputs])
        };
        let expected: Vec<f32> = (0..tokens * outputs).map(product).collect();

        let fused = |gate_linear| {
            linear_forward_reglu(path, layer.shape, View::new(&x), View::new(&w), gate_linear, View::new(&h)).unwrap();
            assert_eq!(download_bf16(driver, &h), expected);
        };
        fused(None);
        let again = poisoned::<u16>(driver, 2 * tokens * outputs);
        fused(Some(View::new(&again)));
        assert_eq!(download_bf16(driver, &again), gates);
    });
}

#[test]
fn gradient_of_the_input() {
    each_layer(|driver, path, layer| {
        let (dy, w) = (upload_bf16(driver, &layer.dy), upload_bf16(driver, &layer.w));
        let dx = poisoned::<u16>(driver, layer.x.len());
        linear_backward_input(path, layer.shape, View::new(&dy), View::new(&w), View::new(&dx)).unwrap();
        assert_close("dx", &download_bf16(driver, &dx), &layer.dx(), BF16, SUMS);
    });
}

#[test]
fn gradient_of_the_input_through_reglu() {
    each_layer(|driver, path, layer| {
        let LinearShape { tokens, inputs, .. } = layer.shape;
        let gates: Vec<f32> = Random::new(5).floats(2 * tokens * inputs, 1.0).into_iter().map(round_bf16).collect();
        let dh = layer.dx();
        let gradient = |i: usize| {
            let (token, column) = (i / (2 * inputs), i % (2 * inputs));
            let row = &gates[token * 2 * inputs..][..2 * inputs];
            let dh = dh[token * inputs + column % inputs];
            let (gate, linear) = (f64::from(row[column % inputs]), f64::from(row[inputs + column % inputs]));
            if column < inputs { if gate > 0.0 { dh * linear } else { 0.0 } } else { gate.max(0.0) * dh }
        };
        let expected: Vec<f64> = (0..2 * tokens * inputs).map(gradient).collect();
        let (dy, w) = (upload_bf16(driver, &layer.dy), upload_bf16(driver, &layer.w));
        let gate_linear = upload_bf16(driver, &gates);
        let found = poisoned::<u16>(driver, gates.len());
        let (dy, w, gate_linear) = (View::new(&dy), View::new(&w), View::new(&gate_linear));
        linear_backward_input_reglu(path, layer.shape, dy, w, gate_linear, View::new(&found)).unwrap();
        assert_close("dgate_linear", &download_bf16(driver, &found), &expected, BF16, SUMS);
    });
}

fn weight_gradient(driver: &TestDriver, path: &OnPath, layer: &Layer, parts: TokenParts, before: &[f32]) -> Vec<f32> {
    let (dy, x) = (upload_bf16(driver, &layer.dy), upload_bf16(driver, &layer.x));
    let dw = upload(driver, before);
    let workspace = poisoned::<f32>(driver, parts.workspace(layer.shape));
    let workspace = (parts.count > 1).then(|| View::new(&workspace));
    linear_backward_weight(path, layer.shape, parts, View::new(&dy), View::new(&x), workspace, View::new(&dw)).unwrap();
    download(driver, &dw)
}

#[test]
fn gradient_of_the_weights_is_added() {
    each_layer(|driver, path, layer| {
        let before = Random::new(6).floats(layer.w.len(), 1.0);
        let expected: Vec<f64> = layer.dw().iter().zip(&before).map(|(d, b)| d + f64::from(*b)).collect();
        let whole = TokenParts { count: 1, tokens: layer.shape.tokens.next_multiple_of(64) };
        assert_close("dw", &weight_gradient(driver, path, layer, whole, &before), &expected, 1e-6, SUMS);
        let tokens = 64;
        let cut = TokenParts { count: layer.shape.tokens.div_ceil(tokens), tokens };
        assert_close("dw in parts", &weight_gradient(driver, path, layer, cut, &before), &expected, 1e-6, SUMS);
    });
}

#[test]
fn gradient_of_the_weights_is_the_same_at_every_run() {
    let layer = Layer::new(200, 136, 72);
    let before = Random::new(7).floats(layer.w.len(), 1.0);
    let run = |seed, os_threads| {
        let parts = TokenParts { count: 4, tokens: 64 };
        let driver = TestDriver::new(seed, os_threads);
        let bits = |path| {
            let values = weight_gradient(&driver, path, &layer, parts, &before);
            values.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        paths(&driver).iter().map(bits).collect::<Vec<_>>()
    };
    let first = run(0, 1);
    for (seed, os_threads) in [(0, 2), (3, 1), (9, 2)] {
        assert_eq!(run(seed, os_threads), first, "seed {seed}, {os_threads} threads");
    }
}

#[test]
fn special_values_reach_the_output() {
    // An infinity and a NaN in x must show in their own rows and nowhere else.
    let mut layer = Layer::new(5, 16, 136);
    layer.x[16 + 3] = f32::INFINITY;
    layer.x[3 * 16] = f32::NAN;
    let driver = TestDriver::default();
    for path in paths(&driver) {
        let (x, w) = (upload_bf16(&driver, &layer.x), upload_bf16(&driver, &layer.w));
        let y = poisoned::<u16>(&driver, 5 * 136);
        linear_forward(&path, layer.shape, View::new(&x), View::new(&w), View::new(&y)).unwrap();
        for (row, values) in download_bf16(&driver, &y).chunks_exact(136).enumerate() {
            assert_eq!(values.iter().all(|v| v.is_finite()), row != 1 && row != 3, "row {row}: {values:?}");
        }
    }
}
