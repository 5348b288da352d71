//! Lexicons of any texts are lossless and take the longest match.

use std::collections::{HashMap, HashSet};

use equalinfo_codec::container::ModelIdentity;
use equalinfo_codec::lexicon::LexiconKind;
use proptest::prelude::*;

use crate::common::Random;
use crate::images::{Codes, OPTIMAL};
use crate::load;

/// A random tree, which is deeper if `reach` is smaller. Most bytes are below `letters`.
fn texts(seed: u64, reach: u64, letters: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let mut texts: Vec<Vec<u8>> = std::iter::once(vec![]).chain((0..=255).map(|byte| vec![byte])).collect();
    let mut known: HashSet<Vec<u8>> = texts.iter().cloned().collect();
    while texts.len() < 65536 {
        // Sometimes from anywhere, as the last texts may all have reached the maximum length.
        let reach = if random.below(16) == 0 { u64::MAX } else { reach };
        let back = 1 + random.below(reach.min(texts.len() as u64));
        let mut text = texts[texts.len() - back as usize].clone();
        let byte = if random.below(8) == 0 { random.next() as u8 } else { random.below(letters) as u8 };
        text.push(byte);
        if text.len() <= 200 && known.insert(text.clone()) {
            texts.push(text);
        }
    }
    texts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_texts_make_a_lossless_code(seed in any::<u64>(), reach in 10u64..100_000, letters in 1u64..256) {
        let texts = texts(seed, reach, letters);
        let image = Codes::of_texts(texts.clone()).image(OPTIMAL, 256, 9);
        let lexicon = load(&image);
        prop_assert_eq!(lexicon.kind(), LexiconKind::Optimal);
        prop_assert_eq!(lexicon.identity(), ModelIdentity { id: (lexicon.id() >> 32) as u32, context: 256 });

        let mut codes: HashMap<Vec<u8>, u16> = HashMap::new();
        for code in 0..=u16::MAX {
            let mut text = Vec::new();
            prop_assert!(lexicon.decode(code, |byte| text.push(byte)));
            prop_assert_eq!(lexicon.encode(&text), (code, text.len()));
            prop_assert_eq!(codes.insert(text, code), None);
        }
        prop_assert!(texts.iter().all(|text| codes.contains_key(text)));

        let mut random = Random::new(seed ^ 1);
        let text: Vec<u8> = (0..100).flat_map(|_| texts[random.below(65536) as usize].clone()).collect();
        let mut rest = &text[..];
        while !rest.is_empty() {
            let (code, taken) = lexicon.encode(rest);
            let longest = (1..=rest.len()).take_while(|&length| codes.contains_key(&rest[..length])).last();
            prop_assert_eq!(Some(taken), longest);
            prop_assert_eq!(codes[&rest[..taken]], code);
            rest = &rest[taken..];
        }
        let (mut payload, mut back) = (vec![0; 2 * text.len()], vec![0; text.len()]);
        let size = lexicon.encode_payload(&text, &mut payload).expect("room");
        prop_assert_eq!(lexicon.decode_payload(&payload[..size], &mut back), Ok(text.len()));
        prop_assert_eq!(back, text);
    }
}
