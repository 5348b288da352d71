use equalinfo_kernels::{View, rounding};

use crate::common::*;

#[test]
fn activations_are_multiples_of_the_step() {
    for (rows, stride, columns, step) in [(3, 10, 2..6, 0.25f32), (21, 192, 64..128, 0.03), (5, 520, 0..520, 0.011)] {
        let x: Vec<f32> = Random::new(3).floats(rows * stride, 200.0 * step).into_iter().map(round_bf16).collect();
        let inside = |index: usize| columns.contains(&(index % stride));
        // Rounded as in the CPU backend, then to bf16.
        let rounded = |v: f32| round_bf16(step * (v * (1.0 / step)).clamp(-127.0, 127.0).round_ties_even());
        let expected: Vec<f32> = x.iter().enumerate().map(|(i, &v)| if inside(i) { rounded(v) } else { v }).collect();
        let clamped = |v: f32| (v / step).round_ties_even().abs() >= 127.0;
        let gradients = Random::new(4).floats(rows * stride, 1.0).into_iter().map(round_bf16).collect::<Vec<_>>();
        let kept: Vec<f32> =
            (0..x.len()).map(|i| if inside(i) && clamped(x[i]) { 0.0 } else { gradients[i] }).collect();
        assert!(kept.contains(&0.0));
        on_every_schedule(|driver| {
            let (x, dx) = (upload_bf16(driver, &x), upload_bf16(driver, &gradients));
            rounding::fake_quantize(driver, rows, stride, columns.clone(), step, View::new(&x)).unwrap();
            assert_eq!(download_bf16(driver, &x), expected);
            let (x, dx_view) = (View::new(&x), View::new(&dx));
            rounding::fake_quantize_backward(driver, rows, stride, columns.clone(), step, x, dx_view).unwrap();
            assert_eq!(download_bf16(driver, &dx), kept);
        });
    }
}

#[test]
fn weights_are_those_of_the_exporter() {
    let (rows, columns) = (7, 300);
    let mut weights = Random::new(5).floats(rows * columns, 0.1);
    weights[..columns].fill(0.0);
    weights[columns..2 * columns].fill(1e-40);
    // Matrices in 8 bits, n-gram tables in 4.
    for most in [127.0f32, 7.0] {
        let expected: Vec<f32> = weights
            .chunks_exact(columns)
            .flat_map(|row| {
                let scale = row.iter().fold(0f32, |largest, w| largest.max(w.abs())) / most;
                let scale = if scale >= f32::MIN_POSITIVE { scale } else { 1.0 };
                row.iter().map(move |w| (w / scale).round_ties_even().clamp(-most, most) * scale).collect::<Vec<_>>()
            })
            .collect();
        let products: Vec<u16> = expected.iter().map(|&w| to_bf16(w)).collect();
        on_every_schedule(|driver| {
            let weights = upload(driver, &weights);
            let (rounded, product) = (poisoned::<f32>(driver, rows * columns), poisoned::<u16>(driver, rows * columns));
            let both = Some(View::new(&rounded));
            rounding::round_weights(driver, rows, columns, most, View::new(&weights), both, View::new(&product))
                .unwrap();
            assert_eq!(download::<f32>(driver, &rounded), expected);
            assert_eq!(download::<u16>(driver, &product), products);
            let alone = poisoned::<u16>(driver, rows * columns);
            rounding::round_weights(driver, rows, columns, most, View::new(&weights), None, View::new(&alone)).unwrap();
            assert_eq!(download::<u16>(driver, &alone), products);
        });
    }
}
