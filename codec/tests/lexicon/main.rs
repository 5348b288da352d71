//! The lexicon against the window code that it replaces, and `.lex` images and streams against every kind of damage.

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
