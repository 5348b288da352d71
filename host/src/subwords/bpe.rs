//! Byte-pair encoding, trained within words (Sennrich et al. 2016) and then across them (SuperBPE, Liu et al. 2025).

use std::error::Error;
use std::ops::RangeInclusive;

use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior::Isolated;
use tokenizers::utils::parallelism::set_parallelism;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer, Trainer};

use super::error::SubwordError;
use super::{LONGEST_WORD, library};

/// A token a byte, and some pairs.
const SIZES: RangeInclusive<usize> = 512..=1 << 16;
/// Pieces that a superword is merged of, at most, as its authors have it.
const MOST_PIECES: usize = 4;
/// Pieces of a line that are looked at together.
const LONGEST_LINE: usize = 1 << 12;
/// The first of the characters that stand for pieces: no text needs those of the private planes.
const FIRST_PIECE: u32 = 0xf_0000;

const TRAIN: &str = "train a vocabulary";

/// Trains byte-pair encoding of at most `size` tokens and returns its `tokenizer.json`; the same documents give the
/// same bytes. The first `size - superwords` are bytes and what is merged of them within words; the others are merged of
/// those without regard to words, up to four pieces within a line. All of the text is kept in memory.
///
/// Every text comes back, also one that is no UTF-8 up to the characters that replace it.
///
/// # Errors
/// There is no text, or there is no vocabulary of this size.
pub fn train_bpe<E: Into<Box<dyn Error + Send + Sync>>>(
    documents: impl Iterator<Item = Result<Vec<u8>, E>>,
    size: usize,
    superwords: usize,
) -> Result<String, SubwordError> {
    for found in [size, size.saturating_sub(superwords)] {
        if !SIZES.contains(&found) {
            return Err(SubwordError::Size { least: *SIZES.start(), found });
        }
    }
    let texts = documents
        .map(|document| match document {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => Err(SubwordError::Documents(error.into())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if texts.iter().all(String::is_empty) {
        return Err(SubwordError::NoText);
    }
    set_parallelism(false);
    let within_words = splitter(true)?;
    let bytes = trainer(size - superwords).initial_alphabet(ByteLevel::alphabet().into_iter().collect()).build();
    let model = trained(bytes, &texts, |text| {
        let mut text = PreTokenizedString::from(text);
        within_words.pre_tokenize(&mut text)?;
        let words = text.get_splits(OffsetReferential::Normalized, OffsetType::None).into_iter();
        Ok(words.map(|(word, ..)| word.to_owned()).filter(|word| word.len() <= LONGEST_WORD).collect())
    })?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(within_words)).with_decoder(Some(ByteLevel::default()));
    if superwords == 0 {
        return tokenizer.to_string(false).map_err(library(TRAIN));
    }
    across_words(&tokenizer, &texts, size)
}

/// Merges pieces of a tokenizer across words until there are `size` tokens.
///
/// To the library's trainer a piece is a character and a line is a word.
fn across_words(tokenizer: &Tokenizer, texts: &[String], size: usize) -> Result<String, SubwordError> {
    let mut names: Vec<String> = (0..).map_while(|id| tokenizer.id_to_token(id)).collect();
    let character = |id: u32| char::from_u32(FIRST_PIECE + id).unwrap_or(char::REPLACEMENT_CHARACTER);
    let mut lines = Vec::new();
    for line in texts.iter().flat_map(|text| text.split('\n')) {
        let encoding = tokenizer.encode(line, false).map_err(library(TRAIN))?;
        let pieces = encoding.get_ids().chunks(LONGEST_LINE);
        lines.extend(pieces.map(|pieces| pieces.iter().map(|&id| character(id)).collect::<String>()));
    }
    // Some pieces will be the same text as an older token: more are merged than are needed.
    let pieces = trainer(size + size.saturating_sub(names.len()) / 4)
        .initial_alphabet((0..names.len() as u32).map(character).collect())
        // Below this length, by the library's count.
        .max_token_length(Some(MOST_PIECES + 1))
        .build();
    let model = trained(pieces, &lines, |line| Ok(vec![line.to_owned()]))?;
    let model = serde_json::to_value(&model).map_err(library(TRAIN))?;

    let name_of = |pieces: &Value| -> String {
        let pieces = pieces.as_str().unwrap_or_default().chars();
        pieces.map(|piece| &*names[(u32::from(piece) - FIRST_PIECE) as usize]).collect()
    };
    let merges = model["merges"].as_array().into_iter().flatten();
    let merges: Vec<[String; 2]> = merges.map(|pair| [name_of(&pair[0]), name_of(&pair[1])]).collect();

    let mut fields: Value =
        tokenizer.to_string(false).and_then(|json| Ok(serde_json::from_str(&json)?)).map_err(library(TRAIN))?;
    fields["pre_tokenizer"] = serde_json::to_value(splitter(false)?).map_err(library(TRAIN))?;
    let model = &mut fields["model"];
    for pair in merges {
        let name = pair.concat();
        if model["vocab"].get(&name).is_none() {
            if names.len() == size {
                break;
            }
            model["vocab"][&name] = names.len().into();
            names.push(name);
        }
        if let Some(merges) = model["merges"].as_array_mut() {
            merges.push(json!(pair));
        }
    }
    Ok(fields.to_string())
}

fn trainer(size: usize) -> BpeTrainerBuilder {
    BpeTrainer::builder().show_progress(false).vocab_size(size).min_frequency(2)
}

fn trained(
    mut trainer: BpeTrainer,
    texts: &[String],
    words: impl Fn(&str) -> tokenizers::Result<Vec<String>> + Sync,
) -> Result<BPE, SubwordError> {
    let mut model = BPE::default();
    trainer.feed(texts.iter(), words).and_then(|()| trainer.train(&mut model)).map_err(library(TRAIN))?;
    Ok(model)
}

/// Line ends are pieces of their own; lines are cut into words as GPT-2 cuts them, or not at all.
fn splitter(words: bool) -> Result<Sequence, SubwordError> {
    let lines = SplitPattern::Regex("\n+".to_owned());
    let lines = Split::new(lines, Isolated, false).map_err(library("split lines"))?;
    Ok(Sequence::new(vec![lines.into(), ByteLevel::new(false, false, words).into()]))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::subwords::{SubwordKind, Subwords};

    fn alice() -> impl Iterator<Item = Result<Vec<u8>, Infallible>> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/alice29.txt");
        std::iter::once(Ok(std::fs::read(path).unwrap()))
    }

    fn trained(superwords: usize) -> Subwords {
        let train = || train_bpe(alice(), 2000, superwords).unwrap();
        let json = train();
        assert!(json == train(), "training is not repeatable");
        Subwords::from_json(json.as_bytes(), "alice").unwrap()
    }

    #[test]
    fn superwords_hold_several_words_and_make_fewer_tokens() {
        let text = alice().next().unwrap().unwrap();
        let (words, super_words) = (trained(0), trained(400));
        assert_eq!((words.size(), words.kind()), (2000, SubwordKind::Bpe));
        assert_eq!((super_words.size(), super_words.kind()), (2000, SubwordKind::SuperBpe));
        let [of_words, of_superwords] = [&words, &super_words].map(|subwords| subwords.encode(&text).unwrap());
        assert!(of_superwords.len() * 100 < of_words.len() * 92, "{} and {}", of_superwords.len(), of_words.len());
        assert_eq!(super_words.encode(b" said the King").unwrap().len(), 2);
        for (subwords, tokens) in [(&words, of_words), (&super_words, of_superwords)] {
            let ids: Vec<u32> = tokens.iter().map(|(id, _)| (*id).into()).collect();
            assert_eq!(subwords.decode(&ids).unwrap().as_bytes(), text);
            assert!(
                tokens.iter().all(|(_, place)| text[place.clone()].iter().filter(|&&byte| byte == b'\n').count() <= 8)
            );
        }
        for text in ["", " ", "said  the\r\n\tCat\n\n", "na\u{ef}ve \u{6f22}\u{5b57} \u{f0001}", "a\u{0}b"] {
            let ids: Vec<u32> =
                super_words.encode(text.as_bytes()).unwrap().iter().map(|(id, _)| (*id).into()).collect();
            assert_eq!(super_words.decode(&ids).unwrap(), text, "{ids:?}");
        }
    }

    #[test]
    fn a_superword_is_of_four_pieces_at_most() {
        let line = Ok::<_, Infallible>(b"the rain in Spain stays mainly in the plain\n".repeat(50));
        let json = train_bpe(std::iter::once(line), 1024, 512).unwrap();
        let fields: Value = serde_json::from_str(&json).unwrap();
        let names = fields["model"]["vocab"].as_object().unwrap().keys();
        let words = names.map(|name| name.split('\u{120}').filter(|word| !word.is_empty()).count()).max();
        assert_eq!(words, Some(4));
    }

    #[test]
    fn what_cannot_be_trained_is_an_error() {
        let none = || std::iter::empty::<Result<_, Infallible>>();
        assert!(matches!(train_bpe(none(), 1000, 0), Err(SubwordError::NoText)));
        for (size, superwords, wrong) in [(511, 0, 511), (65_537, 0, 65_537), (1000, 600, 400), (1000, 2000, 0)] {
            let error = train_bpe(alice(), size, superwords);
            assert!(matches!(error, Err(SubwordError::Size { found, .. }) if found == wrong));
        }
        let broken = std::iter::once(Err(std::io::Error::other("gone")));
        assert!(matches!(train_bpe(broken, 1000, 0), Err(SubwordError::Documents(_))));
    }
}
