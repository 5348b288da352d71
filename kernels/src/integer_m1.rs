//! `integer_m1.cu`: the integer M1 for thousands of texts at once, bit for bit as in the codec.
//!
//! [`PackedModel`] lays an image out for the kernels; they run in a [`Batch`]. Texts lie end to end in one buffer, with
//! the end of each as `i64`.

use equalinfo_codec::m1::image::{TABLES, row_weights};
use equalinfo_codec::m1::ngrams::MIN_ORDER;
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
const HEADER_WORDS: usize = 25 + 3 * TABLES;
/// More shared memory than any of the kernels takes besides its tile's rows.
const STATIC_SHARED: usize = 12 * 1024;

/// A model's weights and tables in the layout that the kernels read.
#[derive(Clone, Debug)]
pub struct PackedModel {
    bytes: Vec<u8>,
    config: Config,
}

/// Concatenated sections.
#[derive(Default)]
struct Sections {
    bytes: Vec<u8>,
}

impl Sections {
    /// Appends a section and returns its start.
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

/// The offsets of a layer's sections, in the header's order; they are the same in all layers.
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
        // Rows, values and factors of the table of each order; no rows where there is none.
        let mut tables = [[0; 3]; TABLES];
        for table in model.ngrams().tables() {
            let (values, factors) =
                (all.add(table.values.iter().copied()), all.add(table.factors.iter().flatten().copied()));
            tables[table.order - MIN_ORDER] = [table.factors.len() as i32, values, factors];
        }
        let Config { d, ff, context, layers, heads } = config;
        let sizes = [d, ff, context, layers, heads].map(|size| size as i32);
        let places = [model.output_norm() as i32, powers, buckets, embedding, input, logit, first_layer, layer_bytes];
        let header = sizes.into_iter().chain(places).chain(offsets).chain(tables.into_iter().flatten());
        let mut bytes = all.finish();
        for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(header) {
            *place = word.to_le_bytes();
        }
        Self { bytes, config }
    }

    /// The bytes to upload to the device.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The model's dimensions.
    pub fn config(&self) -> Config {
        self.config
    }
}

/// The rows that a block runs at once: 64, or 16 if a multiprocessor's shared memory is too small or there are few
/// texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 16 rows.
    Rows16,
    /// 64 rows.
    Rows64,
}

impl Tile {
    /// The larger tile that fits a block's `shared_limit` bytes of shared memory; with 16 rows every model that loads
    /// fits in 163 KiB.
    pub fn fitting(config: Config, shared_limit: usize) -> Self {
        let needed = Self::Rows64.shared_bytes(config) as usize + STATIC_SHARED;
        if needed <= shared_limit { Self::Rows64 } else { Self::Rows16 }
    }

    /// The number of rows.
    pub const fn rows(self) -> usize {
        match self {
            Self::Rows16 => 16,
            Self::Rows64 => 64,
        }
    }

    /// The dynamic shared memory: residual or logits, norm outputs, queries or feed-forward activations of every row
    /// (`M1Strides`).
    fn shared_bytes(self, config: Config) -> u32 {
        let Config { d, ff, .. } = config;
        (self.rows() * (4 * (d.max(256) + 8) + (d | 64) + (d.max(ff) | 64))) as u32
    }

    fn pick(self, kernels: [Kernel; 2]) -> Kernel {
        kernels[usize::from(self == Self::Rows64)]
    }
}

/// A model on a device, and its kernels' working memory.
#[derive(Debug)]
pub struct Batch<'a, B> {
    /// [`PackedModel::bytes`].
    pub model: View<'a, B>,
    /// The model's dimensions.
    pub config: Config,
    /// The positions that a byte sees, up to the model's own context.
    pub context: usize,
    /// Rows per block.
    pub tile: Tile,
    /// The number of blocks, all of which run at once.
    pub blocks: usize,
    /// [`Batch::cache_bytes`] bytes of scratch space.
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

/// Texts laid end to end.
#[derive(Debug)]
pub struct Texts<'a, B> {
    /// Their bytes.
    pub bytes: View<'a, B>,
    /// The end of each text, `i64`, never decreasing.
    pub ends: View<'a, B>,
    /// The number of texts.
    pub count: usize,
    /// Their total length in bytes, which is the last end.
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
    /// The bytes of keys and values. Windows and code strings need one context per row; [`trace`] needs one per block,
    /// with room for a tile ahead of it.
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

/// Writes the model's prediction of every byte of the texts, each in a context that starts empty and slides: `coded`
/// gets `start | count << 16` (`u32` per byte), `starts` all 256 starts (`u16`).
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
    // SAFETY: the kernel stays within the texts, whose ends the caller vouches for, and the buffers checked above.
    unsafe { driver.launch(tile.pick(TRACE), launch, arguments) }
}

/// Where to write windows.
#[derive(Debug)]
pub struct Windows<'a, B> {
    /// The index of each document's first window, `i64`: a document has at most one window per byte.
    pub first: View<'a, B>,
    /// Values, most significant byte first.
    pub values: View<'a, B>,
    /// Bytes of text in each window, `u16`.
    pub lengths: Option<View<'a, B>>,
    /// The number of windows in each document, `i64`.
    pub counts: View<'a, B>,
    /// The number of windows that `values` and `lengths` have room for.
    pub room: usize,
}

/// Converts the bits of a window to the kernels' argument.
fn window_bits(bits: u32) -> usize {
    assert!((16..=128).contains(&bits) && bits.is_multiple_of(8), "windows of {bits} bits");
    bits as usize
}

/// Encodes documents as windows of `bits` bits in the default code, each document in a context of its own.
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
    // SAFETY: the kernel stays within the documents and their windows, which the caller vouches for, and the buffers
    // checked above.
    unsafe { driver.launch(tile.pick(ENCODE_WINDOWS), launch, arguments) }
}

/// Decodes `count` windows of `bits` bits into texts of at most `context` bytes, each at a multiple of the context.
/// `lengths` is `u16`; `canonical` gets 1 for values that an encoder writes and 0 for others (`u8`).
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

/// Decodes code strings into texts of known lengths; `intact` gets 1 if a text has this code, else 0 (`u8`).
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
    // SAFETY: the kernel stays within the codes and texts, which the caller vouches for, and the buffers checked above.
    unsafe { driver.launch(tile.pick(RANGE_DECODE), launch, arguments) }
}

/// Turns the result of [`trace`] into code strings. String i goes to `codes` from the i-th of `begins` (`i64`, one more
/// than there are strings) up to the next. `lengths` (`i64`) gets each string's length, or -1 if the space is too
/// small. `ends` is that of the traced texts.
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
    // SAFETY: the kernel stays within the texts' codes and the space for strings, which the caller vouches for.
    unsafe { driver.launch(RANGE_ENCODE, launch, arguments![coded, ends, codes, begins, lengths, count as u64]) }
}
