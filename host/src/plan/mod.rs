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
mod worker;

use equalinfo_codec::container::Method;
use equalinfo_codec::mix::Class;
use equalinfo_codec::{WindowBits, WindowCode};

use crate::accelerator::Accelerator;
use crate::coding::{CodingError, CodingModel};
use crate::engine::Engine;
use crate::lexicon::Lexicon;
use crate::ordered::{batched, grouped, ordered};
use crate::windows::{Align, Encoding, Reset, Segmentation};
use lockstep::LANES;
pub(crate) use worker::padded;
use worker::{CpuTools, Tools};
pub use worker::{CpuWorker, Worker};

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
