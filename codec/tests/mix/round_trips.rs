//! What was encoded comes back, in buffers of any size; what was damaged never panics.

use equalinfo_codec::StaticModel;
use equalinfo_codec::mix::{
    Alone, Class, Decision, Decoder, Encoder, Front, Kib16, Kib64, MixError, Priming, Shape, WithShape, decode_block,
    encode_block, shown,
};
use equalinfo_codec::{ByteModel, Frequencies};
use proptest::prelude::*;

use crate::common::{HashModel, Random};
use crate::{encode, machine_code, texts};

fn decode<F: Front>(class: Class, front: F, code: &[u8], length: usize) -> Result<Vec<u8>, MixError> {
    let mut memory = vec![0x5555_5555; class.words()];
    let mut text = vec![0; length];
    decode_block(class, front, &mut memory, code, &mut text).map(|()| text)
}

/// Decodes with pieces of the code and of the text of the sizes that `piece` gives.
struct Pieces<'t, P>(&'t [u8], usize, P);

impl<P: FnMut() -> usize> WithShape for Pieces<'_, P> {
    type Output = Vec<u8>;

    fn with<S: Shape>(self) -> Vec<u8> {
        let Self(code, length, mut piece) = self;
        let mut memory = vec![0; S::WORDS];
        let mut decoder = Decoder::<S, Alone>::new(Alone, &mut memory, None, code.len()).unwrap();
        let (mut taken, mut text) = (0, Vec::new());
        while text.len() < length {
            let input = &code[taken..code.len().min(taken + piece())];
            let mut output = vec![0; piece().min(length - text.len())];
            let progress = decoder.decode(input, &mut output).unwrap();
            assert!(!output.is_empty() && progress.consumed <= input.len() && progress.written <= output.len());
            taken += progress.consumed;
            text.extend_from_slice(&output[..progress.written]);
        }
        text
    }
}

#[test]
fn every_kind_comes_back_from_every_class() {
    for class in Class::ALL {
        for (kind, text) in texts() {
            let code = encode(class, Alone, &text);
            assert!(decode(class, Alone, &code, text.len()).as_ref() == Ok(&text), "{class:?} {kind}");
            let mut front = HashModel::new(1, 30);
            let code = encode(class, &mut front, &text);
            assert!(decode(class, &mut front, &code, text.len()).as_ref() == Ok(&text), "{class:?} {kind}");
        }
    }
}

#[test]
fn buffers_of_one_byte_are_enough() {
    for (kind, text) in texts() {
        let code = encode(Class::Kib16, Alone, &text);
        assert!(Class::Kib16.with(Pieces(&code, text.len(), || 1)) == text, "{kind}");
        let mut memory = vec![0; Class::Kib16.words()];
        let mut output = vec![0; code.len()];
        assert_eq!(encode_block(Class::Kib16, Alone, &mut memory, &text, &mut output), Ok(code.len()), "{kind}");
        assert_eq!(output, code);
        if let Some(found) = code.len().checked_sub(1) {
            let short = encode_block(Class::Kib16, Alone, &mut memory, &text, &mut output[..found]);
            assert_eq!(short, Err(MixError::OutputTooSmall { found }));
        }
    }
}

#[test]
fn a_sure_text_costs_next_to_nothing() {
    let zeros = vec![0; 1_000_000];
    let line = b"2026-11-29 10:46:10 INFO sensor 7: 3312 mV\n".repeat(20_000);
    for class in Class::ALL {
        assert!(encode(class, Alone, &zeros).len() < 64, "{class:?}");
        assert!(encode(class, Alone, &line).len() < 256, "{class:?}");
    }
}

#[test]
fn relative_addresses_of_known_places_are_cheap() {
    let (count, code) = (4_000, machine_code(4_000));
    let per_instruction = |class| 8.0 * encode(class, Alone, &code).len() as f64 / count as f64;
    // What is between takes 8 bits on average, which opening log2 6, which place log2 11: about 14 bits. The operand as
    // it stands would take 32.
    let (with, without) = (per_instruction(Class::Mib16), per_instruction(Class::Kib256));
    assert!(with < 26.0 && without > 36.0, "{with:.1} bits an instruction, without targets {without:.1}");
}

#[test]
fn noise_grows_by_less_than_a_tenth() {
    let mut random = Random::new(1);
    let text: Vec<u8> = (0..50_000).map(|_| random.next() as u8).collect();
    for class in Class::ALL {
        let length = encode(class, Alone, &text).len();
        assert!(length < text.len() * 11 / 10, "{class:?}: {length}");
    }
}

/// The worst text for an encoder: at each decision, the less likely outcome.
#[test]
fn no_code_exceeds_the_stated_bound() {
    let mut memory = vec![0; <Kib16>::WORDS];
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut length = 0;
        let mut encoder = Encoder::<Kib16, Alone>::new(Alone, &mut memory, None).unwrap();
        let mut bytes = 0;
        // A long certainty, broken when it is strongest.
        for round in 0..30 {
            for _ in 0..random.below(900) {
                encoder.encode(round, &mut |_| length += 1);
                bytes += 1;
            }
            let before = length;
            encoder.encode(!round, &mut |_| length += 1);
            bytes += 1;
            assert!(length - before < 24);
        }
        encoder.finish(&mut |_| length += 1);
        assert!(length as f64 <= 18.1 * f64::from(bytes) + 4.0);
    }
}

#[test]
fn what_the_front_is_shown_is_known_beforehand() {
    /// Writes down what it is asked and shown.
    #[derive(Default)]
    struct Diary(StaticOne, Vec<(u8, bool)>, bool);
    struct StaticOne(Frequencies);
    impl Default for StaticOne {
        fn default() -> Self {
            Self(Frequencies::uniform())
        }
    }
    impl ByteModel for Diary {
        fn reset(&mut self) {}
        fn frequencies(&mut self) -> &Frequencies {
            self.2 = true;
            &self.0.0
        }
        fn push(&mut self, byte: u8) {
            self.1.push((byte, std::mem::take(&mut self.2)));
        }
    }
    for (kind, text) in texts() {
        for class in [Class::Kib4, Class::Kib64, Class::Mib1] {
            let mut diary = Diary::default();
            encode(class, &mut diary, &text);
            let mut planned = Vec::new();
            let mut memory = vec![0; class.words()];
            shown(class, &mut memory, &text, |at, asked| planned.push((text[at], asked))).unwrap();
            assert!(diary.1 == planned, "{class:?} {kind}");
        }
    }
    let mut count = 0;
    let mut memory = vec![0; Class::Kib16.words()];
    shown(Class::Kib16, &mut memory, &[7; 100_000], |_, _| count += 1).unwrap();
    assert!(count < 600, "{count} evaluations of a model for a run");
}

#[test]
fn observers_see_every_bit_that_is_spent() {
    let (_, text) = texts().swap_remove(2);
    let mut memory = vec![0; <Kib64>::WORDS];
    let mut length = 0;
    let mut bits = 0.0;
    let mut decisions = 0;
    let mut encoder = Encoder::<Kib64, _>::new(HashModel::new(4, 20), &mut memory, None).unwrap();
    for &byte in &text {
        encoder.encode_observed(byte, &mut |_| length += 1, &mut |decision: &Decision| {
            let (probability, one) = match *decision {
                Decision::Echo { probability, came } => (probability, came),
                Decision::Bit { probability, bit, front, .. } => {
                    assert!(front.is_some());
                    (probability, bit == 1)
                }
            };
            let probability = f64::from(if one { probability } else { 65536 - probability }) / 65536.0;
            bits -= probability.log2();
            decisions += 1;
        });
    }
    encoder.finish(&mut |_| length += 1);
    assert!(decisions >= 8 * text.len() / 2);
    assert!((f64::from(length) * 8.0 - bits).abs() < 16.0 + bits * 1e-3, "{length} bytes, {bits} bits");
}

#[test]
fn memory_and_priming_are_checked() {
    let expected = Class::Kib16.words();
    let mut memory = vec![0; expected - 1];
    let error = MixError::Memory { expected, found: expected - 1 };
    assert_eq!(encode_block(Class::Kib16, Alone, &mut memory, b"text", &mut [0; 9]), Err(error));
    let mut memory = vec![0; expected];
    let wrong = Priming { weights: Priming::generic::<Kib64>(false).weights };
    let error = Encoder::<Kib16, Alone>::new(Alone, &mut memory, Some(&wrong)).err();
    assert!(matches!(error, Some(MixError::Priming { .. })));
    assert!(error.unwrap().to_string().contains("initial weights"));
}

#[test]
fn classes_keep_to_their_memory() {
    let kib = [4, 16, 64, 256, 1024, 16 * 1024];
    for (class, kib) in Class::ALL.into_iter().zip(kib) {
        assert!(4 * class.words() <= 1024 * kib, "{class:?}: {} bytes", 4 * class.words());
        assert!(4 * class.words() >= 1024 * kib * 3 / 4, "{class:?}: {} bytes", 4 * class.words());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(target_endian = "big") { 16 } else { 64 }))]

    #[test]
    fn any_bytes_come_back(
        text in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'a'), Just(b'\n')], 0..600),
        repeats in 1usize..4,
        class in 0usize..5,
        piece in 1usize..20,
    ) {
        let (class, text) = (Class::ALL[class], text.repeat(repeats));
        let code = encode(class, Alone, &text);
        prop_assert_ne!(code.last(), Some(&0));
        prop_assert!(class.with(Pieces(&code, text.len(), || piece)) == text);
        let mut histogram = [1; 256];
        text.iter().for_each(|&byte| histogram[usize::from(byte)] += 20);
        let mut front = StaticModel(Frequencies::from_histogram(&histogram));
        let code = encode(class, &mut front, &text);
        prop_assert!(decode(class, &mut front, &code, text.len()) == Ok(text));
    }

    #[test]
    fn damage_never_panics(
        seed in any::<u64>(),
        cut in 0usize..400,
        class in 0usize..5,
        noise in proptest::collection::vec(prop_oneof![any::<u8>(), Just(255u8), Just(0)], 0..80),
    ) {
        let class = Class::ALL[class];
        let _ = decode(class, Alone, &noise, 300);
        let text = HashModel::new(seed, 60).sample(&mut Random::new(seed), 300);
        let mut code = encode(class, Alone, &text);
        code.truncate(cut);
        let _ = decode(class, Alone, &code, 300);
        if let Some(byte) = code.get_mut(seed as usize % (cut + 1)) {
            *byte ^= (seed >> 32) as u8 | 1;
        }
        let _ = decode(class, Alone, &code, 300);
    }
}
