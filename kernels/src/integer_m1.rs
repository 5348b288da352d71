//! `integer_m1.cu`: the integer M1 for thousands of texts at once, bit for bit the codec's.
//!
//! [`PackedModel`] lays an image out for the kernels; a [`Batch`] is where they run. Texts lie end to end in one buffer, with the end
//! of each as `i64`.

use equalinfo_codec::m1::image::row_weights;
use equalinfo_codec::m1::{Config, Layer, Matrix, Model, Requantizer};

use crate::{Driver, Kernel, Launch, View, arguments};

const fn kernel(name: &'static str) -> Kernel {
    Kernel { unit: "integer_m1", name }
}

const TRACE: [Kernel; 2] = [kernel("m1_trace_16"), kernel("m1_trace_64")];
const ENCODE_WINDOWS: [Kernel; 2] = [kernel("m1_encode_windows_16"), kernel("m1_encode_windows_64")];
const DECODE_WINDOWS: [Kernel; 2] = [kernel("m1_decode_windows_16"), kernel("m1_decode_windows_64")];
const RANGE_DECODE: [Kernel; 2] = [kernel("m1_range_decode_16"), kernel("m1_range_decode_64")];
const RANGE_ENCODE: Kernel = kernel("range_encode");

const THREADS: u32 = 256;
const RANGE_THREADS: usize = 128;
/// Sections start at multiples of this, for loads of 16 bytes.
const ALIGNMENT: usize = 16;
const HEADER_WORDS: usize = 25;
/// More than any of the kernels takes besides the rows of its tile.
const STATIC_SHARED: usize = 12 * 1024;

/// A model's weights and tables as the kernels read them.
#[derive(Clone, Debug)]
pub struct PackedModel {
    bytes: Vec<u8>,
    config: Config,
}

/// Sections one after the other.
#[derive(Default)]
struct Sections {
    bytes: Vec<u8>,
}

impl Sections {
    /// Appends a section and returns where it starts.
    fn add(&mut self, bytes: impl IntoIterator<Item = u8>) -> i32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        let start = self.bytes.len();
        self.bytes.extend(bytes);
        i32::try_from(start).expect("a model that loads has less than 2^31 bytes")
    }

    fn weights(&mut self, matrix: &Matrix) -> i32 {
        self.add(row_weights(matrix.weights).map(|weight| weight as u8))
    }

    fn requantizers(&mut self, matrix: &Matrix) -> i32 {
        self.add(matrix.requantizers.iter().flatten().copied())
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        self.bytes
    }
}

fn word(requantizer: Requantizer) -> u32 {
    u32::from(requantizer.multiplier()) | u32::from(requantizer.shift()) << 16
}

/// Offsets of a layer's sections, in the header's order; all layers have the same.
type LayerOffsets = [i32; 12];

fn pack_layer(layer: &Layer) -> (Vec<u8>, LayerOffsets) {
    let mut sections = Sections::default();
    let output = u32::from(layer.output.0) | u32::from(layer.output.1) << 16;
    let scalars = [layer.attention_norm, layer.feed_forward_norm, word(layer.score), output, word(layer.reglu)];
    let scalars = sections.add(scalars.iter().flat_map(|scalar| scalar.to_le_bytes()));
    let bias = sections.add(layer.bias.iter().flatten().copied());
    let mut offsets = [scalars, bias, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let matrices = [&layer.qkv, &layer.out, &layer.gate, &layer.linear, &layer.down];
    for (pair, matrix) in offsets[2..].chunks_exact_mut(2).zip(matrices) {
        pair.copy_from_slice(&[sections.weights(matrix), sections.requantizers(matrix)]);
    }
    (sections.finish(), offsets)
}

impl PackedModel {
    /// Packs `model`.
    pub fn new(model: &Model) -> Self {
        let config = model.config();
        let mut all = Sections::default();
        all.add([0; 4 * HEADER_WORDS]);
        let powers = all.add(model.power_table().iter().flatten().copied());
        let buckets = all.add(*model.bucket_table());
        let embedding = all.weights(&model.embedding());
        let input = all.requantizers(&model.embedding());
        let logit = all.requantizers(&model.logits());
        let first_layer = all.add([]);
        let (mut layer_bytes, mut offsets) = (0, LayerOffsets::default());
        for layer in model.layers() {
            let bytes;
            (bytes, offsets) = pack_layer(&layer);
            layer_bytes = bytes.len() as i32;
            all.add(bytes);
        }
        let Config { d, ff, context, layers, heads } = config;
        let sizes = [d, ff, context, layers, heads].map(|size| size as i32);
        let tables = [model.output_norm() as i32, powers, buckets, embedding, input, logit, first_layer, layer_bytes];
        let header = sizes.into_iter().chain(tables).chain(offsets);
        let mut bytes = all.finish();
        for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(header) {
            *place = word.to_le_bytes();
        }
        Self { bytes, config }
    }

    /// What goes to the device.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The model's dimensions.
    pub fn config(&self) -> Config {
        self.config
    }
}

/// Rows that a block runs at once: 64, or 16 where a multiprocessor's shared memory is too small or texts are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 16 rows.
    Rows16,
    /// 64 rows.
    Rows64,
}

impl Tile {
    /// The larger that fits a block's `shared_limit` bytes of shared memory; every model that loads fits 163 KiB with 16 rows.
    pub fn fitting(config: Config, shared_limit: usize) -> Self {
        let needed = Self::Rows64.shared_bytes(config) as usize + STATIC_SHARED;
        if needed <= shared_limit { Self::Rows64 } else { Self::Rows16 }
    }

    /// Rows.
    pub const fn rows(self) -> usize {
        match self {
            Self::Rows16 => 16,
            Self::Rows64 => 64,
        }
    }

    /// Dynamic shared memory: residual or logits, norm outputs, queries or feed-forward activations of every row (`M1Strides`).
    fn shared_bytes(self, config: Config) -> u32 {
        let Config { d, ff, .. } = config;
        (self.rows() * (4 * (d.max(256) + 8) + (d | 64) + (d.max(ff) | 64))) as u32
    }

    fn pick(self, kernels: [Kernel; 2]) -> Kernel {
        kernels[usize::from(self == Self::Rows64)]
    }
}

/// A model on a device, and what its kernels work in.
#[derive(Debug)]
pub struct Batch<'a, B> {
    /// [`PackedModel::bytes`].
    pub model: View<'a, B>,
    /// The model's dimensions.
    pub config: Config,
    /// Positions that a byte sees, up to the model's own.
    pub context: usize,
    /// Rows of a block.
    pub tile: Tile,
    /// Blocks: as many as run at once.
    pub blocks: usize,
    /// [`Batch::cache_bytes`] bytes of no consequence.
    pub cache: View<'a, B>,
    /// A counter, 8 bytes.
    pub taken: View<'a, B>,
}

impl<B> Clone for Batch<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Batch<'_, B> {}

/// Texts end to end.
#[derive(Debug)]
pub struct Texts<'a, B> {
    /// Their bytes.
    pub bytes: View<'a, B>,
    /// Where each ends, `i64`, never falling.
    pub ends: View<'a, B>,
    /// How many.
    pub count: usize,
    /// Bytes of all of them: the last end.
    pub length: usize,
}

impl<B> Clone for Texts<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Texts<'_, B> {}

impl<B: crate::Memory> Texts<'_, B> {
    #[track_caller]
    fn check(&self) {
        self.bytes.expect::<u8>("texts", self.length);
        self.ends.expect::<i64>("ends", self.count);
    }
}

impl<'a, B: crate::Memory> Batch<'a, B> {
    /// Bytes of keys and values: of a context a row for windows and code strings; for [`trace`] a block has one, with room for a tile ahead of it.
    pub fn cache_bytes(config: Config, context: usize, tile: Tile, blocks: usize) -> usize {
        let positions = (tile.rows() * context).max(context + tile.rows());
        blocks * positions * 2 * config.layers * config.d
    }

    fn launch(&self) -> Launch {
        let Self { config, context, tile, blocks, .. } = *self;
        assert!((1..=config.context).contains(&context), "a context of {context} in a model of {}", config.context);
        assert!(blocks > 0, "no blocks");
        self.cache.expect::<u8>("cache", Self::cache_bytes(config, context, tile, blocks));
        self.taken.expect::<u64>("taken", 1);
        Launch::linear(blocks as u32, THREADS).with_shared(tile.shared_bytes(config))
    }
}

/// What the model said about every byte of the texts, each in a context that begins empty and slides: `coded` gets
/// `start | count << 16` (`u32` a byte), `starts` all 256 starts (`u16`).
pub fn trace<D: Driver>(
    driver: &D,
    batch: Batch<D::Buffer>,
    texts: Texts<D::Buffer>,
    coded: View<D::Buffer>,
    starts: Option<View<D::Buffer>>,
) -> Result<(), D::Error> {
    let Batch { model, context, tile, cache, taken, .. } = batch;
    let launch = batch.launch();
    texts.check();
    let coded = coded.expect::<u32>("coded", texts.length);
    let starts = starts.map(|starts| starts.expect::<u16>("starts", 256 * texts.length));
    driver.zero(taken, size_of::<u64>())?;
    let ring = context + tile.rows();
    let arguments =
        arguments![model, cache, texts.bytes, texts.ends, coded, starts, taken, texts.count as u64, context, ring];
    // SAFETY: the kernel stays within the texts, whose ends the caller promises, and the buffers checked above.
    unsafe { driver.launch(tile.pick(TRACE), launch, arguments) }
}

/// Where windows go.
#[derive(Debug)]
pub struct Windows<'a, B> {
    /// Window 0 of each document, `i64`: a document has at most as many windows as bytes.
    pub first: View<'a, B>,
    /// Values, most significant byte first.
    pub values: View<'a, B>,
    /// Bytes of text in each window, `u16`.
    pub lengths: Option<View<'a, B>>,
    /// Windows of each document, `i64`.
    pub counts: View<'a, B>,
    /// Windows that `values` and `lengths` have room for.
    pub room: usize,
}

/// Bits of a window to the kernels' argument.
fn window_bits(bits: u32) -> usize {
    assert!((16..=128).contains(&bits) && bits.is_multiple_of(8), "windows of {bits} bits");
    bits as usize
}

/// Documents to windows of `bits` bits in the default code, each in a context of its own.
pub fn encode_windows<D: Driver>(
    driver: &D,
    batch: Batch<D::Buffer>,
    bits: u32,
    documents: Texts<D::Buffer>,
    windows: &Windows<D::Buffer>,
) -> Result<(), D::Error> {
    let (launch, bits) = (batch.launch(), window_bits(bits));
    let Batch { model, context, tile, cache, taken, .. } = batch;
    documents.check();
    let Texts { bytes, ends, count, .. } = documents;
    let first = windows.first.expect::<i64>("first windows", count);
    let values = windows.values.expect::<u8>("windows", windows.room * bits / 8);
    let lengths = windows.lengths.map(|lengths| lengths.expect::<u16>("lengths", windows.room));
    let counts = windows.counts.expect::<i64>("counts", count);
    driver.zero(taken, size_of::<u64>())?;
    let arguments =
        arguments![model, cache, bytes, ends, first, values, lengths, counts, taken, count as u64, bits, context];
    // SAFETY: the kernel stays within the documents and their windows, as the caller promises, and the buffers checked above.
    unsafe { driver.launch(tile.pick(ENCODE_WINDOWS), launch, arguments) }
}

/// `count` windows of `bits` bits to texts of at most `context` bytes, each at a multiple of the context; `lengths` is `u16`, and
/// `canonical` gets 1 for values that an encoder writes, 0 for others (`u8`).
#[allow(clippy::too_many_arguments)]
pub fn decode_windows<D: Driver>(
    driver: &D,
    batch: Batch<D::Buffer>,
    bits: u32,
    count: usize,
    windows: View<D::Buffer>,
    texts: View<D::Buffer>,
    lengths: View<D::Buffer>,
    canonical: View<D::Buffer>,
) -> Result<(), D::Error> {
    let (launch, bits) = (batch.launch(), window_bits(bits));
    let Batch { model, context, tile, cache, taken, .. } = batch;
    let windows = windows.expect::<u8>("windows", count * bits / 8);
    let texts = texts.expect::<u8>("texts", count * context);
    let lengths = lengths.expect::<u16>("lengths", count);
    let canonical = canonical.expect::<u8>("canonical", count);
    driver.zero(taken, size_of::<u64>())?;
    let arguments = arguments![model, cache, windows, texts, lengths, canonical, taken, count as u64, bits, context];
    // SAFETY: the kernel touches `count` windows and their texts.
    unsafe { driver.launch(tile.pick(DECODE_WINDOWS), launch, arguments) }
}

/// Code strings to texts, whose lengths are known; `intact` gets 1 where a text has this code, else 0 (`u8`).
pub fn range_decode<D: Driver>(
    driver: &D,
    batch: Batch<D::Buffer>,
    codes: Texts<D::Buffer>,
    texts: Texts<D::Buffer>,
    intact: View<D::Buffer>,
) -> Result<(), D::Error> {
    let launch = batch.launch();
    let Batch { model, context, tile, cache, taken, .. } = batch;
    codes.check();
    texts.check();
    assert_eq!(codes.count, texts.count, "code strings and texts");
    let intact = intact.expect::<u8>("intact", texts.count);
    driver.zero(taken, size_of::<u64>())?;
    let arguments = arguments![
        model,
        cache,
        codes.bytes,
        codes.ends,
        texts.bytes,
        texts.ends,
        intact,
        taken,
        texts.count as u64,
        context
    ];
    // SAFETY: the kernel stays within the codes and texts, as the caller promises, and the buffers checked above.
    unsafe { driver.launch(tile.pick(RANGE_DECODE), launch, arguments) }
}

/// What [`trace`] left to code strings: string i goes to `codes`, from the i-th of `begins` (`i64`, one more than there are strings) up to the
/// next; `lengths` (`i64`) says how far, or -1 where that is too little. `ends` is that of the traced texts.
#[allow(clippy::too_many_arguments)]
pub fn range_encode<D: Driver>(
    driver: &D,
    count: usize,
    coded: View<D::Buffer>,
    ends: View<D::Buffer>,
    codes: View<D::Buffer>,
    begins: View<D::Buffer>,
    lengths: View<D::Buffer>,
) -> Result<(), D::Error> {
    if count == 0 {
        return Ok(());
    }
    let (ends, begins) = (ends.expect::<i64>("ends", count), begins.expect::<i64>("begins", count + 1));
    let lengths = lengths.expect::<i64>("lengths", count);
    let launch = Launch::linear(count.div_ceil(RANGE_THREADS) as u32, RANGE_THREADS as u32);
    // SAFETY: the kernel stays within the texts' codes and the places for strings, as the caller promises.
    unsafe { driver.launch(RANGE_ENCODE, launch, arguments![coded, ends, codes, begins, lengths, count as u64]) }
}
