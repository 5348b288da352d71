use equalinfo_codec::ByteModel;

use super::*;
use equalinfo_kernels::integer_m1::trace;

/// All starts ahead of every byte, and the byte's own pair.
fn expected(model: &Model, context: usize, texts: &[Vec<u8>]) -> (Vec<u16>, Vec<u32>) {
    let (mut starts, mut coded) = (Vec::new(), Vec::new());
    with_m1(model, context, |m1| {
        for text in texts {
            m1.reset();
            for &byte in text {
                let frequencies = m1.frequencies();
                starts.extend((0..=255).map(|byte| frequencies.start(byte) as u16));
                coded.push(frequencies.start(byte) | frequencies.count(byte) << 16);
                m1.push(byte);
            }
        }
    });
    (starts, coded)
}

fn compare(image: &[u8], context: usize, tile: Tile, texts: &[Vec<u8>], driver: &TestDriver) {
    let model = Model::load(image).unwrap();
    let (starts, coded) = expected(&model, context, texts);
    let (device, joined) = (OnDevice::new(driver, &model, context, tile, 2), Joined::new(driver, texts));
    let found_starts = poisoned::<u16>(driver, starts.len());
    let found_coded = poisoned::<u32>(driver, coded.len());
    let all = Some(View::new(&found_starts));
    trace(driver, device.batch(), joined.view(), View::new(&found_coded), all).unwrap();
    let found_starts = download::<u16>(driver, &found_starts);
    for (position, (found, expected)) in found_starts.chunks(256).zip(starts.chunks(256)).enumerate() {
        assert_eq!(found, expected, "{:?} {tile:?} context {context} position {position}", model.config());
    }
    assert_eq!(download::<u32>(driver, &found_coded), coded);
    let alone = poisoned::<u32>(driver, coded.len());
    trace(driver, device.batch(), joined.view(), View::new(&alone), None).unwrap();
    assert_eq!(download::<u32>(driver, &alone), coded);
}

#[test]
fn frequencies_are_the_codecs() {
    for (seed, config) in (1..).zip(CONFIGS) {
        let image = images::build(config, seed).bytes;
        // Shorter than a tile, exactly a tile, longer than context and tile together.
        let texts = texts(seed, &[5, 0, 16, 1, 61]);
        compare(&image, config.context, Tile::Rows16, &texts, &TestDriver::new(seed as u32, 1));
        compare(&image, 7, Tile::Rows16, &texts, &TestDriver::default());
    }
}

#[test]
fn schedules_and_tiles_change_nothing() {
    let config = CONFIGS[0];
    let image = images::build(config, 9).bytes;
    on_every_schedule(|driver| compare(&image, 1, Tile::Rows16, &texts(8, &[3, 20]), driver));
    compare(&image, config.context, Tile::Rows64, &texts(9, &[130]), &TestDriver::default());
}

#[test]
fn contexts_of_256_fill_the_ring() {
    let config = Config { d: 64, ff: 64, context: 256, layers: 1, heads: 1 };
    let image = images::build(config, 10).bytes;
    compare(&image, 256, Tile::Rows16, &texts(10, &[300]), &TestDriver::default());
}

#[test]
fn nano_reads_english() {
    let text = b"The window code maps every text to one code.".to_vec();
    compare(NANO, 128, Tile::Rows16, &[text], &TestDriver::default());
}

#[test]
fn tiles_fit_the_devices_they_are_for() {
    let preset = |d, ff, layers| Config { d, ff, context: 256, layers, heads: d / 64 };
    let hopper = 227 * 1024;
    let ampere = 163 * 1024;
    for config in [preset(64, 192, 2), preset(128, 384, 3), preset(256, 1024, 3)] {
        assert_eq!(Tile::fitting(config, hopper), Tile::Rows64);
    }
    assert_eq!(Tile::fitting(preset(1024, 4096, 6), ampere), Tile::Rows16);
}
