//! Models, lexicons and string tables whose checksums are right, as a stranger makes them.

use std::sync::LazyLock;

use equalinfo::engine::{Engine, Image};
use equalinfo::strings::{self, StringTable, StringTableBuilder};
use equalinfo::{Lexicon, Model};
use equalinfo_codec::ByteModel;
use equalinfo_codec::checksum::image_checksum;
use equalinfo_codec::m1::{M1, Model as ModelView};
use equalinfo_tests::{ALICE, tiny_model};
use proptest::prelude::*;

use crate::{cases, edited, edits};

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(tiny_model(1)).expect("a model"));
static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| MODEL.lexicon(40, 2).expect("a lexicon"));
static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let texts = (0..30).map(|at| &ALICE[50 * at..50 * at + at]);
    StringTableBuilder::new(&*MODEL).language("en", texts).and_then(|builder| builder.build()).expect("a table")
});

/// The lengths and checksums of an image made right.
fn sealed(mut image: Vec<u8>, checksum_at: usize) -> Vec<u8> {
    if image.len() < checksum_at + 4 {
        return image;
    }
    let length = image.len() as u32;
    image[4..8].copy_from_slice(&length.to_le_bytes());
    let checksum = image_checksum(&image[..checksum_at], &image[checksum_at + 4..]);
    image[checksum_at..checksum_at + 4].copy_from_slice(&checksum.to_le_bytes());
    image
}

proptest! {
    #![proptest_config(cases(300))]

    /// Whatever model loads, every path of this processor computes the same with it.
    #[test]
    fn changed_models_are_refused_or_run(edits in edits()) {
        let mut bytes = equalinfo_tests::resealed(edited(MODEL.bytes(), &edits));
        // Aligned, as images must be.
        bytes.shrink_to_fit();
        let Ok(model) = Model::from_bytes(bytes) else { return Ok(()) };
        let image = std::sync::Arc::new(Image::from_bytes(model.bytes().to_vec()).expect("it loaded"));
        let mut fast = Engine::new(image).expect("an engine").session(model.context()).expect("a session");
        let view = ModelView::load(model.bytes()).expect("it loaded");
        let config = view.config();
        let (mut bytes, mut words) =
            (vec![0; config.byte_buffer(config.context)], vec![0; config.word_buffer(config.context)]);
        let mut plain = M1::new(&view, config.context, &mut bytes, &mut words).expect("buffers");
        for &byte in &ALICE[..20] {
            prop_assert!(plain.frequencies() == fast.frequencies());
            plain.push(byte);
            fast.push(byte);
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn changed_lexicons_are_refused_or_codes(edits in edits(), payload in proptest::collection::vec(any::<u8>(), 0..60)) {
        let Ok(lexicon) = Lexicon::from_bytes(sealed(edited(LEXICON.bytes(), &edits), 16)) else { return Ok(()) };
        let view = lexicon.view();
        let mut text = vec![0; 1 << 14];
        if let Ok(length) = view.decode_payload(&payload, &mut text) {
            let mut again = vec![0; 2 * length];
            let size = view.encode_payload(&text[..length], &mut again).expect("two bytes for each");
            let mut back = vec![0; length];
            prop_assert_eq!(view.decode_payload(&again[..size], &mut back), Ok(length));
            prop_assert_eq!(&back, &text[..length]);
        }
    }
}

proptest! {
    #![proptest_config(cases(5_000))]

    #[test]
    fn changed_string_tables_are_refused_or_read(edits in edits(), language in any::<u8>(), id in any::<u16>()) {
        let blob = sealed(edited(&TABLE, &edits), 8);
        for table in [StringTable::load(&blob), StringTable::load_trusting(&blob)].into_iter().flatten() {
            for id in [0, 1, table.strings().wrapping_sub(1), id] {
                let _ = strings::text(&table, &(&*MODEL).into(), language, id);
                let _ = strings::text(&table, &(&*MODEL).into(), 0, id);
            }
            let _ = table.names().count();
        }
    }
}
