//! Built lexicons against the codec's coders, and against a plain restatement of likelihood.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use equalinfo_codec::lexicon::{Lexicon, LexiconKind};
use equalinfo_codec::window::WindowDecoder;
use equalinfo_codec::{ByteModel, WindowBits, WindowCode, encode_window};

use super::{Lexicon as OwnedLexicon, build, build_optimal};
use crate::engine::{Engine, Image, Simd};
use crate::windows::{Cutter, Encoding};

fn nano(simd: Simd) -> Engine {
    Engine::with_simd(Arc::new(Image::embedded("nano").expect("shipped")), simd).expect("this processor's")
}

fn fastest() -> Engine {
    nano(Simd::detect().expect("this processor's"))
}

fn built(kind: LexiconKind, context: usize) -> OwnedLexicon {
    OwnedLexicon::from_bytes(build(&fastest(), kind, context, 2).expect("builds")).expect("a lexicon")
}

fn text(lexicon: &Lexicon, code: u16) -> Vec<u8> {
    lexicon.text(code).collect()
}

#[test]
fn every_code_is_that_of_the_window_code() {
    for context in [128, 3] {
        let image = built(LexiconKind::WindowCode, context);
        let lexicon = image.view();
        let mut model = fastest().session(context).expect("a context");
        for code in 0..=u16::MAX {
            let mut decoder =
                WindowDecoder::new(WindowBits::B16, WindowCode::Default, context, code.into()).expect("decodes");
            model.reset();
            let mut walk = lexicon.text(code);
            while let Some(byte) = decoder.next(&mut model) {
                assert_eq!(walk.next(), Some(byte), "{code}");
            }
            assert_eq!(walk.next(), None, "{code}");
            assert_eq!(walk.is_canonical(), decoder.is_canonical(), "{code}");
        }
    }
}

#[test]
fn a_book_has_the_windows_of_the_window_code() {
    let image = built(LexiconKind::WindowCode, 128);
    let mut model = fastest().session(128).expect("a context");
    let text = include_bytes!("../../../tests/data/alice29.txt").as_slice();
    for encoding in [Encoding::Greedy(WindowCode::Default), Encoding::Flexible] {
        let cutter = || Cutter::new((WindowBits::B16, encoding), 128, usize::MAX, text);
        assert!(cutter().cut_by(image.view()) == cutter().cut(&mut model), "{encoding:?}");
    }
    let mut rest = &text[..10_000];
    while !rest.is_empty() {
        let window = encode_window(&mut model, WindowBits::B16, WindowCode::Default, 128, rest);
        let (code, taken) = image.view().encode(rest);
        assert_eq!((u128::from(code), taken), (window.value, window.consumed));
        rest = &rest[taken..];
    }
}

/// Threads, batches and instruction sets don't change a bit of an image.
#[test]
fn images_are_the_same_however_they_are_built() {
    for kind in [LexiconKind::WindowCode, LexiconKind::Optimal] {
        let expected = build(&fastest(), kind, 4, 1).expect("builds");
        assert!(build(&fastest(), kind, 4, 3).expect("builds") == expected, "{kind:?}");
    }
    let expected = build(&fastest(), LexiconKind::WindowCode, 3, 2).expect("builds");
    for simd in Simd::available() {
        assert!(build(&nano(simd), LexiconKind::WindowCode, 3, 2).expect("builds") == expected, "{}", simd.name());
    }
    assert!(build(&fastest(), LexiconKind::Optimal, 1, 1).is_err());
    assert!(build(&fastest(), LexiconKind::WindowCode, 129, 1).is_err());
}

#[test]
fn an_image_carries_the_ids_of_its_content_and_its_model() {
    for kind in [LexiconKind::WindowCode, LexiconKind::Optimal] {
        let image = built(kind, 8);
        let lexicon = image.view();
        assert_eq!(lexicon.id(), equalinfo_codec::checksum::image_id(&image.bytes()[20..]));
        assert_eq!(lexicon.model_id(), fastest().image().model().id());
        assert_eq!((lexicon.kind(), lexicon.context()), (kind, 8));
    }
}

/// The best lexicon by definition: no text that could be added is better than the last one included.
#[test]
fn no_text_left_out_is_likelier() {
    const CONTEXT: usize = 64;
    let image = built(LexiconKind::Optimal, CONTEXT);
    let lexicon = image.view();
    let mut model = fastest().session(CONTEXT).expect("a context");
    let texts: HashSet<Vec<u8>> = (0..=u16::MAX).map(|code| text(lexicon, code)).collect();
    assert_eq!(texts.len(), 65536);
    let times = |probability: u64, count| ((u128::from(probability) * u128::from(count)) >> 16) as u64;
    let rank = |probability: u64, text: &[u8]| (Reverse(probability), text.len(), text.to_vec());
    let (mut last, mut first_left_out) = (rank(u64::MAX, &[]), rank(0, &[0xff; 200]));
    for text in &texts {
        model.reset();
        let mut probability = 1 << 63;
        for &byte in text {
            probability = times(probability, model.frequencies().count(byte));
            model.push(byte);
        }
        if text.len() > 1 {
            last = last.max(rank(probability, text));
        }
        // Longer ones would not fit the context.
        if text.len() == CONTEXT {
            continue;
        }
        for byte in 0..=255 {
            let probability = times(probability, model.frequencies().count(byte));
            if probability < first_left_out.0.0 {
                continue;
            }
            let longer = [&text[..], &[byte]].concat();
            if !texts.contains(&longer) {
                first_left_out = first_left_out.min(rank(probability, &longer));
            }
        }
    }
    assert!(last.1 > 1 && last < first_left_out, "{last:?} {first_left_out:?}");
}

#[test]
fn a_sample_of_the_text_to_come_makes_codes_longer() {
    let codes = |image: &[u8], mut rest: &[u8]| {
        let lexicon = Lexicon::load(image).expect("a lexicon");
        let mut codes = 0;
        while !rest.is_empty() {
            rest = &rest[lexicon.encode(rest).1..];
            codes += 1;
        }
        codes
    };
    let (sample, text) = include_bytes!("../../../tests/data/alice29.txt").split_at(100_000);
    let (sample, more) = sample.split_at(50_000);
    let alone = build(&fastest(), LexiconKind::Optimal, 32, 2).expect("builds");
    let sample = [sample.to_vec(), Vec::new(), more.to_vec()];
    let taught = build_optimal(&fastest(), 32, 2, &sample).expect("builds");
    assert!(build_optimal(&fastest(), 32, 1, &sample).expect("builds") == taught);
    let (before, after) = (codes(&alone, text), codes(&taught, text));
    assert!(10 * after < 9 * before, "{after} of {before}");
}
