//! Lexicons agree with the window code that they replace, and withstand every kind of damage to images and streams.

#[path = "../common/mod.rs"]
mod common;
mod damage;
mod images;
mod optimal;
mod windows;

/// An image, checked.
fn load(image: &[u8]) -> equalinfo_codec::lexicon::Lexicon<'_> {
    equalinfo_codec::lexicon::Lexicon::load(image).expect("a lexicon")
}
