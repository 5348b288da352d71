//! Subwords for method `unigram`: pieces of words as SentencePiece has them (Kudo 2018), the paper's baseline; trained
//! here or loaded from a `tokenizer.json`, whose model may also be byte-pair encoding, within words or across them.
//!
//! Those trained here are lossless for UTF-8: a piece holds its spaces as they are, and characters without a piece fall
//! back to a token a byte.

mod bpe;
pub(crate) mod error;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::models::ModelWrapper;
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior::{Isolated, MergedWithNext};
use tokenizers::utils::parallelism::set_parallelism;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer};

pub use bpe::train_bpe;
pub use error::SubwordError;

use crate::error::LoadError;
use crate::guard::guarded;

/// Tokens of every vocabulary that is trained here: one for what has no piece, and one a byte.
const FIXED: usize = 1 + 256;
/// Pieces besides, at least.
const LEAST: usize = 200;
/// A score that no path through other pieces is below, so that text is never taken for such a token's name.
const NEVER: f64 = -1000.0;
/// The longest piece of text that is looked at as one word, in bytes.
const LONGEST_WORD: usize = 64;
/// Characters that are rarer than this share of the text get no piece: SentencePiece's coverage of 0.9995.
const RARE: f64 = 5e-4;

/// The longest piece of a Unigram that is read, in bytes: the library keeps pieces in a tree, a byte a level, and takes
/// it down by recursion.
const LONGEST_PIECE: usize = 512;

/// What tokenizers lose that lose anything of ordinary text: capitals, spaces, where lines end, other scripts. One of
/// them begins with a space, as some add it and some take it away.
const PROBES: [&str; 2] = [
    "The Quick  brown fox,\n\n  jumps (over 13 lazy dogs)! ",
    " \u{e9}t\u{e9}, \u{416}\u{443}\u{43a}, \u{6f22}\u{5b57}, \u{1f600}",
];

const READ: &str = "read a tokenizer.json";

/// Names what was tried with the tokenizers library.
fn library<E: std::fmt::Display>(action: &'static str) -> impl FnOnce(E) -> SubwordError {
    move |error| SubwordError::Library { action, reason: error.to_string() }
}

/// A vocabulary of subwords. Cheap to clone, and shared between threads.
///
/// ```
/// use equalinfo::{Subwords, Tokenizer};
///
/// let text = b"How much wood would a woodchuck chuck if a woodchuck could chuck wood? ".repeat(100);
/// let documents = [Ok::<_, std::io::Error>(text.clone())].into_iter();
/// let subwords = Subwords::from_json(equalinfo::subwords::train(documents, 500)?.as_bytes(), "wood")?;
/// let tokenizer = Tokenizer::subwords(&subwords)?;
/// let tokens = tokenizer.encode(&text)?;
/// assert!(tokens.len() < text.len());
/// assert_eq!(tokenizer.decode(&tokens)?, text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Subwords {
    tokenizer: Arc<Tokenizer>,
    /// The same without added tokens, such as `<|endoftext|>`: a text that holds the name of one is text all the same.
    encoder: Arc<Tokenizer>,
    /// Ids of special tokens that the model could find in a text: those whose names are pieces of it too.
    special: BTreeSet<u32>,
    kind: SubwordKind,
    size: usize,
    name: String,
    id: u64,
}

/// How the pieces of a vocabulary were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubwordKind {
    /// Pieces have probabilities, and a text becomes the likeliest of them.
    Unigram,
    /// Pairs were merged within words.
    Bpe,
    /// Pairs were merged across words too.
    SuperBpe,
}

impl Subwords {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// The file cannot be read, is none, or has more than 65,536 tokens.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        LoadError::in_file(path, "a tokenizer.json", |bytes| Ok(Self::from_json(&bytes, &name)?))
    }

    /// The vocabulary of a `tokenizer.json`, and the name that it goes by.
    ///
    /// # Errors
    /// The text is none, has more than 65,536 tokens or a piece of more than 512 bytes, or is of a tokenizer that loses
    /// bytes of a text: one that normalizes it, leaves out spaces, also at its beginning, or has no tokens for some
    /// characters.
    pub fn from_json(json: &[u8], name: &str) -> Result<Self, SubwordError> {
        guarded(|| Self::read(json, name)).unwrap_or_else(|| Err(library(READ)("the file makes no sense")))
    }

    fn read(json: &[u8], name: &str) -> Result<Self, SubwordError> {
        // Examples are many and short: the threads are ours.
        set_parallelism(false);
        let mut fields: serde_json::Value = serde_json::from_slice(json).map_err(library(READ))?;
        let pieces = fields.pointer("/model/vocab").and_then(|pieces| pieces.as_array());
        let lengths = pieces.into_iter().flatten().filter_map(|piece| Some(piece.get(0)?.as_str()?.len()));
        if let Some(found) = lengths.max().filter(|&found| found > LONGEST_PIECE) {
            return Err(SubwordError::Piece { found, most: LONGEST_PIECE });
        }
        let tokenizer = Tokenizer::from_bytes(json).map_err(library(READ))?;
        // Ids of added tokens may lie beyond the others, with a gap.
        let highest = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let size = highest.max(tokenizer.get_vocab_size(true));
        if size > 1 << 16 {
            return Err(SubwordError::TooLarge { found: size });
        }
        if let Some(normalizer) = fields.get("normalizer").filter(|normalizer| !normalizer.is_null()) {
            let found = normalizer.get("type").and_then(|name| name.as_str()).unwrap_or("of no type");
            return Err(SubwordError::Normalizer { found: found.to_owned() });
        }
        fields["added_tokens"] = serde_json::Value::Array(Vec::new());
        let encoder = Tokenizer::from_bytes(fields.to_string()).map_err(library(READ))?;
        let digest = Sha256::digest(json);
        let id = digest.iter().take(8).fold(0, |id, &byte| id << 8 | u64::from(byte));
        let is_special = |id: u32, name: &str| {
            // A character alone cannot be taken apart.
            name.chars().nth(1).is_some() && encoder.token_to_id(name) == Some(id)
        };
        let added = tokenizer.get_added_tokens_decoder().into_iter().filter(|(_, token)| token.special);
        let special = added.filter(|(id, token)| is_special(*id, &token.content)).map(|(id, _)| id).collect();
        let kind = match tokenizer.get_model() {
            ModelWrapper::BPE(_) => {
                let pieces = fields.pointer("/model/vocab").and_then(|pieces| pieces.as_object());
                let across = pieces.is_some_and(|pieces| pieces.keys().any(|piece| spans_words(piece)));
                if across { SubwordKind::SuperBpe } else { SubwordKind::Bpe }
            }
            _ => SubwordKind::Unigram,
        };
        let (tokenizer, encoder) = (Arc::new(tokenizer), Arc::new(encoder));
        let subwords = Self { tokenizer, encoder, special, kind, size, name: name.to_owned(), id };
        for probe in PROBES {
            let ids: Vec<u32> = subwords.encode(probe.as_bytes())?.into_iter().map(|(id, _)| id.into()).collect();
            let found = subwords.decode(&ids)?;
            if found != probe {
                return Err(SubwordError::Lossy { text: probe.to_owned(), found });
            }
        }
        Ok(subwords)
    }

    /// The name of its file, without the extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first eight bytes of the file's SHA-256.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// How its pieces were found.
    pub fn kind(&self) -> SubwordKind {
        self.kind
    }

    /// Tokens, as many as a model of them has outputs: a multiple of eight, as GPUs want.
    pub fn size(&self) -> usize {
        self.size.next_multiple_of(8)
    }

    /// Tokens of a text, and which of its bytes each stands for. Bytes that are no UTF-8 become U+FFFD; the name of a
    /// special token is the characters that it has.
    ///
    /// # Errors
    /// The vocabulary cannot encode this text.
    pub fn encode(&self, text: &[u8]) -> Result<Vec<(u16, Range<usize>)>, SubwordError> {
        let readable = String::from_utf8_lossy(text);
        let mut tokens = Vec::new();
        self.push_tokens(&readable, 0, &mut tokens)?;
        let within = |place: usize| place.min(text.len());
        let tokens = tokens.into_iter().map(|(found, place)| {
            let id = u16::try_from(found).map_err(|_| SubwordError::Token { found })?;
            Ok((id, within(place.start)..within(place.end)))
        });
        tokens.collect()
    }

    /// The tokens of a text that begins at a place of a longer one.
    fn push_tokens(&self, text: &str, begin: usize, tokens: &mut Vec<(u32, Range<usize>)>) -> Result<(), SubwordError> {
        let encoding = self.encoder.encode(text, false).map_err(library("encode this text"))?;
        for (&id, &(start, end)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
            match text.get(start..end) {
                Some(name) if self.special.contains(&id) => {
                    for (place, character) in name.char_indices() {
                        self.push_tokens(character.encode_utf8(&mut [0; 4]), begin + start + place, tokens)?;
                    }
                }
                _ => tokens.push((id, begin + start..begin + end)),
            }
        }
        Ok(())
    }

    /// The text of tokens.
    ///
    /// # Errors
    /// The vocabulary's decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, SubwordError> {
        self.tokenizer.decode(ids, false).map_err(library("decode these tokens"))
    }
}

/// Whether a piece has a space between letters, however the tokenizer spells spaces.
fn spans_words(piece: &str) -> bool {
    let mut words = piece.split([' ', '\u{120}', '\u{2581}']).filter(|word| word.contains(char::is_alphabetic));
    words.nth(1).is_some()
}

/// Trains a vocabulary of `size` tokens and returns its `tokenizer.json`; the same documents on the same machine give
/// the same bytes.
///
/// # Errors
/// There is no text, or its characters alone are more than `size`.
pub fn train<E: Into<Box<dyn Error + Send + Sync>>>(
    documents: impl Iterator<Item = Result<Vec<u8>, E>>,
    size: usize,
) -> Result<String, SubwordError> {
    const TRAIN: &str = "train a vocabulary";
    if !(FIXED + LEAST..=1 << 16).contains(&size) {
        return Err(SubwordError::Size { least: FIXED + LEAST, found: size });
    }
    // The library adds up in an order that depends on its threads.
    set_parallelism(false);
    let words = common(words(documents)?);
    if words.is_empty() {
        return Err(SubwordError::NoText);
    }
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size((size - FIXED) as u32)
        // Text that looks like the name of a fixed token is made of these, and so is not taken for it.
        .initial_alphabet((' '..='~').collect())
        .build()
        .map_err(library(TRAIN))?;
    let mut model = Unigram::default();
    trainer.do_train(words, &mut model).map_err(library(TRAIN))?;
    let pieces = in_order(model.iter().cloned().collect());
    let bytes = (0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), NEVER));
    let vocabulary = std::iter::once(("<unk>".to_owned(), NEVER)).chain(bytes).chain(pieces).collect();
    let model = Unigram::from(vocabulary, Some(0), true).map_err(library(TRAIN))?;

    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(splitter()?)).with_decoder(Some(Decoders::new(vec![
        DecoderWrapper::ByteFallback(ByteFallback::new()),
        DecoderWrapper::Fuse(Fuse::new()),
    ])));
    tokenizer.to_string(false).map_err(library(TRAIN))
}

/// Words begin with the space before them; a line's end is a word.
fn splitter() -> Result<Sequence, SubwordError> {
    let split = |pattern: &str, behaviour| {
        Split::new(SplitPattern::String(pattern.to_owned()), behaviour, false).map_err(library("split words"))
    };
    Ok(Sequence::new(vec![split("\n", Isolated)?.into(), split(" ", MergedWithNext)?.into()]))
}

/// How often each word occurs.
fn words<E: Into<Box<dyn Error + Send + Sync>>>(
    documents: impl Iterator<Item = Result<Vec<u8>, E>>,
) -> Result<BTreeMap<String, u32>, SubwordError> {
    let splitter = splitter()?;
    let mut words = BTreeMap::new();
    for document in documents {
        let document = document.map_err(|error| SubwordError::Documents(error.into()))?;
        let mut text = PreTokenizedString::from(String::from_utf8_lossy(&document).into_owned());
        splitter.pre_tokenize(&mut text).map_err(library("split words"))?;
        for (word, ..) in text.get_splits(OffsetReferential::Original, OffsetType::None) {
            if word.len() <= LONGEST_WORD {
                match words.get_mut(word) {
                    Some(count) => *count += 1,
                    None => {
                        words.insert(word.to_owned(), 1);
                    }
                }
            }
        }
    }
    Ok(words)
}

/// The words without rare characters, in the order of their text.
fn common(words: BTreeMap<String, u32>) -> Vec<(String, u32)> {
    let mut characters: BTreeMap<char, u64> = BTreeMap::new();
    for (word, &count) in &words {
        word.chars().for_each(|character| *characters.entry(character).or_default() += u64::from(count));
    }
    let mut counts: Vec<(u64, char)> = characters.into_iter().map(|(character, count)| (count, character)).collect();
    counts.sort_unstable();
    let mut left = counts.iter().map(|(count, _)| count).sum::<u64>() as f64 * RARE;
    let rare: std::collections::BTreeSet<char> = counts
        .into_iter()
        .take_while(|&(count, _)| {
            left -= count as f64;
            left > 0.0
        })
        .map(|(_, character)| character)
        .collect();
    words.into_iter().filter(|(word, _)| word.chars().all(|character| !rare.contains(&character))).collect()
}

/// Pieces from the likeliest to the least likely. The library gives characters that lost their piece scores in a random
/// order, a ten thousandth apart above the lowest score; here the order is theirs.
fn in_order(mut pieces: Vec<(String, f64)>) -> Vec<(String, f64)> {
    let least = pieces.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
    let is_single = |piece: &str| piece.chars().nth(1).is_none();
    let singles = pieces.iter().filter(|(piece, _)| is_single(piece)).count();
    let (mut low, mut rest): (Vec<_>, Vec<_>) =
        pieces.drain(..).partition(|(piece, score)| is_single(piece) && *score < least + 1e-4 * singles as f64);
    let mut scores: Vec<f64> = low.iter().map(|(_, score)| *score).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    low.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    rest.extend(low.into_iter().zip(scores).map(|((piece, _), score)| (piece, score)));
    rest.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rest
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn alice() -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/alice29.txt")).unwrap()
    }

    fn trained() -> Subwords {
        let train = || train(std::iter::once(Ok::<_, Infallible>(alice())), 1000).unwrap();
        let json = train();
        assert!(json == train(), "training is not repeatable");
        Subwords::from_json(json.as_bytes(), "alice").unwrap()
    }

    #[test]
    fn pieces_are_words_and_every_text_comes_back() {
        let subwords = trained();
        assert_eq!(subwords.size(), 1000);
        let text = &alice()[..20_000];
        let encoded = subwords.encode(text).unwrap();
        assert!(encoded.len() * 2 < text.len(), "{} tokens", encoded.len());
        assert_eq!(encoded.last().unwrap().1.end, text.len());
        assert!(encoded.is_sorted_by_key(|(_, place)| place.start));
        let alice_is_one = subwords.encode(b" said Alice").unwrap();
        assert_eq!(alice_is_one.len(), 2);
        for text in ["", " ", "said  the\r\n\tCat\n\n", "na\u{ef}ve \u{2581} \u{6f22}\u{5b57} <unk> <0x41>", "a\u{0}b"]
        {
            let ids: Vec<u32> = subwords.encode(text.as_bytes()).unwrap().iter().map(|(id, _)| (*id).into()).collect();
            assert_eq!(subwords.decode(&ids).unwrap(), text, "{ids:?}");
        }
        let broken = subwords.encode(b"cut \xe2\x82").unwrap();
        assert!(broken.iter().all(|(_, place)| place.end <= 6));
    }

    #[test]
    fn tokenizers_that_lose_bytes_are_refused_and_added_tokens_are_text() {
        let json = train(std::iter::once(Ok::<_, Infallible>(alice())), 1000).unwrap();
        let with = |name: &str, value: serde_json::Value| {
            let mut fields: serde_json::Value = serde_json::from_str(&json).unwrap();
            fields[name] = value;
            Subwords::from_json(fields.to_string().as_bytes(), "changed")
        };
        for name in ["Lowercase", "NFKC"] {
            let error = with("normalizer", serde_json::json!({"type": name})).err().unwrap();
            assert!(matches!(&error, SubwordError::Normalizer { found } if found == name), "{error}");
        }
        let error = with("pre_tokenizer", serde_json::json!({"type": "WhitespaceSplit"})).err().unwrap();
        assert!(matches!(error, SubwordError::Lossy { .. }), "{error}");
        let strip = serde_json::json!({"type": "Strip", "content": " ", "start": 1, "stop": 0});
        let decoders = serde_json::json!([{"type": "ByteFallback"}, {"type": "Fuse"}, strip]);
        let error = with("decoder", serde_json::json!({"type": "Sequence", "decoders": decoders})).err().unwrap();
        assert!(matches!(&error, SubwordError::Lossy { text, found } if *text == format!(" {found}")), "{error}");
        let mut model = serde_json::from_str::<serde_json::Value>(&json).unwrap()["model"].take();
        model["byte_fallback"] = false.into();
        let error = with("model", model).err().unwrap();
        assert!(matches!(&error, SubwordError::Lossy { found, .. } if found.contains("<unk>")), "{error}");
        let added = serde_json::json!([{"id": 1000, "content": "said", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}]);
        let subwords = with("added_tokens", added).unwrap();
        assert_eq!(subwords.size(), 1008);
        let text = "and said, she said";
        let without = Subwords::from_json(json.as_bytes(), "alice").unwrap();
        assert_eq!(subwords.encode(text.as_bytes()).unwrap(), without.encode(text.as_bytes()).unwrap());
    }

    #[test]
    fn special_tokens_that_are_pieces_are_not_found_in_a_text() {
        let json = train(std::iter::once(Ok::<_, Infallible>(alice())), 1000).unwrap();
        let mut fields: serde_json::Value = serde_json::from_str(&json).unwrap();
        // As T5 has it: likelier than any path through the characters.
        fields["model"]["vocab"].as_array_mut().unwrap().push(serde_json::json!(["</s>", 0.0]));
        let read = |fields: &serde_json::Value| Subwords::from_json(fields.to_string().as_bytes(), "t5").unwrap();
        let ids = |subwords: &Subwords, text: &str| -> Vec<u32> {
            subwords.encode(text.as_bytes()).unwrap().into_iter().map(|(id, _)| id.into()).collect()
        };
        let text = "said</s> Alice";
        assert!(ids(&read(&fields), text).contains(&1000), "an ordinary piece is found");
        fields["added_tokens"] = serde_json::json!([{"id": 1000, "content": "</s>", "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false, "special": true}]);
        let subwords = read(&fields);
        let found = ids(&subwords, text);
        assert!(!found.contains(&1000));
        assert_eq!(subwords.decode(&found).unwrap(), text);
        let places = subwords.encode(text.as_bytes()).unwrap().into_iter().map(|(_, place)| place);
        assert_eq!(places.flatten().collect::<Vec<_>>(), (0..text.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_piece_as_long_as_a_book_is_refused() {
        let json = train(std::iter::once(Ok::<_, Infallible>(alice())), 1000).unwrap();
        let with_piece = |length: usize| {
            let mut fields: serde_json::Value = serde_json::from_str(&json).unwrap();
            fields["model"]["vocab"].as_array_mut().unwrap().push(serde_json::json!(["x".repeat(length), -20.0]));
            Subwords::from_json(fields.to_string().as_bytes(), "long")
        };
        assert_eq!(with_piece(LONGEST_PIECE).unwrap().size(), 1008);
        for length in [LONGEST_PIECE + 1, 1_000_000] {
            let error = with_piece(length).err().unwrap();
            assert!(matches!(error, SubwordError::Piece { found, .. } if found == length), "{error}");
        }
    }

    #[test]
    fn bpe_is_told_from_unigram() {
        let model = serde_json::json!({"type": "BPE", "byte_fallback": true, "fuse_unk": false, "unk_token": null,
            "vocab": (0..=255).map(|byte| (format!("<0x{byte:02X}>"), byte)).chain([("a".to_owned(), 256),
            ("b".to_owned(), 257), ("ab".to_owned(), 258)]).collect::<BTreeMap<String, u32>>(), "merges": ["a b"]});
        let json = serde_json::json!({"version": "1.0", "added_tokens": [], "model": model, "decoder":
            {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}});
        let subwords = Subwords::from_json(json.to_string().as_bytes(), "pairs").unwrap();
        assert_eq!((subwords.kind(), trained().kind()), (SubwordKind::Bpe, SubwordKind::Unigram));
        let method = crate::TokenMethod::subwords(&subwords);
        assert_eq!(method.to_string(), "BPE[v=264]");
        let tokenizer = crate::Tokenizer::new(method, subwords.clone(), 256).unwrap();
        assert_eq!(tokenizer.encode(b"abba").unwrap(), [258, 257, 256]);
        let error = crate::Tokenizer::new(crate::TokenMethod::Unigram { pieces: 264 }, subwords, 256).err().unwrap();
        assert!(error.to_string().contains("BPE"), "{error}");
    }

    #[test]
    fn what_cannot_be_trained_or_read_is_an_error() {
        assert!(matches!(train(std::iter::empty::<Result<_, Infallible>>(), 1000), Err(SubwordError::NoText)));
        let alice = || std::iter::once(Ok::<_, Infallible>(alice()));
        assert!(matches!(train(alice(), 400), Err(SubwordError::Size { found: 400, .. })));
        let broken = std::iter::once(Err(std::io::Error::other("gone")));
        assert!(matches!(train(broken, 1000), Err(SubwordError::Documents(_))));
        let error = Subwords::from_json(b"{}", "").err().unwrap().to_string();
        assert!(error.contains("tokenizer.json"), "{error}");
    }
}
