//! [`Model`]: a zero-copy view of a `.m1q` image (`docs/m1q.md`).
//!
//! Invariant: a `Model` exists only for an image whose checksum, id, dimensions, weights and requantizers have been
//! checked, so inference needs no check and no accumulator can overflow.

use super::error::ModelError;
use super::ops::{PowerTable, Requantizer};
use crate::container::checksum::checksum_of_both;

/// The embedding row of the begin-of-sequence symbol, after the 256 bytes.
pub const BOS: u16 = 256;
/// Dimension of an attention head, in every model.
pub const HEAD: usize = 64;
/// Number of distance buckets of the position bias.
pub const BUCKETS: usize = 32;

const VERSION: u8 = b'2';
const HEADER: usize = 48;
const SYMBOLS: usize = 257;
const MAX_D: usize = 1024;
const MAX_FF: usize = 4096;
const MAX_CONTEXT: usize = 256;
const MAX_LAYERS: usize = 15;
/// Largest number of products of all rows that add to one value of the residual, so that it stays below 2^31.
const MAX_DEPTH: usize = 1 << 15;
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

/// The dimensions of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// Width of the residual stream.
    pub d: usize,
    /// Width of the feed-forward layer.
    pub ff: usize,
    /// Longest context in positions, the begin symbol included.
    pub context: usize,
    /// Number of layers.
    pub layers: usize,
    /// Number of attention heads, each of 64.
    pub heads: usize,
}

impl Config {
    /// Length in bytes of an image of this model.
    pub const fn image_len(&self) -> usize {
        HEADER + 512 + 128 + SYMBOLS * self.d + SYMBOLS * 4 + 256 * 4 + self.layers * self.layer_len()
    }

    const fn layer_len(&self) -> usize {
        let attention =
            4 + 3 * self.d * self.d + 3 * self.d * 4 + 4 + 4 + 2 * BUCKETS * self.heads + self.d * self.d + self.d * 4;
        attention + 4 + 3 * self.ff * self.d + 2 * self.ff * 4 + 4 + self.d * 4
    }

    /// Bytes of working memory that [`M1`](super::M1) needs to run with `context` positions: the cache and the activations.
    pub const fn byte_buffer(&self, context: usize) -> usize {
        (2 * self.layers * self.d + 1) * context + 6 * self.d + self.ff
    }

    /// Words of working memory that [`M1`](super::M1) needs to run with `context` positions.
    pub const fn word_buffer(&self, context: usize) -> usize {
        self.d + self.scratch() + if context > 256 { context } else { 256 }
    }

    /// Words that activations are prepared in, or one head's values added up.
    pub(super) const fn scratch(&self) -> usize {
        let most = self.d / 8 * 7;
        if most > HEAD { most } else { HEAD }
    }

    const fn check(&self) -> Result<(), ModelError> {
        const fn range(name: &'static str, found: usize, low: usize, high: usize) -> Result<(), ModelError> {
            let expected = if found < low { low } else { high };
            if found < low || found > high { Err(ModelError::Dimension { name, expected, found }) } else { Ok(()) }
        }
        const fn multiple(name: &'static str, found: usize) -> Result<(), ModelError> {
            let expected = found & !(HEAD - 1);
            if expected == found { Ok(()) } else { Err(ModelError::Dimension { name, expected, found }) }
        }
        let checks = [
            range("width", self.d, HEAD, MAX_D),
            multiple("width", self.d),
            range("feed-forward width", self.ff, HEAD, MAX_FF),
            multiple("feed-forward width", self.ff),
            range("context", self.context, 1, MAX_CONTEXT),
            range("layers", self.layers, 1, MAX_LAYERS),
            range("heads", self.heads, self.d / HEAD, self.d / HEAD),
            range("layers times widths", self.layers.saturating_mul(self.d.saturating_add(self.ff)), 0, MAX_DEPTH),
        ];
        let mut i = 0;
        while i < checks.len() {
            if checks[i].is_err() {
                return checks[i];
            }
            i += 1;
        }
        Ok(())
    }
}

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
    /// Every way an image can differ from `docs/m1q.md` or exceed the bounds of `docs/numeric-contract.md`.
    pub fn load(image: &'a [u8]) -> Result<Self, ModelError> {
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
        let mut reader = Reader { rest: image, total: length };
        let head = reader.take(16)?;
        let (id, checksum) = match *head {
            [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h] => {
                (u64::from_le_bytes([a, b, c, d, e, f, g, h]), reader.u32()?)
            }
            _ => return Err(ModelError::Truncated { expected: HEADER, found: length }),
        };
        let content = reader.rest;
        let found = checksum_of(head, content);
        if found != checksum {
            return Err(ModelError::Checksum { expected: checksum, found });
        }
        let expected = id_of(content);
        if expected != id {
            return Err(ModelError::Identity { expected, found: id });
        }

        let mut u16 = || reader.array().map(|bytes| usize::from(u16::from_le_bytes(bytes)));
        let (d, ff, context) = (u16()?, u16()?, u16()?);
        let [layers, heads] = reader.array()?;
        let config = Config { d, ff, context, layers: layers.into(), heads: heads.into() };
        config.check()?;
        if config.image_len() != length {
            return Err(ModelError::Length { expected: config.image_len(), found: length });
        }
        let name = name(reader.take(16)?)?;
        let output_norm = reader.u32()?;
        let truncated = ModelError::Truncated { expected: config.image_len(), found: length };
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
        let layers = reader.rest;
        for _ in 0..config.layers {
            let layer = Layer::read(&config, &mut reader)?;
            Check { image }.layer(&layer)?;
        }
        let check = Check { image };
        check.matrix(&embedding)?;
        check.matrix(&logits)?;
        Ok(Self { config, id, name, output_norm, power_table, bucket_table, embedding, logits, layers })
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

/// The id of an image whose bytes from offset 20 on are `content`: FNV-1a with 64 bits.
pub fn id_of(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The checksum of an image from its first 16 bytes and its bytes from offset 20 on: CRC-32 as in zip.
pub fn checksum_of(head: &[u8], content: &[u8]) -> u32 {
    checksum_of_both(head, content)
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
