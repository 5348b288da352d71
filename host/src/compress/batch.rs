//! [`Batch`]: the integer M1 for many texts at once, on a GPU; bit for bit what [`Engine`](crate::engine::Engine) and the codec do.
//!
//! Texts go up end to end, run, and their codes come back; nothing stays on the device but the model. Generic over the [`Driver`]: tests run the same
//! kernels on the CPU.

use anyhow::{Context, Result, ensure};
use equalinfo_codec::WindowBits;
use equalinfo_codec::m1::{Config, Model};
use equalinfo_kernels::integer_m1::{self, PackedModel, Texts, Tile};
use equalinfo_kernels::{Driver, Memory, View};

use super::windows::Windows;
use crate::cuda::Place;
use crate::model::LoadedModel;

/// Codes many texts with one M1.
pub trait Batch {
    /// How many texts keep the device busy.
    fn texts(&self) -> usize;

    /// Positions that a byte sees.
    fn context(&self) -> usize;

    /// The range coder's code of each text, each from an empty context that slides.
    ///
    /// # Errors
    /// Those of the device.
    fn range_encode(&self, texts: &[&[u8]]) -> Result<Vec<Vec<u8>>>;

    /// The text of each code, of known length; `None` where there is none.
    ///
    /// # Errors
    /// Those of the device.
    fn range_decode(&self, codes: &[&[u8]], lengths: &[usize]) -> Result<Vec<Option<Vec<u8>>>>;

    /// The windows of each text in the default code.
    ///
    /// # Errors
    /// Those of the device.
    fn encode_windows(&self, bits: WindowBits, texts: &[&[u8]]) -> Result<Vec<Windows>>;

    /// The text of each window, their values one after the other.
    ///
    /// # Errors
    /// Those of the device.
    fn decode_windows(&self, bits: WindowBits, values: &[u8]) -> Result<Vec<WindowText>>;
}

/// What a window decodes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowText {
    pub text: Vec<u8>,
    /// Whether an encoder writes this window for a text that goes on behind it.
    pub is_canonical: bool,
}

/// Texts a launch of windows has at most: what windows are given out is sixteen times their bytes of text.
const MOST_WINDOW_TEXT: usize = 128 << 20;
/// Windows a launch of decoding has at most.
const MOST_WINDOWS: usize = 1 << 20;
/// Blocks of a launch for each multiprocessor.
const BLOCKS: usize = 2;
/// Dynamic shared memory that a block has on every GPU that the kernels run on.
const SHARED: usize = 163 * 1024;

/// M1 in the memory of a device.
pub struct OnDevice<D: Driver> {
    driver: D,
    model: D::Buffer,
    cache: D::Buffer,
    taken: D::Buffer,
    config: Config,
    context: usize,
    tile: Tile,
    blocks: usize,
}

/// M1 on the GPU of a place, if it is one.
///
/// # Errors
/// The model is no M1, or the GPU has too little memory.
pub fn open(place: Place, model: &LoadedModel, context: usize) -> Result<Option<Box<dyn Batch>>> {
    let Place::Cuda(driver) = place else { return Ok(None) };
    let engine = model.engine().context("--device cuda runs an M1; lexicons and byte frequencies need none")?;
    let blocks = BLOCKS * driver.device().multiprocessors as usize;
    Ok(Some(Box::new(OnDevice::new(*driver, engine.image().model(), context, blocks)?)))
}

/// Texts, or codes, end to end on the device.
struct Joined<M> {
    bytes: M,
    ends: M,
    count: usize,
    length: usize,
}

impl<M: Memory> Joined<M> {
    fn texts(&self) -> Texts<'_, M> {
        Texts { bytes: View::new(&self.bytes), ends: View::new(&self.ends), count: self.count, length: self.length }
    }
}

impl<D: Driver> OnDevice<D> {
    /// Uploads a model; `blocks` run at once.
    ///
    /// # Errors
    /// The device has too little memory, or the model a shorter context.
    pub fn new(driver: D, model: &Model<'_>, context: usize, blocks: usize) -> Result<Self> {
        let packed = PackedModel::new(model);
        let config = packed.config();
        ensure!((1..=config.context).contains(&context), "--context {context}: the model has {}", config.context);
        let tile = Tile::fitting(config, SHARED);
        let cache = integer_m1::Batch::<D::Buffer>::cache_bytes(config, context, tile, blocks);
        let (model, cache, taken) =
            (driver.allocate(packed.bytes().len())?, driver.allocate(cache)?, driver.allocate(size_of::<u64>())?);
        driver.upload(View::new(&model), packed.bytes())?;
        Ok(Self { driver, model, cache, taken, config, context, tile, blocks })
    }

    fn batch(&self) -> integer_m1::Batch<'_, D::Buffer> {
        integer_m1::Batch {
            model: View::new(&self.model),
            config: self.config,
            context: self.context,
            tile: self.tile,
            blocks: self.blocks,
            cache: View::new(&self.cache),
            taken: View::new(&self.taken),
        }
    }

    fn upload(&self, bytes: &[u8]) -> Result<D::Buffer> {
        let buffer = self.driver.allocate(bytes.len())?;
        self.driver.upload(View::new(&buffer), bytes)?;
        Ok(buffer)
    }

    fn join(&self, texts: &[&[u8]]) -> Result<Joined<D::Buffer>> {
        let ends = sums(texts.iter().map(|text| text.len()));
        let bytes = self.upload(&texts.concat())?;
        Ok(Joined {
            bytes,
            length: ends.last().copied().unwrap_or(0) as usize,
            ends: self.upload(&to_bytes(&ends))?,
            count: texts.len(),
        })
    }

    fn download(&self, buffer: &D::Buffer) -> Result<Vec<u8>> {
        let mut bytes = vec![0; buffer.bytes()];
        self.driver.download(View::new(buffer), &mut bytes)?;
        Ok(bytes)
    }

    fn download_i64(&self, buffer: &D::Buffer) -> Result<Vec<i64>> {
        let bytes = self.download(buffer)?;
        Ok(bytes.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect())
    }

    fn download_u16(&self, buffer: &D::Buffer) -> Result<Vec<u16>> {
        let bytes = self.download(buffer)?;
        Ok(bytes.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes)).collect())
    }

    fn encode_some(&self, bits: WindowBits, texts: &[&[u8]]) -> Result<Vec<Windows>> {
        let joined = self.join(texts)?;
        // A window holds a byte at least.
        let room = joined.length;
        let first = sums(texts.iter().map(|text| text.len()));
        let first: Vec<i64> = first.iter().zip(texts).map(|(end, text)| end - text.len() as i64).collect();
        let first_windows = self.upload(&to_bytes(&first))?;
        let values = self.driver.allocate(room * bits.bytes())?;
        let lengths = self.driver.allocate(room * size_of::<u16>())?;
        let counts = self.driver.allocate(texts.len() * size_of::<i64>())?;
        let windows = integer_m1::Windows {
            first: View::new(&first_windows),
            values: View::new(&values),
            lengths: Some(View::new(&lengths)),
            counts: View::new(&counts),
            room,
        };
        integer_m1::encode_windows(&self.driver, self.batch(), bits.bits(), joined.texts(), &windows)?;
        let (values, lengths) = (self.download(&values)?, self.download_u16(&lengths)?);
        let counts = self.download_i64(&counts)?;
        let of = |(&first, &count): (&i64, &i64)| {
            let (first, end) = (first as usize, (first + count) as usize);
            let code = values.get(first * bits.bytes()..end * bits.bytes()).context("the GPU's windows")?;
            Ok(Windows { code: code.to_vec(), lengths: lengths[first..end].to_vec() })
        };
        first.iter().zip(&counts).map(of).collect()
    }

    fn decode_some(&self, bits: WindowBits, values: &[u8], all: &mut Vec<WindowText>) -> Result<()> {
        let count = values.len() / bits.bytes();
        let windows = self.upload(values)?;
        let texts = self.driver.allocate(count * self.context)?;
        let lengths = self.driver.allocate(count * size_of::<u16>())?;
        let canonical = self.driver.allocate(count)?;
        let [windows, texts_view, lengths_view, canonical_view] =
            [&windows, &texts, &lengths, &canonical].map(View::new);
        let (batch, bits) = (self.batch(), bits.bits());
        integer_m1::decode_windows(
            &self.driver,
            batch,
            bits,
            count,
            windows,
            texts_view,
            lengths_view,
            canonical_view,
        )?;
        let (texts, lengths) = (self.download(&texts)?, self.download_u16(&lengths)?);
        let canonical = self.download(&canonical)?;
        for ((text, length), canonical) in texts.chunks_exact(self.context).zip(lengths).zip(canonical) {
            let text = text.get(..usize::from(length)).context("the GPU's text is longer than the context")?;
            all.push(WindowText { text: text.to_vec(), is_canonical: canonical == 1 });
        }
        Ok(())
    }
}

impl<D: Driver> Batch for OnDevice<D> {
    fn texts(&self) -> usize {
        self.blocks * self.tile.rows()
    }

    fn context(&self) -> usize {
        self.context
    }

    fn range_encode(&self, texts: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let joined = self.join(texts)?;
        let coded = self.driver.allocate(joined.length * size_of::<u32>())?;
        integer_m1::trace(&self.driver, self.batch(), joined.texts(), View::new(&coded), None)?;
        // A byte costs 15 bits at most.
        let begins = sums(std::iter::once(0).chain(texts.iter().map(|text| 2 * text.len() + 16)));
        let codes = self.driver.allocate(begins.last().copied().unwrap_or(0) as usize)?;
        let lengths = self.driver.allocate(texts.len() * size_of::<i64>())?;
        let begins_on_device = self.upload(&to_bytes(&begins))?;
        let [coded, codes_view, begins_view, lengths_view] =
            [&coded, &codes, &begins_on_device, &lengths].map(View::new);
        let ends = joined.texts().ends;
        integer_m1::range_encode(&self.driver, texts.len(), coded, ends, codes_view, begins_view, lengths_view)?;
        let (codes, lengths) = (self.download(&codes)?, self.download_i64(&lengths)?);
        let code = |(&begin, length): (&i64, i64)| {
            let length = usize::try_from(length).context("a code of more than 16 bits a byte")?;
            Ok(codes[begin as usize..][..length].to_vec())
        };
        begins.iter().zip(lengths).map(code).collect()
    }

    fn range_decode(&self, codes: &[&[u8]], lengths: &[usize]) -> Result<Vec<Option<Vec<u8>>>> {
        if codes.is_empty() {
            return Ok(Vec::new());
        }
        let joined = self.join(codes)?;
        let ends = sums(lengths.iter().copied());
        let length = ends.last().copied().unwrap_or(0) as usize;
        let texts = Joined {
            bytes: self.driver.allocate(length)?,
            ends: self.upload(&to_bytes(&ends))?,
            count: lengths.len(),
            length,
        };
        let intact = self.driver.allocate(lengths.len())?;
        integer_m1::range_decode(&self.driver, self.batch(), joined.texts(), texts.texts(), View::new(&intact))?;
        let (bytes, intact) = (self.download(&texts.bytes)?, self.download(&intact)?);
        let text = |((&end, &length), intact): ((&i64, &usize), u8)| {
            (intact == 1).then(|| bytes[end as usize - length..end as usize].to_vec())
        };
        Ok(ends.iter().zip(lengths).zip(intact).map(text).collect())
    }

    fn encode_windows(&self, bits: WindowBits, texts: &[&[u8]]) -> Result<Vec<Windows>> {
        let mut all = Vec::with_capacity(texts.len());
        while let Some(rest) = texts.get(all.len()..).filter(|rest| !rest.is_empty()) {
            let mut bytes = 0;
            let fitting = rest.iter().take_while(|text| {
                bytes += text.len();
                bytes <= MOST_WINDOW_TEXT
            });
            let some = &rest[..fitting.count().max(1)];
            all.extend(self.encode_some(bits, some)?);
        }
        Ok(all)
    }

    fn decode_windows(&self, bits: WindowBits, values: &[u8]) -> Result<Vec<WindowText>> {
        let mut all = Vec::with_capacity(values.len() / bits.bytes());
        for some in values.chunks(MOST_WINDOWS * bits.bytes()) {
            self.decode_some(bits, some, &mut all)?;
        }
        Ok(all)
    }
}

/// Where each of these lengths ends, one after the other.
fn sums(lengths: impl Iterator<Item = usize>) -> Vec<i64> {
    let mut end = 0;
    let end_of = |length: usize| {
        end += length as i64;
        end
    };
    lengths.map(end_of).collect()
}

fn to_bytes(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
