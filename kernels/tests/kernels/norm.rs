use equalinfo_kernels::{View, norm};

use crate::common::*;
use crate::differences::{differences, dot, wide};

/// Not multiples of the rows per block, nor of the values that a warp reads at once.
const SIZES: [(usize, usize); 4] = [(1, 64), (13, 20), (9, 192), (19, 516)];

fn plain(width: usize, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let inverse: Vec<f64> = x
        .chunks_exact(width)
        .map(|row| 1.0 / (row.iter().map(|v| v * v).sum::<f64>() / width as f64 + 1e-6).sqrt())
        .collect();
    let a = x.chunks_exact(width).zip(&inverse).flat_map(|(row, r)| row.iter().map(move |v| r * v)).collect();
    (a, inverse)
}

#[test]
fn rows_are_normalized() {
    for (tokens, width) in SIZES {
        let x = Random::new(tokens as u64).floats(tokens * width, 3.0);
        let (expected, inverses) = plain(width, &wide(&x));
        on_every_schedule(|driver| {
            let x = upload(driver, &x);
            let (a, inverse) = (poisoned::<u16>(driver, tokens * width), poisoned::<f32>(driver, tokens));
            norm::rms_norm(driver, tokens, width, View::new(&x), View::new(&a), View::new(&inverse)).unwrap();
            assert_close("inverse", &download::<f32>(driver, &inverse), &inverses, 1e-6, 0.0);
            assert_close("a", &download_bf16(driver, &a), &expected, 1.0 / 256.0, 0.0);
        });
    }
}

#[test]
fn a_row_of_zeros_stays_zeros() {
    on_every_schedule(|driver| {
        let x = upload(driver, &[0.0f32; 64]);
        let (a, inverse) = (poisoned::<u16>(driver, 64), poisoned::<f32>(driver, 1));
        norm::rms_norm(driver, 1, 64, View::new(&x), View::new(&a), View::new(&inverse)).unwrap();
        assert_eq!(download::<u16>(driver, &a), [0; 64]);
    });
}

#[test]
fn the_gradient_is_that_of_differences() {
    for (tokens, width) in SIZES {
        let mut random = Random::new(7 + tokens as u64);
        let x = random.floats(tokens * width, 2.0);
        let da: Vec<f32> = random.floats(tokens * width, 1.0).into_iter().map(round_bf16).collect();
        let before = random.floats(tokens * width, 1.0);
        let inverse: Vec<f32> = plain(width, &wide(&x)).1.iter().map(|&r| r as f32).collect();
        // Rows don't depend on each other, so the differences of one row are enough.
        let expected: Vec<f64> = x
            .chunks_exact(width)
            .zip(da.chunks_exact(width))
            .flat_map(|(x, da)| differences(x, |x| dot(&plain(width, x).0, da)))
            .collect();
        let added: Vec<f64> = expected.iter().zip(&before).map(|(g, b)| g + f64::from(*b)).collect();
        on_every_schedule(|driver| {
            let (x, inverse, da) = (upload(driver, &x), upload(driver, &inverse), upload_bf16(driver, &da));
            for (accumulate, expected) in [(false, &expected), (true, &added)] {
                let dx = if accumulate { upload(driver, &before) } else { poisoned::<f32>(driver, tokens * width) };
                let rounded = poisoned::<u16>(driver, tokens * width);
                let [x, inverse, da] = [&x, &inverse, &da].map(View::new);
                let copy = accumulate.then_some(View::new(&rounded));
                norm::rms_norm_backward(driver, tokens, width, x, inverse, da, View::new(&dx), copy, accumulate)
                    .unwrap();
                let dx = download::<f32>(driver, &dx);
                assert_close("dx", &dx, expected, 1e-4, 1e-5);
                let copied: Vec<u16> =
                    dx.iter().map(|&value| if accumulate { to_bf16(value) } else { 0xffff }).collect();
                assert_eq!(download::<u16>(driver, &rounded), copied);
            }
        });
    }
}
