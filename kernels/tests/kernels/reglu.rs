use equalinfo_kernels::{View, reglu};

use crate::common::*;
use crate::differences::{differences, dot, wide};

const SIZES: [(usize, usize); 3] = [(1, 8), (7, 72), (5, 520)];

fn plain(width: usize, x: &[f64]) -> Vec<f64> {
    x.chunks_exact(2 * width)
        .flat_map(|row| (0..width).map(|i| row[i].max(0.0) * row[width + i]).collect::<Vec<_>>())
        .collect()
}

#[test]
fn forward() {
    for (tokens, width) in SIZES {
        let x: Vec<f32> = Random::new(1).floats(2 * tokens * width, 2.0).into_iter().map(round_bf16).collect();
        let expected = plain(width, &wide(&x));
        on_every_schedule(|driver| {
            let (x, h) = (upload_bf16(driver, &x), poisoned::<u16>(driver, tokens * width));
            reglu::reglu(driver, tokens, width, View::new(&x), View::new(&h)).unwrap();
            assert_close("h", &download_bf16(driver, &h), &expected, 1.0 / 256.0, 0.0);
        });
    }
}

#[test]
fn the_gradient_is_that_of_differences() {
    for (tokens, width) in SIZES {
        let mut random = Random::new(2);
        let x: Vec<f32> = random.floats(2 * tokens * width, 2.0).into_iter().map(round_bf16).collect();
        let dh: Vec<f32> = random.floats(tokens * width, 1.0).into_iter().map(round_bf16).collect();
        let expected: Vec<f64> = x
            .chunks_exact(2 * width)
            .zip(dh.chunks_exact(width))
            .flat_map(|(x, dh)| differences(x, |x| dot(&plain(width, x), dh)))
            .collect();
        on_every_schedule(|driver| {
            let (x, dh, dx) =
                (upload_bf16(driver, &x), upload_bf16(driver, &dh), poisoned::<u16>(driver, 2 * tokens * width));
            reglu::reglu_backward(driver, tokens, width, View::new(&x), View::new(&dh), View::new(&dx)).unwrap();
            assert_close("dx", &download_bf16(driver, &dx), &expected, 1.0 / 250.0, 1e-6);
        });
    }
}

#[test]
fn a_gate_at_zero_is_closed() {
    on_every_schedule(|driver| {
        let x = upload_bf16(driver, &[[0.0f32; 8], [3.0; 8]].concat());
        let (dh, dx) = (upload_bf16(driver, &[1.0; 8]), poisoned::<u16>(driver, 16));
        reglu::reglu_backward(driver, 1, 8, View::new(&x), View::new(&dh), View::new(&dx)).unwrap();
        assert_eq!(download::<u16>(driver, &dx), [0; 16]);
    });
}
