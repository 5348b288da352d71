//! Every image that violates the format is refused, with an error that says why.

use equalinfo_codec::m1::{Config, Extent, Model, ModelError};

use super::images::{Built, ROWS, build, build_with};

const SMALL: Config = Config { d: 64, ff: 64, context: 20, layers: 1, heads: 1 };

#[test]
fn an_intact_image_loads() {
    for config in [SMALL, Config { d: 192, ff: 128, context: 256, layers: 4, heads: 3 }] {
        let image = build(config, 1);
        let model = Model::load(&image.bytes).unwrap();
        assert_eq!(model.config(), config);
        assert_eq!(model.name(), "random");
        assert_eq!(model.id().to_le_bytes(), image.bytes[8..16]);
        assert_eq!(model.layers().count(), config.layers);
        let extent = Extent { ngram_rows: ROWS, mixer: 12 };
        assert_eq!(model.extent(), extent);
        assert_eq!(config.image_len() + extent.tables_len(config.d) + 12, image.bytes.len());
        assert_eq!(build_with(config, [0; 5], 0, 1).bytes.len(), config.image_len());
        assert_eq!(model.image(), image.bytes);
        assert_eq!(model.mixer(), &image.bytes[image.offsets["mixer"]..]);
        let orders: Vec<usize> = model.ngrams().tables().map(|table| table.order).collect();
        assert_eq!(orders, [2, 4, 6]);
        for table in model.ngrams().tables() {
            let start = |section: &str| image.offsets[&format!("{} {section}", table.order)];
            let values = image.bytes[start("values")..start("factors")].as_ptr_range();
            assert_eq!(table.values.as_ptr_range(), values);
            assert_eq!(table.factors.len(), usize::from(ROWS[table.order - 2]));
        }
        // More bytes of flash follow the image.
        let longer = [&image.bytes[..], &[0xff; 9]].concat();
        assert_eq!(Model::load(&longer).map(|model| model.id()), Ok(model.id()));
    }
}

#[test]
fn an_image_is_verified_in_steps() {
    let mut image = build(SMALL, 1);
    let verify = |bytes: &[u8], step: usize| {
        let mut verification = Model::load_trusting(bytes)?.verification();
        let mut steps = 1;
        while !verification.step(step)? {
            steps += 1;
        }
        Ok(steps)
    };
    let length = image.bytes.len() - 68;
    assert_eq!(verify(&image.bytes, usize::MAX), Ok(1));
    assert_eq!(verify(&image.bytes, length), Ok(1));
    assert_eq!(verify(&image.bytes, 1000), Ok(length.div_ceil(1000)));
    // What is trusted is not looked at until then.
    let last = image.bytes.len() - 1;
    image.bytes[last] ^= 1;
    assert_eq!(Model::load_trusting(&image.bytes).map(|model| model.id()), Ok(id_of(&image)));
    assert!(matches!(verify(&image.bytes, 1000), Err(ModelError::Checksum { .. })));
    assert!(matches!(Model::load(&image.bytes), Err(ModelError::Checksum { .. })));
    // The header is, whatever else.
    for offset in (8..68).filter(|offset| !(20..24).contains(offset)) {
        let mut image = build(SMALL, 1);
        image.bytes[offset] ^= 4;
        assert!(matches!(Model::load_trusting(&image.bytes), Err(ModelError::HeaderChecksum { .. })), "{offset}");
    }
}

fn id_of(image: &Built) -> u64 {
    u64::from_le_bytes(image.bytes[8..16].try_into().unwrap())
}

#[test]
fn alignment_is_told() {
    let image = build(SMALL, 1).bytes;
    let mut moved = vec![0; image.len() + 8];
    let aligned = moved.as_ptr().align_offset(4);
    for shift in 0..4 {
        moved[aligned + shift..][..image.len()].copy_from_slice(&image);
        let loaded = Model::load(&moved[aligned + shift..]).map(|_| ());
        let expected = if shift == 0 { Ok(()) } else { Err(ModelError::Alignment { expected: 4, found: shift }) };
        assert_eq!(loaded, expected);
    }
}

#[test]
fn every_damaged_byte_is_noticed() {
    let mut bytes = build(SMALL, 1).bytes;
    // Every field ahead of the weights, and a sample of the rest.
    for offset in (0..1000).chain((1000..bytes.len()).step_by(23)) {
        for flip in [0x01, 0x80] {
            bytes[offset] ^= flip;
            assert!(Model::load(&bytes).is_err(), "offset {offset}");
            bytes[offset] ^= flip;
        }
    }
    assert!(Model::load(&bytes).is_ok());
}

#[test]
fn every_truncation_is_noticed() {
    let bytes = build(SMALL, 1).bytes;
    for length in 0..bytes.len() {
        let expected = if length < 8 { [4, 8][length / 4] } else { bytes.len() };
        assert_eq!(Model::load(&bytes[..length]).err(), Some(ModelError::Truncated { expected, found: length }));
    }
}

#[test]
fn checksums_that_do_not_match_are_named() {
    let image = build(SMALL, 1);
    let with = |change: &dyn Fn(&mut Built)| {
        let mut image = build(SMALL, 1);
        change(&mut image);
        Model::load(&image.bytes).unwrap_err()
    };
    assert_eq!(with(&|image| image.bytes[0] = b'X'), ModelError::Magic { found: *b"X1Q3" });
    assert_eq!(with(&|image| image.bytes[3] = b'2'), ModelError::Version { expected: b'3', found: b'2' });
    assert!(matches!(with(&|image| image.bytes[900] ^= 1), ModelError::Checksum { .. }));
    // A wrong id with right checksums.
    let mut other = build(SMALL, 1);
    other.bytes[8] ^= 1;
    other.seal_parts();
    assert_eq!(
        Model::load(&other.bytes).err(),
        Some(ModelError::Identity { expected: id_of(&image), found: id_of(&other) })
    );
    // The library seals as this file does.
    let mut sealed = image.bytes.clone();
    sealed[4..24].fill(0);
    equalinfo_codec::m1::image::seal(&mut sealed);
    assert_eq!(sealed, image.bytes);
}

/// The error after a change at `offset` of `section`, with a matching length, id and checksum.
fn error_with(section: &str, offset: usize, bytes: &[u8]) -> ModelError {
    let mut image = build(SMALL, 1);
    let at = image.offsets[section] + offset;
    image.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    image.seal();
    Model::load(&image.bytes).expect_err(section)
}

fn offset_of(section: &str) -> usize {
    build(SMALL, 1).offsets[section]
}

#[test]
fn dimensions_outside_the_format_are_named() {
    let dimension = |at, bytes: &[u8]| match error_with("dimensions", at, bytes) {
        ModelError::Dimension { name, expected, found } => (name, expected, found),
        other => panic!("{other:?}"),
    };
    assert_eq!(dimension(0, &[0, 0]), ("width", 64, 0));
    assert_eq!(dimension(0, &[100, 0]), ("width", 64, 100));
    assert_eq!(dimension(0, &2048u16.to_le_bytes()), ("width", 1024, 2048));
    assert_eq!(dimension(2, &[0, 0]), ("feed-forward width", 64, 0));
    assert_eq!(dimension(2, &[65, 0]), ("feed-forward width", 64, 65));
    assert_eq!(dimension(2, &8192u16.to_le_bytes()), ("feed-forward width", 4096, 8192));
    assert_eq!(dimension(4, &[0, 0]), ("context", 1, 0));
    assert_eq!(dimension(4, &[1, 1]), ("context", 256, 257));
    assert_eq!(dimension(6, &[0]), ("layers", 1, 0));
    assert_eq!(dimension(6, &[16]), ("layers", 15, 16));
    assert_eq!(dimension(7, &[2]), ("heads", 1, 2));
    assert!(matches!(error_with("dimensions", 6, &[2]), ModelError::Length { .. }));
}

#[test]
fn tables_and_weights_outside_the_format_are_named() {
    assert_eq!(error_with("name", 0, b"na\0me"), ModelError::Name);
    assert_eq!(error_with("name", 0, &[0xe9]), ModelError::Name);
    assert_eq!(error_with("powers", 0, &65534u16.to_le_bytes()), ModelError::PowerTable { index: 0, found: 65534 });
    assert_eq!(error_with("powers", 20, &65535u16.to_le_bytes()), ModelError::PowerTable { index: 10, found: 65535 });
    assert_eq!(error_with("powers", 510, &32767u16.to_le_bytes()), ModelError::PowerTable { index: 255, found: 32767 });
    assert_eq!(error_with("buckets", 77, &[32]), ModelError::Bucket { index: 77, found: 32 });
    for section in
        ["embedding", "0.qkv weights", "0.out weights", "0.gate weights", "0.linear weights", "0.down weights"]
    {
        for (at, lowest) in [(70, 0), (71, 0x80)] {
            assert_eq!(error_with(section, at, &[lowest]), ModelError::Weight { offset: offset_of(section) + at });
        }
    }
}

#[test]
fn sections_outside_the_format_are_named() {
    assert!(matches!(error_with("rows", 2, &[1, 0]), ModelError::Length { .. }));
    assert!(matches!(error_with("mixer length", 0, &[16]), ModelError::Length { .. }));
    let mixer = |length: u32| match error_with("mixer length", 0, &length.to_le_bytes()) {
        ModelError::Dimension { name: "mixer weights", expected, .. } => expected,
        other => panic!("{other:?}"),
    };
    assert_eq!([mixer(14), mixer(1 << 21)], [12, 1 << 20]);
    for section in ["reserved", "2 fill", "6 fill"] {
        for at in [0, 1] {
            assert_eq!(error_with(section, at, &[1]), ModelError::Reserved { offset: offset_of(section) });
        }
    }
}

#[test]
fn requantizers_outside_the_contract_are_named() {
    let sections = ["input", "logit", "0.qkv", "0.score", "0.out", "0.gate", "0.linear", "0.reglu", "0.down"];
    for section in sections {
        // The second of several, to see that all are looked at.
        let at = if matches!(section, "0.score" | "0.reglu") { 0 } else { 4 };
        for (multiplier, shift) in [(32768, 30), (20000, 16), (20000, 47)] {
            let [low, high] = u16::to_le_bytes(multiplier);
            let expected = ModelError::Requantizer { offset: offset_of(section) + at, multiplier, shift };
            assert_eq!(error_with(section, at, &[low, high, shift, 0]), expected, "{section}");
        }
    }
    for (multiplier, shift) in [(32768, 14), (20000, 2), (20000, 25)] {
        let [low, high] = u16::to_le_bytes(multiplier);
        let expected = ModelError::Requantizer { offset: offset_of("0.output"), multiplier, shift };
        assert_eq!(error_with("0.output", 0, &[low, high, shift, 0]), expected);
    }
}
