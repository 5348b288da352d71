//! What is built against the codec's coders, and against a plain restatement of what is likeliest.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use equalinfo_codec::lexicon::{Lexicon, LexiconKind};
use equalinfo_codec::window::WindowDecoder;
use equalinfo_codec::{ByteModel, WindowBits, WindowCode, encode_window};

use super::{LexiconImage, build};
use crate::engine::{Engine, Image, Simd};

fn nano(simd: Simd) -> Engine {
    Engine::with_simd(Arc::new(Image::embedded("nano").expect("shipped")), simd).expect("this processor's")
}

fn fastest() -> Engine {
    nano(Simd::detect().expect("this processor's"))
}

fn built(kind: LexiconKind, context: usize) -> LexiconImage {
    LexiconImage::from_bytes(build(&fastest(), kind, context, 2).expect("builds")).expect("a lexicon")
}

fn text(lexicon: &Lexicon, code: u16) -> Vec<u8> {
    lexicon.text(code).collect()
}

#[test]
fn every_code_is_that_of_the_window_code() {
    for context in [128, 3] {
        let image = built(LexiconKind::WindowCode, context);
        let lexicon = image.lexicon();
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
    let mut rest = include_bytes!("../../../tests/data/alice29.txt").as_slice();
    while !rest.is_empty() {
        let window = encode_window(&mut model, WindowBits::B16, WindowCode::Default, 128, rest);
        let (code, taken) = image.lexicon().encode(rest);
        assert_eq!((u128::from(code), taken), (window.value, window.consumed));
        rest = &rest[taken..];
    }
}

/// Neither threads nor batches nor instructions change a bit of an image.
#[test]
fn images_are_the_same_however_they_are_built() {
    for kind in [LexiconKind::WindowCode, LexiconKind::Optimal] {
        let expected = build(&fastest(), kind, 12, 1).expect("builds");
        assert!(build(&fastest(), kind, 12, 3).expect("builds") == expected, "{kind:?} on threads");
        for simd in Simd::available().filter(|simd| *simd != Simd::Portable) {
            assert!(build(&nano(simd), kind, 12, 2).expect("builds") == expected, "{kind:?} {}", simd.name());
        }
    }
    assert!(build(&fastest(), LexiconKind::Optimal, 1, 1).is_err());
    assert!(build(&fastest(), LexiconKind::WindowCode, 129, 1).is_err());
}

#[test]
fn an_image_carries_the_ids_of_its_content_and_its_model() {
    for kind in [LexiconKind::WindowCode, LexiconKind::Optimal] {
        let image = built(kind, 8);
        let lexicon = image.lexicon();
        assert_eq!(lexicon.id(), equalinfo_codec::m1::image::id_of(&image.bytes()[20..]));
        assert_eq!(lexicon.model_id(), fastest().image().model().id());
        assert_eq!((lexicon.kind(), lexicon.context()), (kind, 8));
    }
}
