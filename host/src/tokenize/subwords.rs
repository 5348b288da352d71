//! Subwords for method `unigram`: pieces of words as SentencePiece has them (Kudo 2018), the paper's baseline; trained here or loaded from a `tokenizer.json`.
//!
//! Those trained here are lossless for UTF-8: a piece holds its spaces as they are, and characters without a piece fall back to a token a byte.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use sha2::{Digest, Sha256};
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior::{Isolated, MergedWithNext};
use tokenizers::utils::parallelism::set_parallelism;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer};

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

/// A vocabulary.
pub struct Subwords {
    tokenizer: Tokenizer,
    name: String,
    id: u64,
}

/// Tokens with where each of them ends in the text.
pub struct Encoded {
    pub ids: Vec<u16>,
    /// Bytes of text.
    pub ends: Vec<usize>,
}

impl Subwords {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// The file cannot be read, is none, or has more than 65,536 tokens.
    pub fn load(path: &Path) -> Result<Self> {
        let what = || format!("--tokenizer {}", path.display());
        let bytes = std::fs::read(path).with_context(what)?;
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Self::from_json(&bytes, name).with_context(what)
    }

    fn from_json(bytes: &[u8], name: String) -> Result<Self> {
        // Examples are many and short: the threads are ours.
        set_parallelism(false);
        let tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| anyhow!("expected a tokenizer.json: {error}"))?;
        let size = tokenizer.get_vocab_size(true);
        ensure!(size <= 1 << 16, "{size} tokens are more than the 65,536 that shards can hold");
        let digest = Sha256::digest(bytes);
        let id = digest.iter().take(8).fold(0, |id, &byte| id << 8 | u64::from(byte));
        Ok(Self { tokenizer, name, id })
    }

    /// The name of its file, without the extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first eight bytes of the file's SHA-256.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Tokens, as many as a model of them has outputs: a multiple of eight, as GPUs want.
    pub fn size(&self) -> usize {
        self.tokenizer.get_vocab_size(true).next_multiple_of(8)
    }

    /// Tokens of a text. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// The vocabulary cannot encode this text.
    pub fn encode(&self, text: &[u8]) -> Result<Encoded> {
        let readable = String::from_utf8_lossy(text);
        let encoding = self.tokenizer.encode(&*readable, false).map_err(|error| anyhow!("{error}"))?;
        let ids = encoding.get_ids().iter().map(|&id| u16::try_from(id).context("a token above 65,535"));
        let ends = encoding.get_offsets().iter().map(|&(_, end)| end.min(text.len()));
        Ok(Encoded { ids: ids.collect::<Result<_>>()?, ends: ends.collect() })
    }

    /// The text of tokens.
    ///
    /// # Errors
    /// The vocabulary's decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer.decode(ids, false).map_err(|error| anyhow!("{error}"))
    }
}

/// Trains a vocabulary of `size` tokens and returns its `tokenizer.json`; the same documents on the same machine give the same bytes.
///
/// # Errors
/// There is no text, or its characters alone are more than `size`.
pub fn train(documents: impl Iterator<Item = Result<Vec<u8>>>, size: usize) -> Result<String> {
    let failed = |error| anyhow!("cannot train a vocabulary of {size} tokens: {error}");
    ensure!((FIXED + LEAST..=1 << 16).contains(&size), "--vocabulary {size}: expected {} to 65,536", FIXED + LEAST);
    // The library adds up in an order that depends on its threads.
    set_parallelism(false);
    let words = common(words(documents)?);
    ensure!(!words.is_empty(), "there is no text in the corpus");
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size((size - FIXED) as u32)
        // Text that looks like the name of a fixed token is made of these, and so is not taken for it.
        .initial_alphabet((' '..='~').collect())
        .build()
        .map_err(|error| anyhow!("{error}"))?;
    let mut model = Unigram::default();
    trainer.do_train(words, &mut model).map_err(failed)?;
    let pieces = in_order(model.iter().cloned().collect());
    let bytes = (0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), NEVER));
    let vocabulary = std::iter::once(("<unk>".to_owned(), NEVER)).chain(bytes).chain(pieces).collect();
    let model = Unigram::from(vocabulary, Some(0), true).map_err(failed)?;

    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(splitter()?)).with_decoder(Some(Decoders::new(vec![
        DecoderWrapper::ByteFallback(ByteFallback::new()),
        DecoderWrapper::Fuse(Fuse::new()),
    ])));
    tokenizer.to_string(false).map_err(failed)
}

/// Words begin with the space before them; a line's end is a word.
fn splitter() -> Result<Sequence> {
    let split = |pattern: &str, behaviour| {
        Split::new(SplitPattern::String(pattern.to_owned()), behaviour, false).map_err(|error| anyhow!("{error}"))
    };
    Ok(Sequence::new(vec![split("\n", Isolated)?.into(), split(" ", MergedWithNext)?.into()]))
}

/// How often each word occurs.
fn words(documents: impl Iterator<Item = Result<Vec<u8>>>) -> Result<BTreeMap<String, u32>> {
    let splitter = splitter()?;
    let mut words = BTreeMap::new();
    for document in documents {
        let mut text = PreTokenizedString::from(String::from_utf8_lossy(&document?).into_owned());
        splitter.pre_tokenize(&mut text).map_err(|error| anyhow!("{error}"))?;
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

/// Pieces from the likeliest to the least likely. The library gives characters that lost their piece scores in a random order, a ten thousandth apart
/// above the lowest score; here the order is theirs.
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
    use super::*;

    fn alice() -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/alice29.txt")).unwrap()
    }

    fn trained() -> Subwords {
        let json = train(std::iter::once(Ok(alice())), 1000).unwrap();
        assert!(json == train(std::iter::once(Ok(alice())), 1000).unwrap(), "training is not repeatable");
        Subwords::from_json(json.as_bytes(), "alice".into()).unwrap()
    }

    #[test]
    fn pieces_are_words_and_every_text_comes_back() {
        let subwords = trained();
        assert_eq!(subwords.size(), 1000);
        let text = &alice()[..20_000];
        let encoded = subwords.encode(text).unwrap();
        assert!(encoded.ids.len() * 2 < text.len(), "{} tokens", encoded.ids.len());
        assert_eq!(*encoded.ends.last().unwrap(), text.len());
        let alice_is_one = subwords.encode(b" said Alice").unwrap();
        assert_eq!(alice_is_one.ids.len(), 2);
        for text in ["", " ", "said  the\r\n\tCat\n\n", "na\u{ef}ve \u{2581} \u{6f22}\u{5b57} <unk> <0x41>", "a\u{0}b"]
        {
            let ids: Vec<u32> = subwords.encode(text.as_bytes()).unwrap().ids.iter().map(|&id| id.into()).collect();
            assert_eq!(subwords.decode(&ids).unwrap(), text, "{ids:?}");
        }
        let broken = subwords.encode(b"cut \xe2\x82").unwrap();
        assert!(broken.ends.iter().all(|&end| end <= 6));
    }

    #[test]
    fn what_cannot_be_trained_or_read_is_an_error() {
        assert!(train(std::iter::empty(), 1000).is_err());
        assert!(train(std::iter::once(Ok(alice())), 400).is_err());
        let error = format!("{:#}", Subwords::from_json(b"{}", String::new()).err().unwrap());
        assert!(error.contains("tokenizer.json"), "{error}");
    }
}
