//! Options that several commands share, under the same names everywhere.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::thread;

use anyhow::{Context, Result};
use clap::builder::{NonEmptyStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, ValueEnum};
use equalinfo_codec::mix::Class;
use equalinfo_codec::{WindowBits, WindowCode};

use super::messages::counted;
pub use super::mistake::refuse;
use super::spool;
pub use super::values::*;
use crate::{mistake, must, say};
use equalinfo::accelerator::Accelerator;
use equalinfo::corpus::{Corpus, CorpusOptions, Shard};
use equalinfo::cuda::{self, DeviceChoice};
use equalinfo::windows::Encoding;
use equalinfo::{ByteFrequencies, CodingModel, DEFAULT_MODEL, Decompressor, Level, Lexicon, Model, Subwords, store};

/// How text becomes bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// Arithmetic coding with byte frequencies that never change
    StaticAc,
    /// Arithmetic coding with M1: the best ratio
    Ac,
    /// Equal-Info windows: blocks of exactly b bits that decode alone
    EqualInfo,
}

/// How the blocks of a stream are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Coding {
    /// M1 mixed with tables that learn from the text: the best ratio
    Mix,
    /// The tables alone: fast, and without a model
    Tables,
    /// Arithmetic coding with M1 alone
    Ac,
    /// Arithmetic coding with byte frequencies that never change
    StaticAc,
    /// Equal-Info windows: blocks of exactly b bits that decode alone
    EqualInfo,
}

/// Memory of the tables that learn from a text.
const CLASSES: [Choice<Class>; 6] = [
    ("4k", "4 KiB", Class::Kib4),
    ("16k", "16 KiB, for microcontrollers", Class::Kib16),
    ("64k", "64 KiB", Class::Kib64),
    ("256k", "256 KiB", Class::Kib256),
    ("1m", "1 MiB", Class::Mib1),
    ("16m", "16 MiB, for computers", Class::Mib16),
];

/// How much time compression may take: `-1` to `-9`, of which the last one counts.
#[derive(Debug, Clone, Default)]
pub struct LevelArguments {
    /// The level that was asked for.
    pub given: Option<Level>,
}

impl LevelArguments {
    const NAMES: [&str; 9] =
        ["level 1", "level 2", "level 3", "level 4", "level 5", "level 6", "level 7", "level 8", "level 9"];

    /// What help says of a level; nothing of those between.
    fn help(name: &str) -> Option<&'static str> {
        match name {
            "level 1" => Some("Fastest: small tables that learn from the text, and no model"),
            "level 6" => Some("Default: a model and large tables; -2 to -5 and -7 lie between, -8 is -9"),
            "level 9" => Some("Smallest: the largest model and the largest blocks"),
            _ => None,
        }
    }
}

impl Args for LevelArguments {
    fn augment_args(command: clap::Command) -> clap::Command {
        Self::NAMES.iter().fold(command, |command, &name| {
            let help = Self::help(name);
            let arg = Arg::new(name).action(ArgAction::SetTrue).overrides_with_all(Self::NAMES);
            command.arg(arg.short(name.chars().last()).hide(help.is_none()).help(help))
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LevelArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let number = (1..).zip(Self::NAMES).find(|(_, name)| matches.get_flag(name));
        Ok(Self { given: number.and_then(|(number, _)| Level::new(number)) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Tables of another size than the level's.
#[derive(Debug, Clone, Args)]
pub struct ClassArguments {
    /// Memory of the tables that learn from the text, for the encoder and the decoder of a block each (default: by
    /// level)
    #[arg(long, value_name = "SIZE", value_parser = choice(&CLASSES))]
    pub class: Option<Class>,
}

/// The parser of a model's name or path; the names are what completion offers.
pub fn model_name() -> impl TypedValueParser<Value = String> {
    #[derive(Clone)]
    struct ModelName;
    impl TypedValueParser for ModelName {
        type Value = String;

        fn parse_ref(
            &self,
            command: &clap::Command,
            arg: Option<&clap::Arg>,
            value: &OsStr,
        ) -> Result<String, clap::Error> {
            NonEmptyStringValueParser::new().parse_ref(command, arg, value)
        }

        fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
            Some(Box::new(Model::shipped_names().map(PossibleValue::new)))
        }
    }
    ModelName
}

/// A value of an option: its name, a line of help, and what it stands for.
pub type Choice<T> = (&'static str, &'static str, T);

/// The parser of an option that takes one of several values.
pub fn choice<T: Copy + Send + Sync>(choices: &'static [Choice<T>]) -> impl TypedValueParser<Value = T> {
    let values = choices.iter().map(|(name, help, _)| PossibleValue::new(*name).help(*help));
    PossibleValuesParser::new(values).try_map(move |found| {
        let chosen = choices.iter().find(|(name, ..)| *name == found);
        chosen.map(|(_, _, value)| *value).ok_or("no such value")
    })
}

/// Where models run.
pub const DEVICES: [Choice<DeviceChoice>; 3] = [
    ("auto", "The best that this machine has", DeviceChoice::Auto),
    ("cpu", "The CPU", DeviceChoice::Cpu),
    ("cuda", "An NVIDIA GPU; an error where none can be used", DeviceChoice::Cuda),
];

/// Which variant of the window code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Code {
    /// The bijective code, as much in each window as fits: every code is a text, every text has one code
    Default,
    /// The published greedy code; encode only, not injective
    Paper,
    /// The published lossless variant
    Delay,
    /// The default code in up to 3% fewer windows, each closed where the next one reaches furthest; takes 1.5 to 3
    /// times as long to encode, but for long texts in windows of 16 bits
    Flexible,
}

impl Code {
    /// The code of windows when none is named: the flexible one, which the CPU alone has.
    pub fn on(device: DeviceChoice) -> Self {
        if device == DeviceChoice::Cuda { Self::Default } else { Self::Flexible }
    }
}

impl From<Code> for Encoding {
    fn from(code: Code) -> Self {
        match code {
            Code::Default => Self::Greedy(WindowCode::Default),
            Code::Paper => Self::Greedy(WindowCode::Paper),
            Code::Delay => Self::Greedy(WindowCode::Delay),
            Code::Flexible => Self::Flexible,
        }
    }
}

/// The model and where it runs.
#[derive(Debug, Clone, Args)]
pub struct ModelArguments {
    /// M1: a shipped model (pico, nano, micro, 3m) or the path of an .m1q file
    #[arg(long, value_name = "NAME|PATH", value_parser = model_name(), hide_possible_values = true)]
    pub model: Option<String>,

    /// Where M1 runs; the bits are the same everywhere. auto is the CPU; a GPU pays with many megabytes, for compress,
    /// decompress and tokenize
    #[arg(long, value_name = "DEVICE", value_parser = choice(&DEVICES), default_value = "auto")]
    pub device: DeviceChoice,
}

impl ModelArguments {
    /// Loads M1, the default one if none is named.
    ///
    /// # Errors
    /// The model cannot be found or read.
    pub fn load_m1(&self) -> Result<Model> {
        store::named(self.model.as_deref().unwrap_or(DEFAULT_MODEL)).context("--model")
    }

    /// The file that is read as the model, if one is named.
    pub fn path(&self) -> Option<&Path> {
        self.model.as_deref().map(Path::new).filter(|path| path.is_file())
    }

    /// The GPU that runs a model, if one was asked for.
    ///
    /// # Errors
    /// The GPU cannot be used, or the model is none that runs there.
    pub fn gpu(&self, model: &CodingModel, context: usize) -> Result<Option<Box<dyn Accelerator>>> {
        if self.device != DeviceChoice::Cuda {
            return Ok(None);
        }
        let CodingModel::Model(model) = model else {
            mistake!("--device cuda runs an M1; lexicons and byte frequencies need none");
        };
        let place = cuda::choose(self.device, 0).context("--device cuda: a GPU was asked for")?;
        cuda::open(place, model, context).context("--device cuda")
    }

    /// Refuses a GPU, for what runs on the CPU alone.
    ///
    /// # Errors
    /// A GPU was asked for.
    pub fn only_cpu(&self) -> Result<()> {
        must!(
            self.device != DeviceChoice::Cuda,
            "--device cuda: this runs on the CPU; compress, decompress and tokenize run on GPUs"
        );
        Ok(())
    }

    /// Loads the byte frequencies of method `static-ac`: those of English text, unless a file is named.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn load_counts(&self) -> Result<ByteFrequencies> {
        let counts = self.model.as_deref().map(ByteFrequencies::open).transpose().context("--model")?;
        Ok(counts.unwrap_or_else(ByteFrequencies::english))
    }
}

/// A lexicon in the place of the model.
#[derive(Debug, Clone, Args)]
pub struct LexiconArguments {
    /// Code windows of 16 bits with a lexicon that 'lexicon build' wrote, instead of a model
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub lexicon: Option<PathBuf>,
}

/// A vocabulary of subwords in the place of M1.
#[derive(Debug, Clone, Args)]
pub struct SubwordArguments {
    /// Subwords of method unigram: a tokenizer.json, such as 'train unigram' writes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "lexicon"])]
    pub tokenizer: Option<PathBuf>,
}

impl SubwordArguments {
    /// The subwords, if a file is named.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn load(&self) -> Result<Option<Subwords>> {
        self.tokenizer.as_deref().map(Subwords::open).transpose().context("--tokenizer")
    }
}

impl LexiconArguments {
    /// The lexicon, if one is named.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn load(&self) -> Result<Option<Lexicon>> {
        self.lexicon.as_deref().map(Lexicon::open).transpose().context("--lexicon")
    }

    /// The lexicon or the model that is named, if one is.
    ///
    /// # Errors
    /// It cannot be found or read.
    pub fn load_or_named(&self, model: &ModelArguments) -> Result<Option<CodingModel>> {
        match self.load()? {
            None if model.model.is_some() => Ok(Some(model.load_m1()?.into())),
            lexicon => Ok(lexicon.map(CodingModel::from)),
        }
    }
}

/// The context to use: what the user asked for, else the model's whole context, `largest`.
///
/// # Errors
/// More than the model has, or nothing.
pub fn context(asked: Option<usize>, largest: usize) -> Result<usize> {
    match asked {
        Some(asked) if (1..=largest).contains(&asked) => Ok(asked),
        Some(asked) => {
            mistake!("--context {asked}: expected 1 to {largest}, the context that the model was trained with")
        }
        None => Ok(largest),
    }
}

/// The number of threads.
#[derive(Debug, Clone, Args)]
pub struct ThreadArguments {
    /// Threads, at most 256; 0 is one per core, the default. The output does not depend on it
    #[arg(short = 'T', long, value_name = "N", value_parser = threads)]
    threads: Option<u64>,
}

/// The parser of a number of threads.
fn threads(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("expected a number of threads, or 0 for one per core; found '{text}'"))
}

/// Threads beyond which a machine has no use for more.
const MOST_THREADS: usize = 256;

impl ThreadArguments {
    /// What the user asked for, if anything.
    pub fn given(&self) -> Option<usize> {
        self.threads.map(|_| self.count())
    }

    /// What the user asked for, else the number of cores.
    pub fn count(&self) -> usize {
        let asked = self.threads.filter(|&threads| threads > 0);
        let threads = asked.map(|threads| usize::try_from(threads).unwrap_or(MOST_THREADS));
        startable(threads.unwrap_or_else(cores).clamp(1, MOST_THREADS))
    }
}

/// Threads that this machine runs at once.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Threads of a command that has no option for them: one per core, as far as the system gives them.
pub fn all_threads() -> usize {
    startable(cores().min(MOST_THREADS))
}

/// Threads that are left over where a limit was met, for what else needs one.
const SPARE_THREADS: usize = 2;

/// How many of so many threads the system gives (`ulimit -u`, a container's limit), at least one.
fn startable(threads: usize) -> usize {
    let (hold, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    thread::scope(|scope| {
        // All at once: each waits until `hold` is dropped.
        let started = (1..threads).take_while(|_| {
            let start = || drop(wait.lock().map(|wait| wait.recv()));
            thread::Builder::new().spawn_scoped(scope, start).is_ok()
        });
        let started = started.count() + 1;
        drop(hold);
        if started == threads { threads } else { started.saturating_sub(SPARE_THREADS).max(1) }
    })
}

/// What a stream may take, for streams of strangers.
#[derive(Debug, Clone, Args)]
pub struct LimitArguments {
    /// Stop with an error before the text of an input exceeds this (suffixes K, M, G)
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub max_output: Option<u64>,

    /// Memory for blocks and tables (suffixes K, M, G): fewer threads where all would take more, and an error where one
    /// block does
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub memory: Option<u64>,
}

impl LimitArguments {
    /// A decompressor that keeps to them.
    pub fn limit<'a>(&self, decompressor: Decompressor<'a>) -> Decompressor<'a> {
        let decompressor = self.max_output.into_iter().fold(decompressor, Decompressor::max_output);
        self.memory.into_iter().fold(decompressor, Decompressor::max_memory)
    }

    /// Whether any is set.
    pub fn is_set(&self) -> bool {
        self.max_output.is_some() || self.memory.is_some()
    }
}

/// How much is said on stderr.
#[derive(Debug, Clone, Args)]
pub struct VerbosityArguments {
    /// Print errors only
    #[arg(short, long, overrides_with = "verbose")]
    pub quiet: bool,

    /// Print more
    #[arg(short, long, overrides_with = "quiet")]
    pub verbose: bool,
}

/// How a corpus is read.
#[derive(Debug, Clone, Args)]
pub struct CorpusArguments {
    /// Field of a .jsonl object, or column of a .parquet file, that holds the text; meta.text lies in the field meta
    #[arg(long, value_name = "NAME", default_value = "text")]
    pub text_field: String,

    /// Take every line of a plain text as a document of its own
    #[arg(long)]
    pub lines: bool,

    /// Read part i of n of the corpus (0 <= i < n)
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,

    /// Stop after this many bytes of text (suffixes K, M, G)
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub limit: Option<u64>,

    /// Leave out up to N documents that cannot be read: lines of a .jsonl file that are cut, have no text or half a
    /// character in it, rows of a .parquet file without a value
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip_bad: u64,
}

impl CorpusArguments {
    /// The corpus of these files, directories and patterns, if any are named.
    ///
    /// # Errors
    /// Those of [`Corpus::new`].
    pub fn optional<S: AsRef<str>>(&self, inputs: &[S]) -> Result<Option<Corpus>> {
        (!inputs.is_empty()).then(|| self.corpus(inputs)).transpose()
    }

    /// The corpus of these files, directories and patterns.
    ///
    /// # Errors
    /// Those of [`Corpus::new`].
    pub fn corpus<S: AsRef<str>>(&self, inputs: &[S]) -> Result<Corpus> {
        open_corpus(inputs, self.options())
    }

    /// How documents are taken from files.
    pub fn options(&self) -> CorpusOptions {
        CorpusOptions {
            text_field: self.text_field.clone(),
            lines: self.lines,
            shard: self.shard,
            limit: self.limit,
            skip_bad: self.skip_bad,
        }
    }
}

/// Says how many documents of a corpus that was read were left out, if any.
pub fn say_skipped(corpus: &Corpus) {
    let skipped = corpus.skipped();
    if skipped > 0 {
        say!("--skip-bad: left out {}, which cannot be read", counted(skipped, "document"));
    }
}

/// The corpus of these files, directories and patterns; `-` is plain text from stdin.
///
/// # Errors
/// Those of [`Corpus::new`], or stdin cannot be read.
pub fn open_corpus<S: AsRef<str>>(inputs: &[S], options: CorpusOptions) -> Result<Corpus> {
    let path = |input: &S| match input.as_ref() {
        "-" => spool::stdin().map(|path| path.to_string_lossy().into_owned()),
        name => Ok(name.to_owned()),
    };
    let inputs = inputs.iter().map(path).collect::<Result<Vec<_>>>()?;
    Ok(Corpus::new(&inputs, options)?)
}

/// Refuses a width that a lexicon does not have.
///
/// # Errors
/// Any but 16.
pub fn only_16_bits(bits: Option<WindowBits>) -> Result<()> {
    match bits {
        Some(bits) if bits != WindowBits::B16 => {
            mistake!("--window-bits {}: the windows of a lexicon have 16 bits", bits.bits())
        }
        _ => Ok(()),
    }
}

/// Whether the environment allows colours on a terminal.
pub fn terminal_has_colors() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    !is_dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
