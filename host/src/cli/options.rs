//! Options that several commands share, under the same names everywhere.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};
use equalinfo_codec::{WindowBits, WindowCode};

use crate::compress::windows::Encoding;
use crate::compress::{Workers, batch};
use crate::corpus::{Corpus, CorpusOptions, Shard};
use crate::cuda;
use crate::model::{LONGEST_CONTEXT, LoadedModel};

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

/// Where models run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// The best that this machine has
    Auto,
    Cpu,
    Cuda,
}

/// Which variant of the window code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Code {
    /// The bijective code, as much in each window as fits: every code is a text, every text has one code
    Default,
    /// The published greedy code; encode only, not injective
    Paper,
    /// The published lossless variant
    Delay,
    /// The default code in up to 3% fewer windows, each closed where the next one reaches furthest; takes 1.5 to 3 times as long to encode, but for long texts in windows of 16 bits
    Flexible,
}

impl Code {
    /// The code of windows when none is named: the flexible one, which the CPU alone has.
    pub fn on(device: Device) -> Self {
        if device == Device::Cuda { Self::Default } else { Self::Flexible }
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
    /// M1: a shipped model (nano, micro, 3m) or the path of an .m1q file
    #[arg(long, value_name = "NAME|PATH")]
    pub model: Option<String>,

    /// Where M1 runs; the bits are the same everywhere. auto is the CPU; a GPU pays with many megabytes, for compress, decompress and tokenize
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: Device,
}

impl ModelArguments {
    /// Loads M1, the default one if none is named.
    ///
    /// # Errors
    /// The model cannot be found or read.
    pub fn load_m1(&self) -> Result<LoadedModel> {
        LoadedModel::m1(self.model.as_deref())
    }

    /// What runs a model: the GPU if it was asked for, otherwise threads.
    ///
    /// # Errors
    /// The GPU cannot be used, or the model is none that runs there.
    pub fn workers(&self, threads: usize, model: &LoadedModel, context: usize) -> Result<Workers> {
        if self.device != Device::Cuda {
            return Ok(Workers::Threads(threads));
        }
        let batch = batch::open(cuda::choose(self.device, 0)?, model, context)?;
        Ok(batch.map_or(Workers::Threads(threads), Workers::Batch))
    }

    /// Refuses a GPU, for what runs on the CPU alone.
    ///
    /// # Errors
    /// A GPU was asked for.
    pub fn only_cpu(&self) -> Result<()> {
        ensure!(
            self.device != Device::Cuda,
            "--device cuda: this runs on the CPU; compress, decompress and tokenize run on GPUs"
        );
        Ok(())
    }

    /// Loads the byte frequencies of method `static-ac`: those of English text, unless a file is named.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn load_counts(&self) -> Result<LoadedModel> {
        self.model.as_deref().map_or_else(LoadedModel::english, |path| LoadedModel::counts(Path::new(path)))
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
    pub fn load(&self) -> Result<Option<LoadedModel>> {
        self.tokenizer.as_deref().map(LoadedModel::tokenizer).transpose()
    }
}

impl LexiconArguments {
    /// The lexicon, if one is named.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn load(&self) -> Result<Option<LoadedModel>> {
        self.lexicon.as_deref().map(LoadedModel::lexicon).transpose()
    }

    /// The lexicon or the model that is named, if one is.
    ///
    /// # Errors
    /// It cannot be found or read.
    pub fn load_or_named(&self, model: &ModelArguments) -> Result<Option<LoadedModel>> {
        match self.load()? {
            None if model.model.is_some() => model.load_m1().map(Some),
            lexicon => Ok(lexicon),
        }
    }
}

/// The context to use: what the user asked for, else the model's whole context.
///
/// # Errors
/// More than the model has, or nothing.
pub fn context(asked: Option<usize>, model: Option<&LoadedModel>) -> Result<usize> {
    let largest = model.map_or(LONGEST_CONTEXT, LoadedModel::context);
    match asked {
        Some(asked) if (1..=largest).contains(&asked) => Ok(asked),
        Some(asked) => bail!("--context {asked}: expected 1 to {largest}, the context that the model was trained with"),
        None => Ok(largest),
    }
}

/// The number of threads.
#[derive(Debug, Clone, Args)]
pub struct ThreadArguments {
    /// Threads (default: one per core); the output does not depend on it
    #[arg(short = 'T', long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl ThreadArguments {
    /// What the user asked for, else the number of cores.
    pub fn count(&self) -> usize {
        self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// How much is said on stderr.
#[derive(Debug, Clone, Args)]
pub struct VerbosityArguments {
    /// Print errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Print more
    #[arg(short, long)]
    pub verbose: bool,
}

/// How a corpus is read.
#[derive(Debug, Clone, Args)]
pub struct CorpusArguments {
    /// Field of a .jsonl object, or column of a .parquet file, that holds the text
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
}

impl CorpusArguments {
    /// The corpus of these files, directories and patterns.
    ///
    /// # Errors
    /// Those of [`Corpus::new`].
    pub fn corpus<S: AsRef<str>>(&self, inputs: &[S]) -> Result<Corpus> {
        let options = CorpusOptions {
            text_field: self.text_field.clone(),
            lines: self.lines,
            shard: self.shard,
            limit: self.limit,
        };
        Corpus::new(inputs, options)
    }
}

/// Refuses a width that a lexicon does not have.
///
/// # Errors
/// Any but 16.
pub fn only_16_bits(bits: Option<WindowBits>) -> Result<()> {
    match bits {
        Some(bits) if bits != WindowBits::B16 => {
            bail!("--window-bits {}: the windows of a lexicon have 16 bits", bits.bits())
        }
        _ => Ok(()),
    }
}

/// The width of a window.
///
/// # Errors
/// Anything but the widths of the paper.
pub fn window_bits(text: &str) -> Result<WindowBits, String> {
    let bits = text.parse().ok().and_then(WindowBits::from_bits);
    bits.filter(|bits| WindowBits::STANDARD.contains(bits))
        .ok_or_else(|| format!("expected 16, 24, 32, 64 or 128, found '{text}'"))
}

/// The width of a token.
///
/// # Errors
/// Anything but 8 and 16.
pub fn token_bits(text: &str) -> Result<u32, String> {
    match text {
        "8" => Ok(8),
        "16" => Ok(16),
        _ => Err(format!("expected 8 (256 tokens) or 16 (65,536 tokens), found '{text}'")),
    }
}

/// A number of bytes: `65536`, `64K`, `10M`, `1G` (powers of 1024).
///
/// # Errors
/// Anything else.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let scale = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(format!("expected a number of bytes such as 65536, 64K or 10M; found '{text}'")),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << scale))
        .ok_or_else(|| format!("expected a number of bytes such as 65536, 64K or 10M; found '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_suffixes() {
        assert_eq!(size("65536"), Ok(65536));
        assert_eq!(size("64K"), Ok(65536));
        assert_eq!(size("3MiB"), Ok(3 << 20));
        for wrong in ["", "K", "1.5M", "12Q", "99999999999G", "-1"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
