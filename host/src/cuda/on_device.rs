//! [`OnDevice`]: the integer M1 for many texts at once, on a GPU; bit for bit what [`Engine`](crate::engine::Engine)
//! and the codec do.
//!
//! Texts go up end to end, run, and their codes come back; nothing stays on the device but the model. Generic over the
//! [`Driver`]: tests run the same kernels on the CPU.

use equalinfo_codec::WindowBits;
use equalinfo_codec::m1::{self, Config};
use equalinfo_kernels::integer_m1::{self, PackedModel, Texts, Tile};
use equalinfo_kernels::{Driver, Memory, View};

use super::Place;
use crate::accelerator::{Accelerator, AcceleratorError, WindowText};
use crate::model::Model;
use crate::windows::Segments;

type Result<T, E = AcceleratorError> = std::result::Result<T, E>;

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

/// M1 on the GPU of a place; `None` where the place is the CPU.
///
/// # Errors
/// The GPU has too little memory, or the model a shorter context.
pub fn open(place: Place, model: &Model, context: usize) -> Result<Option<Box<dyn Accelerator>>> {
    let Place::Cuda(driver) = place else { return Ok(None) };
    let blocks = BLOCKS * driver.device().multiprocessors as usize;
    Ok(Some(Box::new(OnDevice::new(*driver, model.engine().image().model(), context, blocks)?)))
}

/// An error of the driver, whichever it is.
fn failed<E: std::error::Error + Send + Sync + 'static>(error: E) -> AcceleratorError {
    AcceleratorError::Device(Box::new(error))
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
    pub fn new(driver: D, model: &m1::Model<'_>, context: usize, blocks: usize) -> Result<Self> {
        let packed = PackedModel::new(model);
        let config = packed.config();
        if !(1..=config.context).contains(&context) {
            return Err(AcceleratorError::Context { expected: config.context, found: context });
        }
        let tile = Tile::fitting(config, SHARED);
        let cache = integer_m1::Batch::<D::Buffer>::cache_bytes(config, context, tile, blocks);
        let allocate = |bytes| driver.allocate(bytes).map_err(failed);
        let (model, cache, taken) = (allocate(packed.bytes().len())?, allocate(cache)?, allocate(size_of::<u64>())?);
        driver.upload(View::new(&model), packed.bytes()).map_err(failed)?;
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

    fn allocate(&self, bytes: usize) -> Result<D::Buffer> {
        self.driver.allocate(bytes).map_err(failed)
    }

    fn upload(&self, bytes: &[u8]) -> Result<D::Buffer> {
        let buffer = self.allocate(bytes.len())?;
        self.driver.upload(View::new(&buffer), bytes).map_err(failed)?;
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
        self.driver.download(View::new(buffer), &mut bytes).map_err(failed)?;
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

    fn encode_some(&self, bits: WindowBits, texts: &[&[u8]]) -> Result<Vec<Segments>> {
        let joined = self.join(texts)?;
        // A window holds a byte at least.
        let room = joined.length;
        let first = sums(texts.iter().map(|text| text.len()));
        let first: Vec<i64> = first.iter().zip(texts).map(|(end, text)| end - text.len() as i64).collect();
        let first_windows = self.upload(&to_bytes(&first))?;
        let values = self.allocate(room * bits.bytes())?;
        let lengths = self.allocate(room * size_of::<u16>())?;
        let counts = self.allocate(texts.len() * size_of::<i64>())?;
        let windows = integer_m1::Windows {
            first: View::new(&first_windows),
            values: View::new(&values),
            lengths: Some(View::new(&lengths)),
            counts: View::new(&counts),
            room,
        };
        integer_m1::encode_windows(&self.driver, self.batch(), bits.bits(), joined.texts(), &windows)
            .map_err(failed)?;
        let (values, lengths) = (self.download(&values)?, self.download_u16(&lengths)?);
        let counts = self.download_i64(&counts)?;
        let of = |(&first, &count): (&i64, &i64)| {
            let (first, end) = (first as usize, (first + count) as usize);
            let code = values
                .get(first * bits.bytes()..end * bits.bytes())
                .ok_or(AcceleratorError::Results { what: "windows" })?;
            Ok(Segments { bits, code: code.to_vec(), lengths: lengths[first..end].to_vec() })
        };
        first.iter().zip(&counts).map(of).collect()
    }

    fn decode_some(&self, bits: WindowBits, values: &[u8], all: &mut Vec<WindowText>) -> Result<()> {
        let count = values.len() / bits.bytes();
        let windows = self.upload(values)?;
        let texts = self.allocate(count * self.context)?;
        let lengths = self.allocate(count * size_of::<u16>())?;
        let canonical = self.allocate(count)?;
        let [windows, texts_view, lengths_view, canonical_view] =
            [&windows, &texts, &lengths, &canonical].map(View::new);
        let (batch, bits) = (self.batch(), bits.bits());
        integer_m1::decode_windows(&self.driver, batch, bits, count, windows, texts_view, lengths_view, canonical_view)
            .map_err(failed)?;
        let (texts, lengths) = (self.download(&texts)?, self.download_u16(&lengths)?);
        let canonical = self.download(&canonical)?;
        for ((text, length), canonical) in texts.chunks_exact(self.context).zip(lengths).zip(canonical) {
            let text = text.get(..usize::from(length)).ok_or(AcceleratorError::Results { what: "texts" })?;
            all.push(WindowText { text: text.to_vec(), is_canonical: canonical == 1 });
        }
        Ok(())
    }
}

impl<D: Driver> Accelerator for OnDevice<D> {
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
        let coded = self.allocate(joined.length * size_of::<u32>())?;
        integer_m1::trace(&self.driver, self.batch(), joined.texts(), View::new(&coded), None).map_err(failed)?;
        // A byte costs 15 bits at most.
        let begins = sums(std::iter::once(0).chain(texts.iter().map(|text| 2 * text.len() + 16)));
        let codes = self.allocate(begins.last().copied().unwrap_or(0) as usize)?;
        let lengths = self.allocate(texts.len() * size_of::<i64>())?;
        let begins_on_device = self.upload(&to_bytes(&begins))?;
        let [coded, codes_view, begins_view, lengths_view] =
            [&coded, &codes, &begins_on_device, &lengths].map(View::new);
        let ends = joined.texts().ends;
        integer_m1::range_encode(&self.driver, texts.len(), coded, ends, codes_view, begins_view, lengths_view)
            .map_err(failed)?;
        let (codes, lengths) = (self.download(&codes)?, self.download_i64(&lengths)?);
        let code = |(&begin, length): (&i64, i64)| {
            let length = usize::try_from(length).map_err(|_| AcceleratorError::Results { what: "codes" })?;
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
            bytes: self.allocate(length)?,
            ends: self.upload(&to_bytes(&ends))?,
            count: lengths.len(),
            length,
        };
        let intact = self.allocate(lengths.len())?;
        integer_m1::range_decode(&self.driver, self.batch(), joined.texts(), texts.texts(), View::new(&intact))
            .map_err(failed)?;
        let (bytes, intact) = (self.download(&texts.bytes)?, self.download(&intact)?);
        let text = |((&end, &length), intact): ((&i64, &usize), u8)| {
            (intact == 1).then(|| bytes[end as usize - length..end as usize].to_vec())
        };
        Ok(ends.iter().zip(lengths).zip(intact).map(text).collect())
    }

    fn encode_windows(&self, bits: WindowBits, texts: &[&[u8]]) -> Result<Vec<Segments>> {
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
