//! [`Decompressor`]: a stream to text, around any damage.
//!
//! Invariant: text is written block by block, in order, and only from blocks whose checksum agrees; whatever is not
//! delivered is in [`Restored::losses`] with its cause.

use std::io::{BufReader, Cursor, Read, Seek, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use equalinfo_codec::container::{DecodeError, Header, Method, StreamPart};

use super::blocks::{BlockReader, Event};
use super::error::StreamError;
use super::map::{FileMap, MappedStream, Start};
use super::models::Models;
use super::restored::{Loss, Restored};
use super::source::Source;
use crate::accelerator::{Accelerator, AcceleratorError};
use crate::coding::{CodingError, CodingModel};
use crate::model::Model;
use crate::plan::lockstep::group;
use crate::plan::{Job, Plan, Worker, Workers};

type Open<'a> = Arc<dyn Fn(&Model, usize) -> Result<Box<dyn Accelerator>, AcceleratorError> + Send + Sync + 'a>;

/// Decompresses streams: one, or several one after the other.
///
/// ```
/// use equalinfo::{ByteFrequencies, Compressor, Decompressor, Lexicon, Model};
///
/// let text = b"It was the best of times, it was the worst of times. ".repeat(40);
/// let model = Model::shipped("nano")?;
/// let mut stream = Compressor::new(&model).block_size(500).compress_to_vec(&text)?;
/// assert_eq!(Decompressor::new().decompress_to_vec(&stream)?, text);
///
/// // Damage costs the block that it is in. It is reported, and all else is delivered.
/// stream[50] ^= 1;
/// let mut rest = Vec::new();
/// let restored = Decompressor::new().decompress(&stream[..], &mut rest)?;
/// assert_eq!((restored.losses.len(), restored.losses[0].blocks.clone()), (1, 0..1));
/// assert_eq!(rest, text[500..]);
/// // Or it is an error.
/// assert!(Decompressor::new().strict(true).decompress(&stream[..], &mut rest).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Decompressor<'a> {
    models: Models<'a>,
    threads: usize,
    strict: bool,
    max_output: Option<u64>,
    max_memory: Option<u64>,
    accelerator: Option<Open<'a>>,
}

impl Default for Decompressor<'_> {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { models: Models::new(), threads, strict: false, max_output: None, max_memory: None, accelerator: None }
    }
}

impl<'a> Decompressor<'a> {
    /// A decompressor that finds the shipped models by the ids in the streams, delivers what is intact and uses a
    /// thread per core.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes this model, and others that are given, instead of the shipped ones.
    pub fn model(self, model: &Model) -> Self {
        Self { models: self.models.with(model), ..self }
    }

    /// Takes this lexicon in the place of a model.
    pub fn lexicon(self, lexicon: &crate::lexicon::Lexicon) -> Self {
        Self { models: self.models.with(lexicon), ..self }
    }

    /// Takes the models from here.
    pub fn models(self, models: Models<'a>) -> Self {
        Self { models, ..self }
    }

    /// Threads.
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Whether any damage is an error, [`StreamError::Damaged`], after all intact text has been written.
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// The most bytes of text to write, of all streams together: the block that would exceed them is not decoded, and
    /// is an error, [`StreamError::OutputLimit`]. The text before it has been written.
    pub fn max_output(self, bytes: u64) -> Self {
        Self { max_output: Some(bytes), ..self }
    }

    /// The most bytes of memory to use for blocks and tables, besides the model: fewer threads are started where all
    /// would take more, and a stream of which one block takes more is an error, [`StreamError::MemoryLimit`].
    pub fn max_memory(self, bytes: u64) -> Self {
        Self { max_memory: Some(bytes), ..self }
    }

    /// Runs the models of streams whose code accelerators have on what this opens for a model and its context.
    pub fn accelerator(
        self,
        open: impl Fn(&Model, usize) -> Result<Box<dyn Accelerator>, AcceleratorError> + Send + Sync + 'a,
    ) -> Self {
        Self { accelerator: Some(Arc::new(open)), ..self }
    }

    /// Writes the text of all streams in the input.
    ///
    /// # Errors
    /// The input cannot be read, does not begin with a readable header, or needs a model that is not there; the output
    /// cannot be written. Damaged blocks are in [`Restored::losses`], and no error unless [`Self::strict`] says so.
    pub fn decompress(&self, stream: impl Read, text: impl Write) -> Result<Restored, StreamError> {
        self.decompress_with(stream, text, None, |_, _| ())
    }

    /// As [`Self::decompress`], from the start of an input that can seek: its index is read first, which helps to go
    /// around damage.
    ///
    /// # Errors
    /// As [`Self::decompress`].
    pub fn decompress_file(&self, mut stream: impl Read + Seek, text: impl Write) -> Result<Restored, StreamError> {
        let map = FileMap::read(&mut stream)?;
        self.decompress_with(stream, text, map, |_, _| ())
    }

    /// The text of streams in memory.
    ///
    /// # Errors
    /// As [`Self::decompress`]; damage always is one.
    pub fn decompress_to_vec(&self, stream: &[u8]) -> Result<Vec<u8>, StreamError> {
        let mut text = Vec::new();
        self.clone().strict(true).decompress(stream, &mut text)?;
        Ok(text)
    }

    /// As [`Self::decompress`]; `map` is where the streams are, where that could be read beforehand, and `progress` is
    /// told the bytes of input and of text so far.
    ///
    /// # Errors
    /// As [`Self::decompress`].
    pub fn decompress_with(
        &self,
        stream: impl Read,
        mut text: impl Write,
        map: Option<FileMap>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Restored, StreamError> {
        let mut source = Source::new(BufReader::new(stream));
        let mut restored = Restored::default();
        let mut map = map.map(|map| (0, map));
        let mut blocks = 0;
        let mut is_first = true;
        loop {
            let beginning = source.peek(Start::LONGEST).map_err(StreamError::input("read"))?;
            if beginning.is_empty() && !is_first {
                break;
            }
            let parsed = Start::parse(beginning);
            let here = source.position();
            let mapped = map.as_ref().and_then(|(from, map)| map.at(here.checked_sub(*from)?));
            // The header again at the end of the stream has a checksum, which that of a stream of one block has not.
            let parsed = parsed.and_then(|start| match mapped {
                Some(mapped) if mapped.start.header != start.header => Err(DecodeError::IndexContents),
                _ => Ok(start),
            });
            let begun = match parsed {
                Ok(start) => {
                    source.take(start.length as usize).map_err(StreamError::input("read"))?;
                    Some((start, false))
                }
                Err(cause) => self.find_start(cause, is_first, &mut map, &mut source, &mut restored)?,
            };
            let Some((start, is_displaced)) = begun else { break };
            let offset = source.position() - if is_displaced { 0 } else { start.length };
            let mapped = map.as_ref().and_then(|(from, map)| map.at(offset.checked_sub(*from)?));
            let mapped = mapped.filter(|mapped| mapped.start.header == start.header);
            let placed = mapped.map(|mapped| MappedStream { offset, ..mapped.clone() });
            let begun = Begun { start, is_displaced, map: placed, blocks };
            let (complete, read) = self.restore(begun, &mut source, &mut text, &mut restored, &mut progress)?;
            // A damaged stream may claim as many as there are numbers.
            blocks = blocks.saturating_add(read);
            restored.stream = source.position();
            is_first = false;
            if !complete && !self.skip_to_next(offset, map.as_ref(), &mut source)? {
                break;
            }
        }
        if self.strict && !restored.losses.is_empty() {
            return Err(StreamError::Damaged(restored));
        }
        Ok(restored)
    }

    /// A stream's beginning is damaged: it is repeated at the end of the stream, and the file may hold other streams.
    /// The beginning, and whether it was found at the end only.
    fn find_start<R: Read>(
        &self,
        cause: DecodeError,
        is_first: bool,
        map: &mut Option<(u64, FileMap)>,
        source: &mut Source<R>,
        restored: &mut Restored,
    ) -> Result<Option<(Start, bool)>, StreamError> {
        let is_other = matches!(cause, DecodeError::Magic { .. } | DecodeError::Version { .. });
        if map.is_none() && !(is_first && is_other) {
            // A pipe: the rest, which is needed to find the end, must fit the memory.
            let most = self.max_memory.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
            let rest = source.peek(most).map_err(StreamError::input("read"))?;
            let found = FileMap::read(&mut Cursor::new(rest))?;
            *map = found.map(|found| (source.position(), found));
        }
        let here = source.position();
        let known = map.as_ref().map(|(from, map)| (here - from, *from, map));
        let loss = |length| Loss { blocks: 0..0, text_offset: Some(restored.text), length, is_open: false, cause };
        let found = match known {
            Some((at, _, map)) if map.at(at).is_some() => {
                map.at(at).map(|stream| (stream.start.clone(), Some(0), here))
            }
            Some((at, from, map)) if map.behind(at).is_some() => {
                map.behind(at).map(|stream| (stream.start.clone(), None, from + stream.offset))
            }
            Some((_, _, map)) => map.displaced.as_ref().map(|stream| (stream.start.clone(), None, here)),
            None => None,
        };
        let Some((start, length, offset)) = found else {
            if is_first {
                return Err(cause.into());
            }
            // Something follows a complete stream that is no other stream: the text so far is there, but the file is
            // not as it was.
            restored.losses.push(loss(Some(0)));
            return Ok(None);
        };
        restored.losses.push(loss(length));
        source.skip_to(offset).map_err(StreamError::input("read"))?;
        if map.as_ref().is_some_and(|(from, map)| map.at(offset - from).is_none()) {
            // Where its blocks begin is not known.
            return Ok(Some((start, true)));
        }
        source.take(start.length as usize).map_err(StreamError::input("read"))?;
        Ok(Some((start, false)))
    }

    /// After a stream that ends in damage: whether another one is known to follow, where the input then is.
    fn skip_to_next<R: Read>(
        &self,
        offset: u64,
        map: Option<&(u64, FileMap)>,
        source: &mut Source<R>,
    ) -> Result<bool, StreamError> {
        let next = map.and_then(|(from, map)| Some(from + map.behind(offset.checked_sub(*from)?)?.offset));
        match next {
            Some(next) if next >= source.position() => {
                source.skip_to(next).map_err(StreamError::input("read"))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// One stream after its beginning; whether its end was found, so that another may follow, and the number of its
    /// blocks.
    fn restore<R: Read>(
        &self,
        Begun { start, is_displaced, map, blocks }: Begun,
        source: &mut Source<R>,
        output: &mut impl Write,
        restored: &mut Restored,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<(bool, u32), StreamError> {
        let header = start.header;
        let model = self.models.find(&header, start.table.as_ref())?;
        let text_before = restored.text;
        let job = Job::Decode(header.method);
        let context = usize::from(header.model.context);
        let (threads, together) = self.within_memory(&header)?;
        let accelerator = match (&self.accelerator, &model) {
            (Some(open), CodingModel::Model(model)) if job.is_accelerated() => {
                Some(open(model, context).map_err(CodingError::from)?)
            }
            _ => None,
        };
        let workers = accelerator.as_deref().map_or(Workers::Threads(threads), Workers::Accelerator);
        let plan = Plan::new(&model, context, job, workers, together, |bytes| {
            // Text is a little more than twice as long as its windows.
            let bytes = bytes / 2;
            Ok::<_, StreamError>(source.peek(bytes).map_err(StreamError::input("read"))?.len() == bytes)
        })?;
        let mut reader = BlockReader::new(source, &start, is_displaced, map.as_ref());
        let mut promised = text_before;
        let events = reader.by_ref().map(|event| {
            let event = event?;
            promised += event.block().map_or(0, |(block, _)| u64::from(block.text_length));
            match self.max_output {
                Some(limit) if promised > limit => Err(StreamError::OutputLimit { limit }),
                _ => Ok(event),
            }
        });
        plan.run(
            events,
            |event| event.block().map_or(0, |(block, _)| block.text_length as usize),
            |worker, events| Ok(decode(worker, &header, events)?),
            |decoded| {
                match decoded {
                    Ok((position, text)) => {
                        output.write_all(&text).map_err(StreamError::Output)?;
                        restored.text += text.len() as u64;
                        progress(position, restored.text);
                    }
                    Err(mut loss) => {
                        // Offsets count from the start of this stream's text; with several streams, from that of all.
                        loss.text_offset = loss.text_offset.map(|offset| offset + text_before);
                        let of_all = |number: u32| number.saturating_add(blocks);
                        loss.blocks = of_all(loss.blocks.start)..of_all(loss.blocks.end);
                        restored.losses.push(loss);
                    }
                }
                Ok(())
            },
        )?;
        Ok((reader.is_complete(), reader.blocks()))
    }
}

impl Decompressor<'_> {
    /// Threads, and blocks that each gets at once, that stay within the memory.
    fn within_memory(&self, header: &Header) -> Result<(usize, usize), StreamError> {
        let together = group(header.block_size());
        let Some(limit) = self.max_memory else { return Ok((self.threads, together)) };
        let tables = match header.method {
            Method::Mix(class) | Method::Tables(class) => 4 * class.words() as u64,
            _ => 0,
        };
        let needed = |together: usize| tables + TEXTS_OF_A_THREAD * together as u64 * u64::from(header.block_size());
        if needed(1) > limit {
            return Err(StreamError::MemoryLimit { needed: needed(1), limit });
        }
        let together = (1..=together).rev().find(|&together| needed(together) <= limit).unwrap_or(1);
        let threads = usize::try_from(limit / needed(together).max(1)).unwrap_or(usize::MAX);
        Ok((threads.clamp(1, self.threads.max(1)), together))
    }
}

/// Texts of blocks for which a thread has memory: what it decodes with its code, and what waits to be written.
const TEXTS_OF_A_THREAD: u64 = 4;

/// A stream whose beginning has been read.
struct Begun {
    start: Start,
    /// Whether it was found at the end of the stream only, so that the input may be anywhere in its blocks.
    is_displaced: bool,
    map: Option<MappedStream>,
    /// The blocks of the streams before.
    blocks: u32,
}

/// Where in the input the text of a block ends, and the text; or what is missing.
type Decoded = Result<(u64, Vec<u8>), Loss>;

fn decode(worker: &mut Worker, header: &Header, events: Vec<Event>) -> Result<Vec<Decoded>, CodingError> {
    let blocks: Vec<_> = events.iter().filter_map(Event::block).collect();
    let mut texts = worker.decode_blocks(header, &blocks)?.into_iter();
    let decoded = |event| match event {
        Event::Block { block, text_offset, position, .. } => {
            // There is a text for every block.
            let missing = DecodeError::Truncated { part: StreamPart::Payload, block: block.number };
            texts.next().unwrap_or(Err(missing)).map(|text| (position, text)).map_err(|cause| Loss {
                blocks: block.number..block.number + 1,
                text_offset,
                length: Some(u64::from(block.text_length)),
                is_open: false,
                cause,
            })
        }
        Event::Loss(loss) => Err(loss),
    };
    Ok(events.into_iter().map(decoded).collect())
}
