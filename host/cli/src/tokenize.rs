//! `tokenize`: a corpus to token shards.

use std::path::PathBuf;

use crate::{must, say};
use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use equalinfo_codec::WindowBits;

use super::messages::counted;
use super::options::{
    Choice, Code, CorpusArguments, LexiconArguments, ModelArguments, SubwordArguments, ThreadArguments,
    VerbosityArguments, choice, count, refuse, say_skipped, token_bits, window_bits,
};
use super::progress;
use super::table::grouped;
use equalinfo::tokens::shards::RowLayout;
use equalinfo::tokens::{Align, LexiconOf, Reset, Task, TokenMethod};
use equalinfo::windows::Encoding;
use equalinfo_lab::LabError;
use equalinfo_lab::prepare::tokens::{ModelFile, TokenizeOptions, tokenize};

/// How text becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodName {
    /// A byte is a token
    Bytes,
    /// zlib, as the paper uses it
    Gzip,
    /// Arithmetic coding with byte frequencies that never change
    StaticAc,
    /// Arithmetic coding with M1
    Ac,
    /// Equal-Info windows; codes of a lexicon with --lexicon
    EqualInfo,
    /// Pieces of words of --tokenizer, as SentencePiece has them or by byte-pair encoding
    #[value(alias = "bpe")]
    Unigram,
}

/// When M1's context is emptied.
const RESETS: [Choice<Reset>; 3] = [
    ("every", "At every window: windows decode alone", Reset::Every),
    ("every-other", "At every other window", Reset::EveryOther),
    ("never", "Only where an example begins", Reset::Never),
];

/// Where windows prefer to end.
const ALIGNMENTS: [Choice<Align>; 2] = [
    ("none", "Where they are full", Align::None),
    (
        "word",
        "Before the word that does not fit whole, so that a word has fewer codings; a word longer than a window is cut",
        Align::Word,
    ),
];

/// How rows are taken from text.
const LAYOUTS: [Choice<RowLayout>; 2] = [
    ("examples", "The first tokens of each example of 10,240 bytes, as in the paper", RowLayout::Examples),
    ("stream", "All tokens of 128 documents that are joined, row after row", RowLayout::Stream),
];

/// What M2 is to learn from a text and its code.
const TASKS: [Choice<Task>; 3] = [
    ("decompress", "The text, after its code", Task::Decompress),
    ("compress", "The code, after its text", Task::Compress),
    ("text", "The text without its code: what a model knows that makes no use of it", Task::Text),
];

/// Options of `tokenize`.
///
/// Documents are joined, 128 at a time, and cut into examples of 10,240 bytes; the first tokens of each example become a row, as in the
/// paper, or all of them with --layout stream. What was interrupted goes on where it was when it is started again, and ends in the same files.
#[derive(Debug, Clone, Args)]
pub struct TokenizeArguments {
    /// Files, directories or patterns (.txt, .jsonl, .parquet; .gz, .zst, .xz); - is plain text from stdin
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,

    #[command(flatten)]
    pub reading: CorpusArguments,

    /// Directory of the shards and their manifest
    #[arg(short, long, value_name = "DIRECTORY")]
    pub output: PathBuf,

    #[arg(long, value_name = "NAME", default_value = "equal-info")]
    pub method: MethodName,

    /// Width of a window (method equal-info; default: 16)
    #[arg(long, value_name = "B", value_parser = window_bits)]
    pub window_bits: Option<WindowBits>,

    /// Width of a token: 8 (256 tokens) or 16 (65,536, the default)
    #[arg(long, value_name = "N", value_parser = token_bits)]
    pub token_bits: Option<u32>,

    /// Window code (method equal-info; default: default)
    #[arg(long, value_name = "CODE")]
    pub code: Option<Code>,

    /// When M1's context is emptied (method equal-info; default: every)
    #[arg(long, value_name = "WHEN", value_parser = choice(&RESETS))]
    pub reset: Option<Reset>,

    /// Where windows prefer to end (method equal-info; default: none)
    #[arg(long, value_name = "WHERE", value_parser = choice(&ALIGNMENTS))]
    pub align: Option<Align>,

    /// Bytes of context (default: the model's)
    #[arg(long, value_name = "N", value_parser = count::<usize>)]
    pub context: Option<usize>,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    #[command(flatten)]
    pub tokenizer: SubwordArguments,

    /// How rows are taken from the text
    #[arg(long, value_name = "LAYOUT", value_parser = choice(&LAYOUTS), default_value = "examples")]
    pub layout: RowLayout,

    /// Put a token of its own after each document, the last of the vocabulary, and code each document alone: M2 learns where documents end, and 'generate'
    /// ends there. A plain text of more than 1 MiB is several documents
    #[arg(long, conflicts_with = "task")]
    pub end_of_document: bool,

    /// Rows of a text and its code, for M2 to learn the one from the other: the loss is on the second of them alone (the paper's section 5.2)
    #[arg(long, value_name = "TASK", value_parser = choice(&TASKS))]
    pub task: Option<Task>,

    /// Bytes of text in a row of --task
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..), requires = "task")]
    pub task_bytes: u32,

    /// Tokens in a row
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub sequence: u32,

    /// Rows in a shard
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..))]
    pub rows_per_shard: u32,

    /// Stop after this many tokens (suffixes K, M, G: thousands; default: the whole corpus)
    #[arg(long, value_name = "N", value_parser = count::<u64>)]
    pub tokens: Option<u64>,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

impl TokenizeArguments {
    /// As the library takes them.
    ///
    /// # Errors
    /// An option or a file belongs to another method.
    pub fn options(&self) -> Result<TokenizeOptions> {
        self.check()?;
        let is_unigram = self.method == MethodName::Unigram;
        let model = match (&self.lexicon.lexicon, &self.tokenizer.tokenizer) {
            (Some(lexicon), _) => ModelFile::Lexicon(lexicon.clone()),
            (None, Some(subwords)) => {
                must!(is_unigram, "--tokenizer belongs to --method unigram");
                ModelFile::Subwords(subwords.clone())
            }
            (None, None) => {
                must!(!is_unigram, "--method unigram needs a vocabulary: name it with --tokenizer");
                ModelFile::M1(self.model.model.clone())
            }
        };
        Ok(TokenizeOptions {
            files: self.files.clone(),
            reading: self.reading.options(),
            output: self.output.clone(),
            method: self.method(),
            model,
            context: self.context,
            layout: self.layout,
            end_of_document: self.end_of_document,
            sequence: self.sequence as usize,
            rows_per_shard: self.rows_per_shard as usize,
            tokens: self.tokens,
            device: self.model.device,
            threads: self.threads.count(),
        })
    }

    /// Refuses options that the method does not have.
    fn check(&self) -> Result<()> {
        let windows = [
            ("--window-bits", self.window_bits.is_some()),
            ("--code", self.code.is_some()),
            ("--reset", self.reset.is_some()),
            ("--align", self.align.is_some()),
        ];
        if self.lexicon.lexicon.is_some() {
            must!(self.method == MethodName::EqualInfo, "--lexicon belongs to --method equal-info");
            refuse(&windows, "a lexicon has the windows that it was built for")?;
        } else if self.method != MethodName::EqualInfo {
            refuse(&windows, "only --method equal-info has windows")?;
        }
        let model = [("--model", self.model.model.is_some()), ("--context", self.context.is_some())];
        match self.method {
            MethodName::Bytes | MethodName::Unigram => {
                refuse(&[("--token-bits", self.token_bits.is_some())], "this method has its own tokens")?;
                refuse(&model, "this method has no model")
            }
            MethodName::Gzip => refuse(&model, "--method gzip has no model"),
            MethodName::StaticAc => refuse(&model, "--method static-ac has no context, and the frequencies of English"),
            MethodName::Ac | MethodName::EqualInfo => Ok(()),
        }
    }

    fn method(&self) -> TokenMethod {
        let method = self.method_of_text();
        match self.task {
            Some(task) => TokenMethod::Seq2seq { task, of: Box::new(method), example: self.task_bytes as usize },
            None => method,
        }
    }

    fn method_of_text(&self) -> TokenMethod {
        let token_bits = self.token_bits.unwrap_or(16);
        if self.lexicon.lexicon.is_some() {
            return TokenMethod::Lexicon { token_bits, kind: LexiconOf::default() };
        }
        match self.method {
            MethodName::Bytes => TokenMethod::Bytes,
            MethodName::Unigram => TokenMethod::Unigram { pieces: 0 },
            MethodName::Gzip => TokenMethod::Gzip { token_bits },
            MethodName::StaticAc => TokenMethod::StaticAc { token_bits },
            MethodName::Ac => TokenMethod::Ac { token_bits },
            MethodName::EqualInfo => TokenMethod::EqualInfo {
                window_bits: self.window_bits.unwrap_or(WindowBits::B16).bits(),
                token_bits,
                code: Encoding::from(self.code.unwrap_or(Code::Default)).name().to_owned(),
                reset: self.reset.unwrap_or(Reset::Every),
                align: self.align.unwrap_or(Align::None),
            },
        }
    }
}

/// Tokenizes a corpus; `command` is what the manifest says that began it.
///
/// # Errors
/// The model or the corpus cannot be read, or the shards cannot be written.
pub fn run(arguments: &TokenizeArguments, command: &str) -> Result<()> {
    let options = arguments.options()?;
    let corpus = arguments.reading.corpus(&arguments.files)?;
    let bar = progress::bytes("tokenize", None, arguments.verbosity.quiet);
    let manifest = tokenize(&options, &corpus, command, |bytes| bar.inc(bytes)).map_err(in_words)?;
    bar.finish_and_clear();
    say_skipped(&corpus);
    if !arguments.verbosity.quiet {
        let padding = manifest.rows() as u64 * u64::from(arguments.sequence) - manifest.tokens();
        say!(
            "{}: {} of {} in {}, {:.2}% without a loss; {:.4} bytes of text per token; {}",
            manifest.settings.name,
            counted(manifest.tokens(), "token"),
            grouped(manifest.settings.vocabulary as u64),
            counted(manifest.rows() as u64, "row"),
            100.0 * padding as f64 / (padding + manifest.tokens()).max(1) as f64,
            manifest.token_ratio(),
            arguments.output.display()
        );
    }
    Ok(())
}

/// Names the option that an error is about.
fn in_words(error: LabError) -> anyhow::Error {
    match error {
        LabError::Context { .. } => anyhow!("--context: {error}"),
        error => error.into(),
    }
}
