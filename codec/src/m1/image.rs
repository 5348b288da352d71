//! [`Model`]: a zero-copy view of a `.m1q` image (`docs/m1q.md`).
//!
//! Invariant: a `Model` exists only for an aligned image whose header, dimensions and tables of powers and buckets have
//! been checked, so every section lies where it is looked for. [`Model::load`] has also checked checksum, id, weights
//! and requantizers, so no accumulator can overflow; [`Model::load_trusting`] leaves that to who knows that the image
//! is as it was written, or to a [`Verification`] in steps.

use super::config::{Config, Extent, SYMBOLS};
use super::error::ModelError;
use super::ngrams::{MAX_ORDER, MIN_ORDER, Ngrams};
use super::ops::{PowerTable, Requantizer};
use crate::checksum::{Checksum, checksum, image_checksum, image_id};

/// The embedding row of the begin-of-sequence symbol, after the 256 bytes.
pub const BOS: u16 = 256;
/// Dimension of an attention head, in every model.
pub const HEAD: usize = 64;
/// Number of distance buckets of the position bias.
pub const BUCKETS: usize = 32;

const VERSION: u8 = b'3';
/// Length of the header: what its own checksum covers.
pub const HEADER: usize = 68;
/// Where the content begins that the id is the hash of: behind id and checksums.
pub const CONTENT: usize = 24;
/// Where an image may begin in memory: at multiples of so many bytes.
pub const ALIGNMENT: usize = 4;
/// Most bytes of mixer weights.
pub const MAX_MIXER: usize = 1 << 20;
/// N-gram tables that an image has room for, one for each order.
pub const TABLES: usize = MAX_ORDER + 1 - MIN_ORDER;
/// Shifts of the attention's output requantizer that leave room for every reciprocal.
const OUTPUT_SHIFTS: core::ops::RangeInclusive<u8> = 3..=24;
/// Scaling of the embedding, scores and logits ahead of their requantizers.
pub const EMBEDDING_SHIFT: u32 = 16;
/// Scaling of dot products that are added to the residual ahead of the `out` and `down` requantizers.
pub const RESIDUAL_SHIFT: u32 = 4;
/// Scaling of query-key products ahead of the `score` requantizer.
pub const SCORE_SHIFT: u32 = 8;
/// Scaling of output dot products ahead of the `logit` requantizers.
pub const LOGIT_SHIFT: u32 = 4;

/// Bytes that begin where an image may: `Aligned(*include_bytes!("nano.m1q"))` in a static.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4))]
pub struct Aligned<T>(pub T);

/// The byte of an image that stands for a weight in `column`: in even columns the weight plus 128, in odd ones the weight.
///
/// So two neighbours make a signed number of 16 bits, `256 * odd + even + 128`, that a small core multiplies at once.
#[inline]
pub const fn weight_byte(column: usize, weight: i8) -> u8 {
    weight as u8 ^ if column.is_multiple_of(2) { 0x80 } else { 0 }
}

/// The inverse of [`weight_byte`].
#[inline]
pub const fn weight(column: usize, byte: u8) -> i8 {
    weight_byte(column, byte as i8) as i8
}

/// The weights of a row.
#[inline]
pub fn row_weights(row: &[u8]) -> impl Iterator<Item = i8> {
    row.iter().enumerate().map(|(column, &byte)| weight(column, byte))
}

/// An `i8` matrix in row-major order with one requantizer a row.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// The weights, each in `-127..=127`, as [`weight_byte`] gives them.
    pub weights: &'a [u8],
    /// The requantizers, four bytes each; see [`Requantizer::from_image`].
    pub requantizers: &'a [[u8; 4]],
    /// Length of a row.
    pub width: usize,
}

/// One layer of the transformer.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Norm constant ahead of the attention.
    pub attention_norm: u32,
    /// Rows of the queries, then keys, then values: `[3d, d]`.
    pub qkv: Matrix<'a>,
    /// From query-key products to scores in 1/256 of a bit.
    pub score: Requantizer,
    /// Factor `g` and shift `u` of the attention output.
    pub output: (u16, u8),
    /// Position bias in 1/256 of a bit, `[heads][32]` little-endian `i16`.
    pub bias: &'a [[u8; 2]],
    /// From the heads' outputs to the residual: `[d, d]`.
    pub out: Matrix<'a>,
    /// Norm constant ahead of the feed-forward layer.
    pub feed_forward_norm: u32,
    /// The rectified half of the ReGLU: `[ff, d]`.
    pub gate: Matrix<'a>,
    /// The linear half of the ReGLU: `[ff, d]`.
    pub linear: Matrix<'a>,
    /// From the product of both halves to 8 bits.
    pub reglu: Requantizer,
    /// From the hidden activations to the residual: `[d, ff]`.
    pub down: Matrix<'a>,
}

/// A checked view of a `.m1q` image.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    config: Config,
    id: u64,
    name: &'a str,
    output_norm: u32,
    power_table: &'a PowerTable,
    bucket_table: &'a [u8; 128],
    embedding: Matrix<'a>,
    logits: Matrix<'a>,
    layers: &'a [u8],
    ngrams: Ngrams<'a>,
    image: &'a [u8],
}

/// Takes sections off the front of an image, with the offset for error messages.
struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    fn offset(&self) -> usize {
        self.total.wrapping_sub(self.rest.len())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ModelError> {
        let truncated = ModelError::Truncated { expected: self.offset().saturating_add(count), found: self.total };
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let truncated = ModelError::Truncated { expected: self.offset().saturating_add(N), found: self.total };
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        self.array().map(u32::from_le_bytes)
    }

    fn weights(&mut self, rows: usize, width: usize) -> Result<&'a [u8], ModelError> {
        // Dimensions have been checked, so no product is large.
        self.take(rows.wrapping_mul(width))
    }

    fn requantizers(&mut self, rows: usize) -> Result<&'a [[u8; 4]], ModelError> {
        Ok(self.take(rows.wrapping_mul(4))?.as_chunks().0)
    }
}

impl<'a> Layer<'a> {
    fn read(config: &Config, reader: &mut Reader<'a>) -> Result<Self, ModelError> {
        let Config { d, ff, heads, .. } = *config;
        let matrix = |weights, requantizers, width| Matrix { weights, requantizers, width };
        let attention_norm = reader.u32()?;
        let qkv = matrix(reader.weights(3 * d, d)?, reader.requantizers(3 * d)?, d);
        let score = Requantizer::from_image(reader.array()?);
        let [g0, g1, u, _] = reader.array()?;
        let bias = reader.take(2 * BUCKETS * heads)?.as_chunks().0;
        let out = matrix(reader.weights(d, d)?, reader.requantizers(d)?, d);
        let feed_forward_norm = reader.u32()?;
        let (gate, linear) = (reader.weights(ff, d)?, reader.weights(ff, d)?);
        let gate = matrix(gate, reader.requantizers(ff)?, d);
        let linear = matrix(linear, reader.requantizers(ff)?, d);
        let reglu = Requantizer::from_image(reader.array()?);
        let down = matrix(reader.weights(d, ff)?, reader.requantizers(d)?, ff);
        Ok(Self {
            attention_norm,
            qkv,
            score,
            output: (u16::from_le_bytes([g0, g1]), u),
            bias,
            out,
            feed_forward_norm,
            gate,
            linear,
            reglu,
            down,
        })
    }
}

impl<'a> Model<'a> {
    /// Views `image`, which may be longer than the model (flash), after checking it completely.
    ///
    /// # Errors
    /// Every way an image can differ from `docs/m1q.md` or exceed the bounds of `docs/numeric-contract.md`, and one
    /// that does not begin at a multiple of [`ALIGNMENT`], from which small cores would read byte by byte.
    pub fn load(image: &'a [u8]) -> Result<Self, ModelError> {
        let model = Self::load_trusting(image)?;
        let mut verification = model.verification();
        while !verification.step(usize::MAX)? {}
        let content = model.image.get(CONTENT..).unwrap_or_default();
        let (expected, found) = (image_id(content), model.id);
        if expected != found {
            return Err(ModelError::Identity { expected, found });
        }
        Check { image: model.image }.model(&model)?;
        Ok(model)
    }

    /// Views `image` after checking its header, dimensions and small tables alone: a few thousand instructions, however
    /// large it is. For an image that is known to be as it was written, or that a [`Verification`] looks through
    /// afterwards; with any other, what the model says has no meaning, but nothing worse happens.
    ///
    /// # Errors
    /// As [`Model::load`], for what is checked.
    pub fn load_trusting(image: &'a [u8]) -> Result<Self, ModelError> {
        let mut reader = Reader { rest: image, total: image.len() };
        let magic: [u8; 4] = reader.array()?;
        let [b'M', b'1', b'Q', version] = magic else {
            return Err(ModelError::Magic { found: magic });
        };
        if version != VERSION {
            return Err(ModelError::Version { expected: VERSION, found: version });
        }
        let length = reader.u32()? as usize;
        let image = image.get(..length).ok_or(ModelError::Truncated { expected: length, found: image.len() })?;
        let found = image.as_ptr().addr() % ALIGNMENT;
        if found != 0 {
            return Err(ModelError::Alignment { expected: ALIGNMENT, found });
        }
        let mut reader = Reader { rest: image, total: length };
        reader.take(8)?;
        let id = reader.array().map(u64::from_le_bytes)?;
        reader.u32()?;
        let expected = reader.u32()?;
        let header = image.get(..HEADER).ok_or(ModelError::Truncated { expected: HEADER, found: length })?;
        let found = header_checksum(header);
        if found != expected {
            return Err(ModelError::HeaderChecksum { expected, found });
        }

        let mut u16 = || reader.array().map(u16::from_le_bytes);
        let (d, ff, context) = (u16()?.into(), u16()?.into(), u16()?.into());
        let [layers, heads] = reader.array()?;
        let config = Config { d, ff, context, layers: layers.into(), heads: heads.into() };
        config.check()?;
        let name = name(reader.take(16)?)?;
        let output_norm = reader.u32()?;
        let mut ngram_rows = [0; TABLES];
        for rows in &mut ngram_rows {
            *rows = reader.array().map(u16::from_le_bytes)?;
        }
        let reserved: [u8; 2] = reader.array()?;
        if reserved != [0; 2] {
            return Err(ModelError::Reserved { offset: reader.offset().wrapping_sub(2) });
        }
        let extent = Extent { ngram_rows, mixer: reader.u32()? as usize };
        extent.check()?;
        let tables = extent.tables_len(d);
        let expected = config.image_len().wrapping_add(tables).wrapping_add(extent.mixer);
        if expected != length {
            return Err(ModelError::Length { expected, found: length });
        }

        let truncated = ModelError::Truncated { expected, found: length };
        let power_table = reader.take(512)?.as_chunks().0.try_into().map_err(|_| truncated)?;
        check_power_table(power_table)?;
        let bucket_table: &[u8; 128] = reader.take(128)?.try_into().map_err(|_| truncated)?;
        if let Some((index, &found)) =
            bucket_table.iter().enumerate().find(|(_, bucket)| usize::from(**bucket) >= BUCKETS)
        {
            return Err(ModelError::Bucket { index, found });
        }

        let weights = reader.weights(SYMBOLS, d)?;
        let embedding = Matrix { weights, requantizers: reader.requantizers(SYMBOLS)?, width: d };
        let logits = Matrix {
            weights: weights.get(..256 * d).ok_or(truncated)?,
            requantizers: reader.requantizers(256)?,
            width: d,
        };
        let layers = reader.take(config.layers.wrapping_mul(config.layer_len()))?;
        let ngrams = Ngrams { rows: ngram_rows, d, section: reader.take(tables)? };
        Ok(Self { config, id, name, output_norm, power_table, bucket_table, embedding, logits, layers, ngrams, image })
    }

    /// The checksum of the whole image, in steps.
    pub fn verification(&self) -> Verification<'a> {
        let expected = self.image.get(16..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_le_bytes);
        Verification { rest: self.image.get(HEADER..).unwrap_or_default(), checksum: Checksum::new(), expected }
    }

    /// The image.
    #[inline]
    pub const fn image(&self) -> &'a [u8] {
        self.image
    }

    /// The n-gram tables.
    #[inline]
    pub const fn ngrams(&self) -> Ngrams<'a> {
        self.ngrams
    }

    /// What sections there are behind the layers.
    pub fn extent(&self) -> Extent {
        Extent { ngram_rows: self.ngrams.rows, mixer: self.mixer().len() }
    }

    /// The weights that the mixer of the adaptive layer begins with, in its own form; empty where the image has none.
    #[inline]
    pub fn mixer(&self) -> &'a [u8] {
        let length = self.image.get(HEADER - 4..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_le_bytes);
        self.image.get(self.image.len().wrapping_sub(length as usize)..).unwrap_or_default()
    }

    /// The dimensions.
    #[inline]
    pub const fn config(&self) -> Config {
        self.config
    }

    /// The 64-bit hash of the content: two models with the same id give the same bits.
    #[inline]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The preset's name, ASCII of at most 16 characters.
    #[inline]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Norm constant ahead of the logits.
    #[inline]
    pub const fn output_norm(&self) -> u32 {
        self.output_norm
    }

    /// The table of powers of two.
    #[inline]
    pub const fn power_table(&self) -> &'a PowerTable {
        self.power_table
    }

    /// The position bias's bucket for each distance; distances above 127 share the last.
    #[inline]
    pub const fn bucket_table(&self) -> &'a [u8; 128] {
        self.bucket_table
    }

    /// The embedding, `[257, d]` with the requantizers that bring a row to the residual.
    #[inline]
    pub const fn embedding(&self) -> Matrix<'a> {
        self.embedding
    }

    /// The same weights without the begin symbol, with the requantizers of the logits.
    #[inline]
    pub const fn logits(&self) -> Matrix<'a> {
        self.logits
    }

    /// The layers in order.
    #[inline]
    pub fn layers(&self) -> impl Iterator<Item = Layer<'a>> + use<'a> {
        let config = self.config;
        let mut reader = Reader { rest: self.layers, total: self.layers.len() };
        core::iter::from_fn(move || Layer::read(&config, &mut reader).ok())
    }
}

/// The checksum of an image beyond its header, computed a piece at a time: for who cannot wait for all of it, such as a
/// device at boot.
#[derive(Clone, Debug)]
pub struct Verification<'a> {
    rest: &'a [u8],
    checksum: Checksum,
    expected: u32,
}

impl Verification<'_> {
    /// Goes on by up to `bytes`. True when all has been looked at and is intact.
    ///
    /// # Errors
    /// The checksum is not the one that the image carries.
    pub fn step(&mut self, bytes: usize) -> Result<bool, ModelError> {
        let (piece, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, &[]));
        self.checksum.update(piece);
        self.rest = rest;
        if !rest.is_empty() {
            return Ok(false);
        }
        let (expected, found) = (self.expected, self.checksum.value());
        if found == expected { Ok(true) } else { Err(ModelError::Checksum { expected, found }) }
    }
}

/// The checksum of a header, which stands at offset 20 within it.
pub fn header_checksum(header: &[u8]) -> u32 {
    image_checksum(header.get(..20).unwrap_or_default(), header.get(CONTENT..HEADER).unwrap_or_default())
}

/// Makes length, checksums and id of an image agree with its content: the last step of who writes one.
pub fn seal(image: &mut [u8]) {
    let length = (image.len() as u32).to_le_bytes();
    let id = image_id(image.get(CONTENT..).unwrap_or_default()).to_le_bytes();
    let content = checksum(image.get(HEADER..).unwrap_or_default()).to_le_bytes();
    let mut put = |range: core::ops::Range<usize>, bytes: &[u8]| {
        image.get_mut(range).unwrap_or_default().iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    };
    put(4..8, &length);
    put(8..16, &id);
    put(16..20, &content);
    let header = header_checksum(image).to_le_bytes();
    image.get_mut(20..CONTENT).unwrap_or_default().iter_mut().zip(header).for_each(|(to, from)| *to = from);
}

fn name(field: &[u8]) -> Result<&str, ModelError> {
    let length = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let (name, padding) = field.split_at_checked(length).ok_or(ModelError::Name)?;
    if !name.iter().all(u8::is_ascii_graphic) || padding.iter().any(|&byte| byte != 0) {
        return Err(ModelError::Name);
    }
    core::str::from_utf8(name).map_err(|_| ModelError::Name)
}

fn check_power_table(table: &PowerTable) -> Result<(), ModelError> {
    let mut previous = None;
    for (index, &entry) in table.iter().enumerate() {
        let found = u16::from_le_bytes(entry);
        let falls = previous.map_or(found == 65535, |previous| found <= previous);
        if !falls || found < 32768 {
            return Err(ModelError::PowerTable { index, found });
        }
        previous = Some(found);
    }
    Ok(())
}

/// The checks of weights and requantizers, which name the place in the image. As every factor is below 1/4 they are
/// all that the bounds of the contract need.
struct Check<'a> {
    image: &'a [u8],
}

impl Check<'_> {
    /// The offset of a section within the image: both come from the same slice.
    fn offset(&self, section: *const u8) -> usize {
        section.addr().wrapping_sub(self.image.as_ptr().addr())
    }

    fn model(&self, model: &Model) -> Result<(), ModelError> {
        self.matrix(&model.embedding)?;
        self.matrix(&model.logits)?;
        for layer in model.layers() {
            self.layer(&layer)?;
        }
        // What fills a table up to a multiple of 4 is zero, so that equal models are equal bytes.
        for table in model.ngrams.tables() {
            let end = self.offset(table.factors.as_ptr_range().end.cast());
            let fill = self.image.get(end..end.next_multiple_of(ALIGNMENT)).unwrap_or_default();
            if fill.iter().any(|&byte| byte != 0) {
                return Err(ModelError::Reserved { offset: end });
            }
        }
        Ok(())
    }

    fn layer(&self, layer: &Layer) -> Result<(), ModelError> {
        self.matrix(&layer.qkv)?;
        let after_qkv = self.offset(layer.qkv.requantizers.as_ptr_range().end.cast());
        self.requantizer(after_qkv, layer.score)?;
        let (multiplier, shift) = layer.output;
        if multiplier >= 1 << 15 || !OUTPUT_SHIFTS.contains(&shift) {
            return Err(ModelError::Requantizer { offset: after_qkv.wrapping_add(4), multiplier, shift });
        }
        self.matrix(&layer.out)?;
        self.matrix(&layer.gate)?;
        self.matrix(&layer.linear)?;
        let after_linear = self.offset(layer.linear.requantizers.as_ptr_range().end.cast());
        self.requantizer(after_linear, layer.reglu)?;
        self.matrix(&layer.down)
    }

    fn matrix(&self, matrix: &Matrix) -> Result<(), ModelError> {
        // The bytes of -128 in an even and in an odd column.
        let lowest = |&[even, odd]: &[u8; 2]| even == 0 || odd == 0x80;
        if let Some((index, [even, _])) =
            matrix.weights.as_chunks::<2>().0.iter().enumerate().find(|(_, pair)| lowest(pair))
        {
            let index = 2 * index + usize::from(*even != 0);
            return Err(ModelError::Weight { offset: self.offset(matrix.weights.as_ptr()).wrapping_add(index) });
        }
        for bytes in matrix.requantizers {
            self.requantizer(self.offset(bytes.as_ptr()), Requantizer::from_image(*bytes))?;
        }
        Ok(())
    }

    fn requantizer(&self, offset: usize, requantizer: Requantizer) -> Result<(), ModelError> {
        let (multiplier, shift) = (requantizer.multiplier(), requantizer.shift());
        match Requantizer::new(multiplier, shift) {
            Some(_) => Ok(()),
            None => Err(ModelError::Requantizer { offset, multiplier, shift }),
        }
    }
}
