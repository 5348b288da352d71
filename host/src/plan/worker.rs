//! [`Worker`]: what does the job of a [`Plan`](super::Plan), text by text.

use equalinfo_codec::container::{self, BlockHeader, BlockKind, DecodeError, Header, Method, least_payload};
use equalinfo_codec::mix::{Class, WithTables};
use equalinfo_codec::{RangeEncoder, WindowBits};

use super::mixed::{self, Coded, HostTables};
use super::{CpuPlan, Job, checked, lockstep};
use crate::accelerator::Accelerator;
use crate::coding::{CodingError, CodingModel, Session};
use crate::engine::Lockstep;
use crate::lexicon::Lexicon;
use crate::windows::{Cutter, Segments};

/// What does the job of a [`Plan`](super::Plan) on one thread, with the memory that it takes.
pub struct Worker<'a>(pub(super) Tools<'a>);

pub(super) enum Tools<'a> {
    Cpu(CpuWorker),
    Accelerator {
        accelerator: &'a dyn Accelerator,
        /// What looks at codes that the accelerator finds damaged.
        checker: Box<Session>,
        job: Option<Job>,
    },
}

impl Worker<'_> {
    /// The range coder's code of each text, each from an empty context that slides.
    ///
    /// # Errors
    /// The plan is for another job, or the accelerator fails.
    pub fn range_encode(&mut self, texts: &[&[u8]]) -> Result<Vec<Vec<u8>>, CodingError> {
        match &mut self.0 {
            Tools::Cpu(worker) => worker.range_encode(texts),
            Tools::Accelerator { accelerator, job: Some(Job::RangeEncode), .. } => Ok(accelerator.range_encode(texts)?),
            Tools::Accelerator { job, .. } => Err(other(*job, "arithmetic coding")),
        }
    }

    /// The shortest code of each text by the adaptive layer.
    ///
    /// # Errors
    /// The plan is for another job.
    pub fn mix(&mut self, texts: &[&[u8]]) -> Result<Vec<Coded>, CodingError> {
        match &mut self.0 {
            Tools::Cpu(worker) => worker.mix(texts),
            Tools::Accelerator { job, .. } => Err(other(*job, "the adaptive layer")),
        }
    }

    /// The windows of each text, until they have `wanted` bytes or the text ends.
    ///
    /// # Errors
    /// The plan is for another job, or the accelerator fails.
    pub fn cut(&mut self, wanted: usize, texts: &[&[u8]]) -> Result<Vec<Segments>, CodingError> {
        match &mut self.0 {
            Tools::Cpu(worker) => worker.cut(wanted, texts),
            Tools::Accelerator { accelerator, job: Some(Job::Cut(segmentation)), .. } => {
                encode_beginnings(*accelerator, segmentation.bits, wanted, texts)
            }
            Tools::Accelerator { job, .. } => Err(other(*job, "windows")),
        }
    }

    /// What the codec's `decode_block` gives for each of these blocks of a stream with this header.
    ///
    /// # Errors
    /// The plan is for another job, or the accelerator fails.
    pub fn decode_blocks(
        &mut self,
        header: &Header,
        blocks: &[(&BlockHeader, &[u8])],
    ) -> Result<Vec<Result<Vec<u8>, DecodeError>>, CodingError> {
        match &mut self.0 {
            Tools::Cpu(worker) => worker.decode_blocks(header, blocks),
            Tools::Accelerator { accelerator, checker, job: Some(Job::Decode(_)) } => {
                checked::decode(*accelerator, checker, header, blocks)
            }
            Tools::Accelerator { job, .. } => Err(other(*job, "decoding")),
        }
    }
}

/// A [`Worker`] on the CPU, which can be sent between threads.
pub struct CpuWorker {
    pub(super) tools: CpuTools,
    pub(super) job: Option<Job>,
    pub(super) context: usize,
    /// Those that may run the model of a text.
    pub(super) threads: usize,
}

pub(super) enum CpuTools {
    Nothing,
    /// A model, asked for every byte; arithmetic coding knows all of them ahead.
    Alone {
        model: CodingModel,
        session: Box<Session>,
        /// Of the tables of the adaptive layer.
        memory: Vec<u32>,
    },
    Lockstep(Lockstep),
    Lexicon(Lexicon),
}

impl CpuWorker {
    /// One that does a job for one text after the other, where there is too little text for any other way.
    ///
    /// # Errors
    /// As [`CpuPlan::new`].
    pub fn new(model: &CodingModel, context: usize, job: Job) -> Result<Self, CodingError> {
        CpuPlan::new(model, context, job, 1, 1, |_| Ok::<_, CodingError>(false))?.worker()
    }

    /// As [`Worker::range_encode`].
    ///
    /// # Errors
    /// The job is another one.
    pub fn range_encode(&mut self, texts: &[&[u8]]) -> Result<Vec<Vec<u8>>, CodingError> {
        match (&mut self.tools, self.job) {
            (CpuTools::Alone { model, .. }, Some(Job::RangeEncode)) => {
                texts.iter().map(|text| range_encode(model, self.context, self.threads, text)).collect()
            }
            (_, job) => Err(other(job, "arithmetic coding")),
        }
    }

    /// As [`Worker::mix`].
    ///
    /// # Errors
    /// The job is another one.
    pub fn mix(&mut self, texts: &[&[u8]]) -> Result<Vec<Coded>, CodingError> {
        let (context, threads) = (self.context, self.threads);
        let (CpuTools::Alone { model, memory, .. }, Some(Job::Mix(class))) = (&mut self.tools, self.job) else {
            return Err(other(self.job, "the adaptive layer"));
        };
        let mut code = |text: &&[u8]| match model {
            CodingModel::Model(model) => mixed::encode(model, context, threads, class, memory, text),
            _ => Ok(Coded { kind: BlockKind::Coded, code: mixed::tables(class, memory, text)? }),
        };
        texts.iter().map(&mut code).collect()
    }

    /// As [`Worker::cut`].
    ///
    /// # Errors
    /// The job is another one.
    pub fn cut(&mut self, wanted: usize, texts: &[&[u8]]) -> Result<Vec<Segments>, CodingError> {
        let Some(Job::Cut(segmentation)) = self.job else { return Err(other(self.job, "windows")) };
        let window = (segmentation.bits, segmentation.encoding);
        match &mut self.tools {
            CpuTools::Alone { session, .. } => {
                Ok(texts.iter().map(|text| segmentation.cut(session.as_mut(), wanted, text)).collect())
            }
            CpuTools::Lockstep(lanes) => {
                Ok(lockstep::encode_windows(lanes, window, segmentation.context, wanted, texts))
            }
            CpuTools::Lexicon(lexicon) => {
                let cutter = |text| Cutter::new(window, segmentation.context, wanted, text);
                Ok(texts.iter().map(|text| cutter(text).cut_by(lexicon.view())).collect())
            }
            CpuTools::Nothing => Err(other(self.job, "windows")),
        }
    }

    /// As [`Worker::decode_blocks`].
    ///
    /// # Errors
    /// The job is another one.
    pub fn decode_blocks(
        &mut self,
        header: &Header,
        blocks: &[(&BlockHeader, &[u8])],
    ) -> Result<Vec<Result<Vec<u8>, DecodeError>>, CodingError> {
        let Some(Job::Decode(_)) = self.job else { return Err(other(self.job, "decoding")) };
        match &mut self.tools {
            CpuTools::Alone { session, memory, .. } => {
                memory.resize(header.method.class().map_or(0, Class::words), 0);
                let decode = |block: &BlockHeader, payload: &[u8], text: &mut [u8]| {
                    let mut coder = WithTables::new(session.as_mut(), HostTables::Memory(memory));
                    container::decode_block(&mut coder, header, block, payload, text)
                };
                Ok(each(blocks, decode))
            }
            CpuTools::Lexicon(lexicon) => {
                Ok(each(blocks, |block, payload, text| lexicon.view().decode_block(block, payload, text)))
            }
            CpuTools::Lockstep(lanes) => Ok(lockstep::decode(lanes, header, blocks)),
            CpuTools::Nothing => Err(other(self.job, "decoding")),
        }
    }

    /// The text of one window of a stream.
    ///
    /// # Errors
    /// The job is not to decode windows, or to decode many blocks at once.
    pub fn decode_window(&mut self, value: u128) -> Result<Vec<u8>, CodingError> {
        match (&mut self.tools, self.job) {
            (CpuTools::Alone { session, .. }, Some(Job::Decode(Method::EqualInfo { bits, code }))) => {
                let mut text = Vec::new();
                // Windows of the code that has no decoder are in no stream.
                let _ =
                    equalinfo_codec::decode_window(session.as_mut(), bits, code, self.context, value, |b| text.push(b));
                Ok(text)
            }
            (CpuTools::Lexicon(lexicon), Some(Job::Decode(_))) => Ok(lexicon.view().text(value as u16).collect()),
            (_, job) => Err(other(job, "single windows")),
        }
    }
}

fn other(job: Option<Job>, asked: &'static str) -> CodingError {
    let planned = job.map_or_else(|| "no model".to_owned(), |job| job.to_string());
    CodingError::OtherJob { planned, asked }
}

/// The texts of blocks, each decoded on its own.
fn each(
    blocks: &[(&BlockHeader, &[u8])],
    mut decode: impl FnMut(&BlockHeader, &[u8], &mut [u8]) -> Result<(), DecodeError>,
) -> Vec<Result<Vec<u8>, DecodeError>> {
    let text_of = |&(block, payload): &(&BlockHeader, &[u8])| {
        let mut text = vec![0; block.text_length as usize];
        decode(block, payload, &mut text).map(|()| text)
    };
    blocks.iter().map(text_of).collect()
}

/// The range coder's code of a text, faster than a session makes it: the whole text is known ahead, and may be read by
/// several threads.
fn range_encode(model: &CodingModel, context: usize, threads: usize, text: &[u8]) -> Result<Vec<u8>, CodingError> {
    // More than any frequencies can ask for: a byte costs at most 15 bits.
    let mut code = vec![0; 2 * text.len() + 16];
    let mut encoder = RangeEncoder::new(&mut code);
    match model {
        CodingModel::Model(model) => {
            let visit = |position: usize, frequencies: &equalinfo_codec::Frequencies| {
                encoder.encode(frequencies, text[position])
            };
            model.engine().trace_on(threads, text, context, visit)?;
        }
        CodingModel::Frequencies(counts) => text.iter().for_each(|&byte| encoder.encode(counts.frequencies(), byte)),
        CodingModel::Lexicon(_) => {
            return Err(CodingError::OnlyWindows { asked: Job::RangeEncode.to_string() });
        }
        CodingModel::None => return Err(CodingError::NoModel { asked: Job::RangeEncode.to_string() }),
    }
    let length = encoder.finish().ok_or(CodingError::CodeLength { found: text.len() })?;
    code.truncate(length);
    Ok(code)
}

/// A code string of the range coder with as many zeros at its end as the format of streams asks for.
pub(crate) fn padded(text: usize, mut code: Vec<u8>) -> Vec<u8> {
    code.resize(code.len().max(least_payload(Method::Ac, text as u32) as usize), 0);
    code
}

/// Bytes of text for a byte of windows, of nearly all texts at most.
const LIKELY_RATIO: usize = 6;

/// The windows of each text by an accelerator, which takes whole texts: so it gets no more of them than most need.
fn encode_beginnings(
    accelerator: &dyn Accelerator,
    bits: WindowBits,
    wanted: usize,
    texts: &[&[u8]],
) -> Result<Vec<Segments>, CodingError> {
    // Windows of the beginning are those of the whole, but for the last of them.
    let begins: Vec<&[u8]> =
        texts.iter().map(|text| &text[..text.len().min(wanted.saturating_mul(LIKELY_RATIO))]).collect();
    let mut all = accelerator.encode_windows(bits, &begins)?;
    let too_short = |index: usize, windows: &Segments| {
        begins[index].len() < texts[index].len() && windows.code.len() < wanted + bits.bytes()
    };
    let again: Vec<usize> = (0..all.len()).filter(|&index| too_short(index, &all[index])).collect();
    let whole: Vec<&[u8]> = again.iter().map(|&index| texts[index]).collect();
    for (index, windows) in again.into_iter().zip(accelerator.encode_windows(bits, &whole)?) {
        all[index] = windows;
    }
    Ok(all)
}
