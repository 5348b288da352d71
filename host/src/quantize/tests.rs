use equalinfo_codec::m1::{Config, M1, Model, ModelError};
use equalinfo_codec::{ByteModel, Frequencies};

use super::reference::{forward, random_model, random_text};
use super::*;

const SMALL: Config = Config { d: 128, ff: 192, context: 48, layers: 2, heads: 2 };

fn trace(image: &[u8], text: &[u8], context: usize) -> Vec<Frequencies> {
    let model = Model::load(image).unwrap();
    let config = model.config();
    let (mut bytes, mut words) = (vec![0; config.byte_buffer(context)], vec![0; config.word_buffer(context)]);
    let mut m1 = M1::new(&model, context, &mut bytes, &mut words).unwrap();
    let mut trace = vec![m1.frequencies().clone()];
    for &byte in text {
        m1.push(byte);
        trace.push(m1.frequencies().clone());
    }
    trace
}

/// The integer model's mean divergence from the float model, in bits.
fn divergence(config: Config, context: usize, seed: u64) -> (f64, f64) {
    let model = random_model(config, seed);
    let text = random_text(150, seed);
    let (probabilities, scales) = forward(&model, &text, context);
    let image = quantize_model(&model, &scales).unwrap();
    let (mut divergence, mut entropy) = (0.0, 0.0);
    for (p, frequencies) in probabilities.iter().zip(trace(&image, &text, context)) {
        for (p, count) in p.iter().zip(frequencies.counts()) {
            if *p > 0.0 {
                divergence += p * (p / (f64::from(count) / 65536.0)).log2();
                entropy -= p * p.log2();
            }
        }
    }
    let n = probabilities.len() as f64;
    (divergence / n, entropy / n)
}

#[test]
fn integer_model_tracks_the_float_model() {
    for (context, seed) in [(48, 1), (17, 2)] {
        let (bits, entropy) = divergence(SMALL, context, seed);
        println!("context {context}: {bits:.4} bits from the float model, whose entropy is {entropy:.2}");
        assert!(bits < 0.02, "{bits}");
        assert!((1.0..7.0).contains(&entropy), "{entropy}: the test needs a model that says something");
    }
}

#[test]
fn export_is_a_function_of_its_input() {
    let model = random_model(SMALL, 3);
    let scales = ActivationScales::new(&SMALL);
    let image = quantize_model(&model, &scales).unwrap();
    assert_eq!(image, quantize_model(&model, &scales).unwrap());
    let view = Model::load(&image).unwrap();
    assert_eq!((view.name(), view.config()), ("random", SMALL));
    assert_eq!(image.len(), SMALL.image_len() + view.extent().tables_len(SMALL.d));
    assert_eq!(view.extent().ngram_rows, [90, 0, 0, 33, 0]);
}

#[test]
fn quantized_weights_stay_what_they_are() {
    let row: Vec<f32> = random_model(SMALL, 4).layers[0].out[..128].to_vec();
    let scale = row_scale(&row);
    let quantized: Vec<f32> = row.iter().map(|w| f32::from(quantize_weight(*w, scale)) * scale).collect();
    assert_eq!(row_scale(&quantized), scale);
    assert!(row.iter().zip(&quantized).all(|(w, q)| (w - q).abs() <= 0.5001 * scale));
    assert_eq!(row_scale(&[0.0; 8]), 1.0);
    assert_eq!(quantize_weight(1e9, 1.0), 127);
}

#[test]
fn tables_come_back() {
    let model = random_model(SMALL, 9);
    let image = quantize_model(&model, &ActivationScales::new(&SMALL)).unwrap();
    let float = dequantize(&Model::load(&image).unwrap());
    for (found, expected) in float.ngrams.iter().zip(&model.ngrams) {
        assert_eq!(found.order, expected.order);
        let error: f32 = found.values.iter().zip(&expected.values).map(|(a, b)| (a - b).powi(2)).sum();
        let size: f32 = expected.values.iter().map(|b| b.powi(2)).sum();
        // A step of a seventh of the largest of 128 values; the scale of the residual is known within a percent.
        assert!(error < 0.02 * size, "{error} of {size}");
    }
    // Rounded once, tables stay what they are.
    let again = dequantize(&Model::load(&quantize_model(&float, &ActivationScales::new(&SMALL)).unwrap()).unwrap());
    for (a, b) in again.ngrams.iter().flat_map(|t| &t.values).zip(float.ngrams.iter().flat_map(|t| &t.values)) {
        assert!((a - b).abs() < 0.02 * b.abs() + 1e-4, "{a} and {b}");
    }
}

#[test]
fn a_mixer_is_carried_along() {
    let plain = quantize_model(&random_model(SMALL, 9), &ActivationScales::new(&SMALL)).unwrap();
    let mixed = with_mixer(&plain, &[1, 2, 3, 4, 5]).unwrap();
    let model = Model::load(&mixed).unwrap();
    assert_eq!(model.mixer(), [1, 2, 3, 4, 5, 0, 0, 0]);
    assert_ne!(model.id(), Model::load(&plain).unwrap().id());
    assert_eq!(with_mixer(&mixed, &[]).unwrap(), plain);
    assert!(with_mixer(&plain, &vec![0; 2 << 20]).is_err());
}

#[test]
fn steps_are_powers_of_two_that_reach() {
    assert_eq!(step_for(127.0, 127.0), 1.0);
    assert_eq!(step_for(127.1, 127.0), 2.0);
    assert_eq!(step_for(4.0, 127.0), 1.0 / 16.0);
}

#[test]
fn bad_input_is_named() {
    let scales = ActivationScales::new(&SMALL);
    let mut model = random_model(SMALL, 5);
    model.layers[1].down.pop();
    assert!(matches!(quantize_model(&model, &scales), Err(QuantizeError::Shape { name: "down", .. })));
    let mut model = random_model(SMALL, 5);
    model.layers[0].gate[7] = f32::NAN;
    assert!(matches!(quantize_model(&model, &scales), Err(QuantizeError::NotFinite { name: "gate", .. })));
    let model = random_model(SMALL, 5);
    let mut coarse = scales.clone();
    coarse.layers[0].key = 1e-9;
    assert!(matches!(quantize_model(&model, &coarse), Err(QuantizeError::Factor { name: "qkv", .. })));
    for (order, rows) in [(7, 1), (1, 1), (2, 0), (2, 70_000)] {
        let mut model = random_model(SMALL, 5);
        model.ngrams = vec![FloatTable { order, values: vec![0.0; rows * 128] }];
        assert!(matches!(quantize_model(&model, &scales), Err(QuantizeError::Table { .. })), "{order}, {rows}");
    }
    let mut wide = random_model(SMALL, 5);
    wide.config.heads = 3;
    wide.layers.iter_mut().for_each(|layer| layer.bias.resize(96, 0.0));
    assert!(matches!(
        quantize_model(&wide, &scales),
        Err(QuantizeError::Image(ModelError::Dimension { name: "heads", .. }))
    ));
}

#[test]
fn source_exports_hold_every_byte() {
    let image = quantize_model(&random_model(SMALL, 6), &ActivationScales::new(&SMALL)).unwrap();
    let model = Model::load(&image).unwrap();
    let numbers = |text: &str, open: char, close: char| -> Vec<u8> {
        let start = text.rfind(open).unwrap() + 1;
        let end = start + text[start..].find(close).unwrap();
        text[start..end].split(',').map(str::trim).filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect()
    };
    assert_eq!(numbers(&c_header(&model, &image), '{', '}'), image);
    assert_eq!(numbers(&rust_module(&model, &image), '[', ']'), image);
}

#[test]
fn buckets_follow_t5() {
    for distance in 16..1000usize {
        let logarithmic = 16 + libm::floor(libm::log(distance as f64 / 16.0) / libm::log(8.0) * 16.0) as usize;
        assert_eq!(bucket(distance), logarithmic.min(31), "distance {distance}");
    }
    assert_eq!((bucket(0), bucket(15)), (0, 15));
}
