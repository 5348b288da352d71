//! Damaged images are refused, walks through any table end, and a damaged stream never gives a wrong text without an
//! error.

use equalinfo_codec::container::DecodeError;
use equalinfo_codec::lexicon::{Lexicon, LexiconError};
use proptest::prelude::*;

use crate::images::{BYTES, SIZES, STARTS, WIDE, seal};
use crate::load;
use crate::windows::{image, stream};

fn error(image: &[u8]) -> Option<LexiconError> {
    Lexicon::load(image).err()
}

/// The image after `change`, with a matching length, id and checksum.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut image = image().to_vec();
    change(&mut image);
    seal(&mut image);
    image
}

#[test]
fn every_field_of_the_header_is_checked() {
    let image = image();
    assert_eq!(error(b"LE"), Some(LexiconError::Truncated { expected: 36, found: 2 }));
    assert_eq!(error(b"M1Q2 and so on"), Some(LexiconError::Magic { found: *b"M1Q2" }));
    assert_eq!(error(b"LEX2 and so on"), Some(LexiconError::Version { expected: b'1', found: b'2' }));
    assert!(Lexicon::load_trusting(image).is_ok_and(|lexicon| lexicon.id() == load(image).id()));
    for length in [4, 35, 36, 1000, image.len() - 1] {
        assert!(Lexicon::load_trusting(&image[..length]).is_err());
        assert!(matches!(error(&image[..length]), Some(LexiconError::Truncated { found, .. }) if found == length));
    }
    for bit in 0..36 * 8 {
        let mut damaged = image.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(error(&damaged).is_some(), "bit {bit}");
    }
    assert_eq!(error(&changed(|image| image[30] = 2)), Some(LexiconError::Header { field: "kind", found: 2 }));
    assert_eq!(
        error(&changed(|image| image[28..30].fill(0))),
        Some(LexiconError::Header { field: "context", found: 0 })
    );
    for reserved in [31, 34, 35] {
        assert_eq!(
            error(&changed(|image| image[reserved] = 1)),
            Some(LexiconError::Header { field: "reserved field", found: 1 })
        );
    }
    let found = image.len() + 1;
    assert_eq!(error(&changed(|image| image.push(0))), Some(LexiconError::Length { expected: found - 1, found }));
    assert!(matches!(error(&changed(|image| image[32] ^= 1)), Some(LexiconError::Length { .. })));
}

#[test]
fn tables_that_are_no_tree_are_refused() {
    let tree = |change: &dyn Fn(&mut Vec<u8>)| matches!(error(&changed(change)), Some(LexiconError::Tree { .. }));
    // A byte of the root out of order, or in the wrong place of the table.
    assert!(tree(&|image| image[STARTS] ^= 1));
    assert!(tree(&|image| image.swap(STARTS, STARTS + 2)));
    assert!(tree(&|image| image[BYTES + 1] = 1));
    assert!(tree(&|image| image[BYTES] = 1));
    // A root of another size, and wide nodes that are not there, not wide, or twice.
    assert!(tree(&|image| image[WIDE + 2] ^= 1));
    assert!(tree(&|image| image[WIDE + 4] ^= 1));
    assert!(tree(&|image| image[WIDE + 6..WIDE + 8].fill(0)));
    assert!(tree(&|image| image.copy_within(WIDE..WIDE + 4, WIDE + 4)));
    // Sizes that reach too far, left over codes where others follow, a left over code with a byte.
    assert!(tree(&|image| image[SIZES + 65535] = 1));
    assert!(tree(&|image| image[SIZES + 1] = 255));
    assert!(tree(&|image| {
        let left_over = image[SIZES..WIDE].iter().position(|&size| size == 255).expect("some are");
        image[BYTES + left_over] = 1;
    }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Any change of the tables is either refused or makes a different code, which is lossless too.
    #[test]
    fn every_image_that_loads_is_a_code(at in STARTS..WIDE + 40, flip in 1u8..) {
        let image = changed(|image| image[at] ^= flip);
        if let Ok(lexicon) = Lexicon::load(&image) {
            for code in 0..=u16::MAX {
                let mut text = Vec::new();
                let canonical = lexicon.decode(code, |byte| text.push(byte));
                let (again, taken) = lexicon.encode(&text);
                prop_assert_eq!((taken, again == code), (text.len(), canonical));
            }
        }
    }

    /// Walks end, and texts are no longer than there are codes, in an image that was trusted though it is noise.
    #[test]
    fn walks_through_noise_end(seed in any::<u64>(), small in any::<bool>()) {
        let mut noise = seed;
        let mut image = image().to_vec();
        for byte in &mut image[BYTES..] {
            noise = noise.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            *byte = (noise >> 56) as u8 & if small { 3 } else { 255 };
        }
        prop_assert!(Lexicon::load_trusting(&image).is_err(), "the codes of single bytes are checked");
        for byte in 0..256 {
            let start = usize::from(u16::from_le_bytes([image[STARTS + 2 * byte], image[STARTS + 2 * byte + 1]]));
            image[BYTES + start] = byte as u8;
        }
        prop_assert!(Lexicon::load(&image).is_err());
        let lexicon = Lexicon::load_trusting(&image).expect("header and starts are intact");
        for code in (0..=u16::MAX).step_by(61) {
            let mut text = Vec::new();
            lexicon.decode(code, |byte| text.push(byte));
            prop_assert!(text.len() <= 1 << 16);
            prop_assert!(lexicon.encode(&text).1 <= text.len());
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found(bit in 0..8 * (WIDE + 40)) {
        let mut image = image().to_vec();
        image[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(error(&image).is_some());
    }
}

#[test]
fn damaged_streams_are_errors_after_intact_text() {
    let lexicon = load(image());
    let (stream, text) = stream();
    let decode = |stream: &[u8]| -> (Vec<u8>, Option<DecodeError>) {
        let items = match lexicon.stream(stream) {
            Ok(items) => items,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let (mut text, mut errors) = (Vec::new(), Vec::new());
        for item in items {
            assert!(errors.is_empty(), "nothing follows an error");
            match item {
                Ok(byte) => text.push(byte),
                Err(error) => errors.push(error),
            }
        }
        (text, errors.pop())
    };
    assert_eq!(decode(&stream), (text.clone(), None));
    for length in 0..stream.len() {
        let (found, error) = decode(&stream[..length]);
        assert!(error.is_some(), "{length}");
        assert!(text.starts_with(&found), "{length}");
    }
    for bit in 0..8 * stream.len() {
        let mut damaged = stream.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (found, error) = decode(&damaged);
        assert!(error.is_some(), "bit {bit}");
        // Blocks have 300 bytes, and those before the damaged one are intact.
        let block = match error {
            Some(DecodeError::Payload { block, .. } | DecodeError::TextChecksum { block, .. }) => block as usize,
            _ => found.len() / 300,
        };
        let intact = (300 * block).min(found.len());
        assert_eq!(found[..intact], text[..intact], "bit {bit}");
    }
}
