//! How much of a text's tokens change when a word is put before it: the paper's section 6.1.

use std::collections::HashMap;

use anyhow::Result;

use crate::tokenize::method::Tokenizer;

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
pub fn text_to_tokens(tokenizer: &Tokenizer<'_>, words: &[String]) -> Result<Option<f64>> {
    let mut session = tokenizer.session()?;
    let texts = words.iter().map(|word| format!("{word}{SENTENCE}"));
    // A window holds a byte at least, and has no more than 16 tokens.
    let tokens: Vec<Vec<u16>> = texts
        .map(|text| Ok(tokenizer.tokenize(&mut session, text.as_bytes(), 16 * text.len())?.ids))
        .collect::<Result<_>>()?;
    let (mut sum, mut pairs) = (0.0, 0);
    for (index, a) in tokens.iter().enumerate() {
        for b in &tokens[index + 1..] {
            sum += strsim::generic_levenshtein(a, b) as f64 / a.len().max(b.len()).max(1) as f64;
            pairs += 1;
        }
    }
    Ok((pairs > 0).then(|| sum / f64::from(pairs)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LoadedModel;
    use crate::tokenize::method::Method;

    #[test]
    fn frequent_words_come_first() {
        let found = words(b"the cat and the dog and the Bird");
        assert_eq!(found, ["the", "and", "cat", "dog"]);
        assert_eq!(words(b""), Vec::<String>::new());
    }

    #[test]
    fn bytes_are_stable_and_arithmetic_coding_is_not() {
        let model = LoadedModel::english().unwrap();
        let words: Vec<String> = ["of", "and", "water", "house", "which"].map(str::to_owned).to_vec();
        let of = |method: Method| {
            let tokenizer = Tokenizer::new(method, &model, 64).unwrap();
            text_to_tokens(&tokenizer, &words).unwrap().unwrap()
        };
        let (bytes, ac) = (of(Method::Bytes), of(Method::StaticAc { token_bits: 8 }));
        assert!(bytes < 0.05 && ac > 0.5, "{bytes} and {ac}");
        let tokenizer = Tokenizer::new(Method::Bytes, &model, 64).unwrap();
        assert_eq!(text_to_tokens(&tokenizer, &words[..1]).unwrap(), None);
    }
}
