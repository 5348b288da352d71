//! The batched integer M1 and its coders against the codec, bit for bit.

#[allow(dead_code, reason = "made for the tests of loading as well")]
#[path = "../../../../codec/tests/m1/images.rs"]
mod images;
mod range;
mod trace;
mod windows;

use equalinfo_codec::m1::{Aligned, Config, M1, Model};
use equalinfo_kernels::View;
use equalinfo_kernels::integer_m1::{Batch, PackedModel, Texts, Tile};

use crate::common::*;

/// One layer, two layers with a wide feed-forward layer, two heads.
const CONFIGS: [Config; 3] = [
    Config { d: 64, ff: 64, context: 33, layers: 1, heads: 1 },
    Config { d: 64, ff: 192, context: 12, layers: 2, heads: 1 },
    Config { d: 128, ff: 64, context: 20, layers: 1, heads: 2 },
];

const NANO: &[u8] = &Aligned(*include_bytes!("../../../../host/models/nano.m1q")).0;

/// A model on the device, with caches for `blocks` blocks of the larger of both kinds.
struct OnDevice {
    config: Config,
    tile: Tile,
    blocks: usize,
    context: usize,
    model: TestBuffer,
    cache: TestBuffer,
    taken: TestBuffer,
}

impl OnDevice {
    fn new(driver: &TestDriver, model: &Model, context: usize, tile: Tile, blocks: usize) -> Self {
        let packed = PackedModel::new(model);
        let config = packed.config();
        let cache = Batch::<TestBuffer>::cache_bytes(config, context, tile, blocks);
        Self {
            config,
            tile,
            blocks,
            context,
            model: upload(driver, packed.bytes()),
            cache: poisoned::<u8>(driver, cache),
            taken: poisoned::<u64>(driver, 1),
        }
    }

    fn batch(&self) -> Batch<'_, TestBuffer> {
        Batch {
            model: View::new(&self.model),
            config: self.config,
            context: self.context,
            tile: self.tile,
            blocks: self.blocks,
            cache: View::new(&self.cache),
            taken: View::new(&self.taken),
        }
    }
}

/// Texts, or strings, on the device.
struct Joined {
    bytes: TestBuffer,
    ends: TestBuffer,
    count: usize,
    length: usize,
}

impl Joined {
    fn new(driver: &TestDriver, texts: &[Vec<u8>]) -> Self {
        let mut end = 0;
        let ends: Vec<i64> = texts
            .iter()
            .map(|text| {
                end += text.len() as i64;
                end
            })
            .collect();
        Self {
            bytes: upload(driver, &texts.concat()),
            ends: upload(driver, &ends),
            count: texts.len(),
            length: end as usize,
        }
    }

    fn view(&self) -> Texts<'_, TestBuffer> {
        Texts { bytes: View::new(&self.bytes), ends: View::new(&self.ends), count: self.count, length: self.length }
    }
}

/// Runs `check` with the codec's model.
fn with_m1<T>(model: &Model, context: usize, check: impl FnOnce(&mut M1) -> T) -> T {
    let config = model.config();
    let (mut bytes, mut words) = (vec![0; config.byte_buffer(context)], vec![0; config.word_buffer(context)]);
    check(&mut M1::new(model, context, &mut bytes, &mut words).unwrap())
}

/// Texts of the given lengths, of mostly a few symbols and occasionally any other.
fn texts(seed: u64, lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let byte = |random: &mut Random| {
        if random.below(4) == 0 { random.bits() as u8 } else { b'a' + random.below(8) as u8 }
    };
    lengths.iter().map(|&length| (0..length).map(|_| byte(&mut random)).collect()).collect()
}
