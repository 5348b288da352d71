//! [`Plan`]: how texts are computed, chosen in one place for streams, tokens and measurements alike.
//!
//! Invariant: a plan changes the time that a result takes, never a bit of it.
//!
//! | coded with | job | on threads | on an accelerator |
//! |---|---|---|---|
//! | M1 | arithmetic coding | each text alone: all its positions are known; several threads, if there are few | yes |
//! | M1 | the adaptive layer | so too: all that the model is shown is known | no |
//! | M1 | windows that start anew | several texts in lockstep, or by a lexicon (below) | the default code |
//! | M1 | windows that follow from each other | each text alone | no |
//! | M1 | decoding blocks | several blocks in lockstep, or by a lexicon | what it encodes |
//! | nothing | tables of the adaptive layer | each text alone | no |
//! | byte frequencies | any | each text alone | no |
//! | lexicon | windows of 16 bits | each text alone | no |
//!
//! Where there is much text in windows of 16 bits, the model's lexicon is built first, which then makes the same windows
//! in a fraction of the time.

mod checked;
pub(crate) mod lockstep;
pub(crate) mod mixed;
pub(crate) mod noise;

use equalinfo_codec::container::DecodeError;
use equalinfo_codec::container::{self, BlockHeader, BlockKind, Header, Method, least_payload};
use equalinfo_codec::mix::{Class, WithTables};
use equalinfo_codec::{RangeEncoder, WindowBits, WindowCode};

use crate::accelerator::Accelerator;
use crate::coding::{CodingError, CodingModel, Session};
use crate::engine::{Engine, Lockstep};
use crate::lexicon::Lexicon;
use crate::ordered::{batched, grouped, ordered};
use crate::windows::{Align, Cutter, Encoding, Reset, Segmentation, Segments};
use lockstep::LANES;
use mixed::{Coded, HostTables};

/// Where texts are computed.
#[derive(Clone, Copy)]
pub enum Workers<'a> {
    /// This many threads.
    Threads(usize),
    /// A GPU, with as many texts at once as keep it busy.
    Accelerator(&'a dyn Accelerator),
}

/// What is computed of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// The range coder's codes.
    RangeEncode,
    /// Codes of the adaptive layer, with tables of this class.
    Mix(Class),
    /// Windows.
    Cut(Segmentation),
    /// The texts of the blocks of a stream of this method.
    Decode(Method),
}

impl Job {
    /// Whether accelerators have it.
    pub fn is_accelerated(self) -> bool {
        match self {
            Self::RangeEncode | Self::Decode(Method::Ac) => true,
            Self::Mix(_) => false,
            Self::Cut(segmentation) => {
                segmentation.encoding == Encoding::Greedy(WindowCode::Default) && segmentation.starts_anew()
            }
            Self::Decode(method) => matches!(method, Method::EqualInfo { code: WindowCode::Default, .. }),
        }
    }

    /// Bytes of text from which on the model's lexicon pays; `None`: it has none for this.
    fn lexicon_pays_from(self) -> Option<usize> {
        match self {
            Self::Cut(segmentation) if segmentation.starts_anew() => {
                segmentation.encoding.lexicon_pays_from(segmentation.bits)
            }
            Self::Decode(Method::EqualInfo { bits, code }) => Encoding::Greedy(code).lexicon_pays_from(bits),
            _ => None,
        }
    }

    /// Whether a lexicon has it.
    fn is_of_lexicons(self) -> bool {
        match self {
            Self::RangeEncode | Self::Mix(_) => false,
            Self::Cut(segmentation) => {
                segmentation.bits == WindowBits::B16
                    && segmentation.encoding.code() == WindowCode::Default
                    && segmentation.starts_anew()
            }
            Self::Decode(method) => method == equalinfo_codec::lexicon::payload::METHOD,
        }
    }
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RangeEncode => write!(f, "arithmetic coding"),
            Self::Mix(class) => write!(f, "the adaptive layer with tables of {class}"),
            Self::Cut(Segmentation { bits, encoding, reset, align, .. }) => {
                write!(f, "windows of {} bits in code {}", bits.bits(), encoding.name())?;
                match reset {
                    Reset::Every => {}
                    Reset::EveryOther => write!(f, ", every other of which starts anew")?,
                    Reset::Never => write!(f, ", none of which starts anew")?,
                }
                if *align == Align::Word { write!(f, ", aligned to words") } else { Ok(()) }
            }
            Self::Decode(Method::Stored) => write!(f, "copying"),
            Self::Decode(Method::Mix(class) | Method::Tables(class)) => {
                write!(f, "decoding by the adaptive layer with tables of {class}")
            }
            Self::Decode(Method::Ac) => write!(f, "decoding arithmetic codes"),
            Self::Decode(Method::StaticAc) => write!(f, "decoding arithmetic codes of byte frequencies"),
            Self::Decode(Method::EqualInfo { bits, code }) => {
                write!(f, "decoding windows of {} bits in code {}", bits.bits(), Encoding::Greedy(*code).name())
            }
            Self::Decode(_) => write!(f, "decoding"),
        }
    }
}

/// How many texts a thread gets at once where it runs them in lockstep.
pub const TOGETHER: usize = LANES;

/// How a job is done.
///
/// ```
/// use equalinfo::plan::{Job, Plan, Workers};
/// use equalinfo::windows::{Encoding, Segmentation};
/// use equalinfo::{CodingError, CodingModel, Model, WindowBits, WindowCode};
///
/// let model = CodingModel::from(Model::shipped("nano")?);
/// let windows = Segmentation::new(WindowBits::B32, Encoding::Greedy(WindowCode::Default), 128);
/// let plan = Plan::new(&model, 128, Job::Cut(windows), Workers::Threads(2), 16, |_| Ok::<_, CodingError>(false))?;
/// let texts = ["It was the best of times,", "it was the worst of times,"].map(Ok);
/// let mut bytes = 0;
/// plan.run(
///     texts.into_iter(),
///     |text| text.len(),
///     |worker, texts| worker.cut(usize::MAX, &texts.iter().map(|text| text.as_bytes()).collect::<Vec<_>>()),
///     |windows| {
///         bytes += windows.code.len();
///         Ok::<_, CodingError>(())
///     },
/// )?;
/// assert!(bytes < 40);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Plan<'a>(Way<'a>);

enum Way<'a> {
    Cpu(CpuPlan),
    Accelerator { accelerator: &'a dyn Accelerator, model: CodingModel, job: Job, context: usize },
}

impl<'a> Plan<'a> {
    /// Chooses. `context` is what the model sees in bytes, and `together` how many texts a thread may be given at once.
    /// `is_long` says whether there is as much text as this, in bytes, and is asked only where it matters.
    ///
    /// # Errors
    /// The workers or the lexicon do not have this job, the context is not the model's, or those of `is_long`.
    pub fn new<E: From<CodingError>>(
        model: &CodingModel,
        context: usize,
        job: Job,
        workers: Workers<'a>,
        together: usize,
        is_long: impl FnOnce(usize) -> Result<bool, E>,
    ) -> Result<Self, E> {
        let asked = match (workers, model) {
            (Workers::Threads(threads), _) => {
                return Ok(Self(Way::Cpu(CpuPlan::new(model, context, job, threads, together, is_long)?)));
            }
            (Workers::Accelerator(accelerator), CodingModel::Model(_)) if job.is_accelerated() => {
                return Ok(Self(Way::Accelerator { accelerator, model: model.clone(), job, context }));
            }
            (Workers::Accelerator(_), CodingModel::Model(_)) => job.to_string(),
            (Workers::Accelerator(_), other) => format!("{job} with '{}'", other.name()),
        };
        Err(CodingError::NotAccelerated { asked }.into())
    }

    /// Threads for what asks no model: a text alone on each.
    pub fn without_model(threads: usize) -> Self {
        Self(Way::Cpu(CpuPlan { means: Means::Nothing, threads, within: 1, together: 1, job: None, context: 0 }))
    }

    /// Up to how many texts can have two threads or more each; 0 where a text is one thread's.
    pub fn shared(&self) -> usize {
        match &self.0 {
            Way::Cpu(CpuPlan {
                means: Means::Alone(CodingModel::Model(_)),
                job: Some(Job::RangeEncode | Job::Mix(_)),
                threads,
                ..
            }) => threads / 2,
            _ => 0,
        }
    }

    /// The same for this many texts: if each can have several threads, they run its model ahead of the one that codes.
    pub fn of_texts(mut self, texts: usize) -> Self {
        if (1..=self.shared()).contains(&texts)
            && let Way::Cpu(plan) = &mut self.0
        {
            (plan.within, plan.threads) = (plan.threads / texts, texts);
        }
        self
    }

    /// Applies `work` to groups of items, of `size` bytes each, and hands the results to `consume` in the order of the
    /// items.
    ///
    /// The first error, of any of them, ends everything and is returned; on threads, what came before an error of
    /// `items` is consumed.
    ///
    /// # Errors
    /// Those of `items`, `work` and `consume`, and of the workers.
    pub fn run<T, R, E>(
        &self,
        items: impl Iterator<Item = Result<T, E>>,
        size: impl Fn(&T) -> usize,
        work: impl Fn(&mut Worker, Vec<T>) -> Result<Vec<R>, E> + Sync,
        mut consume: impl FnMut(R) -> Result<(), E>,
    ) -> Result<(), E>
    where
        T: Send,
        R: Send,
        E: From<CodingError> + Send,
    {
        match &self.0 {
            Way::Cpu(plan) => {
                let worker = || Ok(Worker(Tools::Cpu(plan.worker()?)));
                let consume = |all: Result<Vec<R>, E>| all?.into_iter().try_for_each(&mut consume);
                if plan.together == 1 {
                    ordered(plan.threads, items.map(|item| item.map(|item| vec![item])), worker, work, consume)
                } else {
                    ordered(plan.threads, grouped(plan.threads, plan.together, items), worker, work, consume)
                }
            }
            Way::Accelerator { accelerator, .. } => {
                let mut worker = self.worker()?;
                batched(accelerator.texts(), items, size, |some| work(&mut worker, some), consume)
            }
        }
    }

    /// One worker, for who has threads of his own or few texts.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn worker(&self) -> Result<Worker<'a>, CodingError> {
        match &self.0 {
            Way::Cpu(plan) => Ok(Worker(Tools::Cpu(plan.worker()?))),
            Way::Accelerator { accelerator, model, job, context } => {
                let checker = Box::new(model.session(*context)?);
                Ok(Worker(Tools::Accelerator { accelerator: *accelerator, checker, job: Some(*job) }))
            }
        }
    }
}

/// A [`Plan`] for the CPU, which threads can share.
#[derive(Clone)]
pub struct CpuPlan {
    means: Means,
    threads: usize,
    /// Threads that run the model of a text, where there are several.
    within: usize,
    together: usize,
    /// `None`: no model is asked.
    job: Option<Job>,
    context: usize,
}

/// What a thread works with.
#[derive(Clone)]
enum Means {
    Nothing,
    Alone(CodingModel),
    Lockstep(Engine),
    Lexicon(Lexicon),
}

impl CpuPlan {
    /// As [`Plan::new`], for this many threads.
    ///
    /// # Errors
    /// A lexicon does not have this job, the context is not the model's, or those of `is_long`.
    pub fn new<E: From<CodingError>>(
        model: &CodingModel,
        context: usize,
        job: Job,
        threads: usize,
        together: usize,
        is_long: impl FnOnce(usize) -> Result<bool, E>,
    ) -> Result<Self, E> {
        let threads = threads.max(1);
        let means = match model {
            CodingModel::Lexicon(lexicon) if job.is_of_lexicons() => Means::Lexicon(lexicon.clone()),
            CodingModel::Lexicon(_) => return Err(CodingError::OnlyWindows { asked: job.to_string() }.into()),
            CodingModel::Frequencies(_) => Means::Alone(model.clone()),
            CodingModel::None => match job {
                Job::Mix(_) | Job::Decode(Method::Stored | Method::Tables(_)) => Means::Alone(model.clone()),
                _ => return Err(CodingError::NoModel { asked: job.to_string() }.into()),
            },
            CodingModel::Model(m1) => match job.lexicon_pays_from() {
                Some(bytes) if is_long(bytes)? => {
                    Means::Lexicon(m1.lexicon(context, threads).map_err(CodingError::from)?)
                }
                _ => match job {
                    Job::RangeEncode | Job::Mix(_) | Job::Decode(Method::Mix(_)) => Means::Alone(model.clone()),
                    Job::Cut(segmentation) if !segmentation.starts_anew() => Means::Alone(model.clone()),
                    _ if together <= 1 => Means::Alone(model.clone()),
                    _ => Means::Lockstep(m1.engine().clone()),
                },
            },
        };
        let together = if matches!(means, Means::Lockstep(_)) { together } else { 1 };
        Ok(Self { means, threads, within: 1, together, job: Some(job), context })
    }

    /// One worker.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn worker(&self) -> Result<CpuWorker, CodingError> {
        let tools = match &self.means {
            Means::Nothing => CpuTools::Nothing,
            Means::Alone(model) => {
                let session = Box::new(model.session(self.context)?);
                CpuTools::Alone { session, model: model.clone(), memory: Vec::new() }
            }
            Means::Lockstep(engine) => CpuTools::Lockstep(engine.lockstep(LANES, self.context)?),
            Means::Lexicon(lexicon) => CpuTools::Lexicon(lexicon.clone()),
        };
        Ok(CpuWorker { tools, job: self.job, context: self.context, threads: self.within })
    }
}

/// What does the job of a [`Plan`] on one thread, with the memory that it takes.
pub struct Worker<'a>(Tools<'a>);

enum Tools<'a> {
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
    tools: CpuTools,
    job: Option<Job>,
    context: usize,
    /// Those that may run the model of a text.
    threads: usize,
}

enum CpuTools {
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
