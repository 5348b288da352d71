//! How much of a text's tokens change when a word is put before it, and how much text a token fixes: the paper's section 6.1.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use equalinfo::tokens::{TokenMethod, Tokenizer};

use crate::Result;

/// Words that are put before the sentence; the paper has 500.
const WORDS: usize = 100;
/// They are chosen from so many of the most frequent words of held-out text, evenly.
const FREQUENT: usize = 1000;
/// Text that follows each word.
const SENTENCE: &str = " people of this town have always known that the river rises in the spring, and that nobody who lives \
                        near the old bridge can do anything about it before the snow in the mountains is gone.";

/// The words, the most frequent first: of ASCII letters, in lower case.
pub fn words(text: &[u8]) -> Vec<String> {
    let mut counts: HashMap<&[u8], usize> = HashMap::new();
    for word in text.split(|byte| !byte.is_ascii_alphabetic()) {
        if word.len() > 1 && word.iter().all(u8::is_ascii_lowercase) {
            *counts.entry(word).or_default() += 1;
        }
    }
    let mut words: Vec<(&[u8], usize)> = counts.into_iter().collect();
    words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    words.truncate(FREQUENT);
    let step = (words.len() / WORDS).max(1);
    words.into_iter().step_by(step).take(WORDS).map(|(word, _)| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Edits between the tokens of the same sentence behind two words, as a share of the longer one's tokens; the mean of all pairs.
/// 0 is stable, near 1 every word changes all that follows it. `None` with fewer than two words.
///
/// # Errors
/// Those of the tokenizer.
pub fn text_to_tokens(tokenizer: &Tokenizer, words: &[String]) -> Result<Option<f64>> {
    let texts = words.iter().map(|word| format!("{word}{SENTENCE}"));
    let tokens: Vec<Vec<u16>> = texts.map(|text| tokenizer.encode(text.as_bytes())).collect::<Result<_, _>>()?;
    let (mut sum, mut pairs) = (0.0, 0);
    for (index, a) in tokens.iter().enumerate() {
        for b in &tokens[index + 1..] {
            sum += strsim::generic_levenshtein(a, b) as f64 / a.len().max(b.len()).max(1) as f64;
            pairs += 1;
        }
    }
    Ok((pairs > 0).then(|| sum / f64::from(pairs)))
}

/// What tokens fix of the text of their windows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FixedText {
    /// By a token's place in its window: the bytes that the texts of all windows with this token at this place begin with alike,
    /// the mean over tokens that occur more than once.
    pub bytes: Vec<f64>,
    /// Mean bytes of the text of a window.
    pub window: f64,
}

/// What the tokens of a text fix: the paper's Table 14. `None` where windows are not whole tokens.
///
/// # Errors
/// Those of the tokenizer.
pub fn token_to_text(tokenizer: &Tokenizer, text: &[u8]) -> Result<Option<FixedText>> {
    let TokenMethod::EqualInfo { token_bits, window_bits, .. } = tokenizer.method() else { return Ok(None) };
    if !window_bits.is_multiple_of(*token_bits) || text.is_empty() {
        return Ok(None);
    }
    let windows = tokenizer.segments(text)?;
    let (bits, code) = (windows.bits, &windows.code);
    let begins = std::iter::once(0).chain(windows.ends());
    let texts: Vec<&[u8]> = begins.zip(windows.ends()).filter_map(|(begin, end)| text.get(begin..end)).collect();
    let token = *token_bits as usize / 8;
    let by_place = |place: usize| {
        // What the windows of a token have in common, and how many there are.
        let mut common: HashMap<&[u8], (&[u8], u32)> = HashMap::new();
        for (code, text) in code.chunks_exact(bits.bytes()).zip(&texts) {
            let known = common.entry(&code[place * token..][..token]).or_insert((text, 0));
            let same = known.0.iter().zip(*text).take_while(|(a, b)| a == b).count();
            *known = (&known.0[..same], known.1 + 1);
        }
        let often = common.values().filter(|(_, count)| *count > 1);
        let (bytes, count) = often.fold((0.0, 0.0), |(bytes, all), (text, count)| {
            (bytes + f64::from(*count) * text.len() as f64, all + f64::from(*count))
        });
        if count > 0.0 { bytes / count } else { 0.0 }
    };
    let window = texts.iter().map(|text| text.len()).sum::<usize>() as f64 / texts.len().max(1) as f64;
    Ok(Some(FixedText { bytes: (0..bits.bytes() / token).map(by_place).collect(), window }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use equalinfo::{ByteFrequencies, Model};

    #[test]
    fn frequent_words_come_first() {
        let found = words(b"the cat and the dog and the Bird");
        assert_eq!(found, ["the", "and", "cat", "dog"]);
        assert_eq!(words(b""), Vec::<String>::new());
    }

    #[test]
    fn a_token_that_is_a_window_fixes_its_text() {
        let model = Model::shipped("nano").unwrap();
        let text = include_bytes!("../../../../tests/data/alice29.txt");
        let fixed = |token_bits, code: &str| {
            let code = code.to_owned();
            let method = TokenMethod::EqualInfo {
                window_bits: 16,
                token_bits,
                code,
                reset: Default::default(),
                align: Default::default(),
            };
            token_to_text(&Tokenizer::new(method, &model, 64).unwrap(), &text[..20_000]).unwrap().unwrap()
        };
        let (wide, narrow) = (fixed(16, "default"), fixed(8, "default"));
        assert_eq!((wide.bytes.len(), narrow.bytes.len()), (1, 2));
        assert_eq!(wide.window, narrow.window);
        assert!(wide.bytes[0] > 2.0, "{wide:?}");
        assert!(0.5 < narrow.bytes[0] && narrow.bytes[0] < wide.bytes[0] && narrow.bytes[1] < 0.5, "{narrow:?}");
    }

    #[test]
    fn bytes_are_stable_and_arithmetic_coding_is_not() {
        let model = ByteFrequencies::english();
        let words: Vec<String> = ["of", "and", "water", "house", "which"].map(str::to_owned).to_vec();
        let of = |method: TokenMethod| {
            let tokenizer = Tokenizer::new(method, &model, 64).unwrap();
            text_to_tokens(&tokenizer, &words).unwrap().unwrap()
        };
        let (bytes, ac) = (of(TokenMethod::Bytes), of(TokenMethod::StaticAc { token_bits: 8 }));
        assert!(bytes < 0.05 && ac > 0.5, "{bytes} and {ac}");
        let tokenizer = Tokenizer::new(TokenMethod::Bytes, &model, 64).unwrap();
        assert_eq!(text_to_tokens(&tokenizer, &words[..1]).unwrap(), None);
    }
}
