//! `tokenize`: a corpus to token shards.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use equalinfo_codec::WindowBits;

use super::options::{
    Code, CorpusArguments, LexiconArguments, ModelArguments, SubwordArguments, ThreadArguments, VerbosityArguments,
    token_bits, window_bits,
};
use super::progress;
use super::table::grouped;
use crate::compress::windows::Encoding;
use crate::lexicon::LexiconKind;
use crate::model::LoadedModel;
use crate::tokenize::method::{Align, LexiconOf, Method, Reset, Task};
use crate::tokenize::shards::{Layout, Settings, Writer};
use crate::tokenize::tokenizer::Tokenizer;

/// How text becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TokenMethod {
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
    /// Pieces of words, as SentencePiece has them, of --tokenizer
    Unigram,
}

/// Options of `tokenize`.
///
/// Documents are joined, 128 at a time, and cut into examples of 10,240 bytes; the first tokens of each example become a row, as in the
/// paper, or all of them with --layout stream. What was interrupted goes on where it was when it is started again, and ends in the same files.
#[derive(Debug, Clone, Args)]
pub struct TokenizeArguments {
    /// Files, directories or patterns (.txt, .jsonl, .parquet; .gz, .zst, .xz)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,

    #[command(flatten)]
    pub reading: CorpusArguments,

    /// Directory of the shards and their manifest
    #[arg(short, long, value_name = "DIRECTORY")]
    pub output: PathBuf,

    #[arg(long, value_name = "NAME", default_value = "equal-info")]
    pub method: TokenMethod,

    /// Width of a window (method equal-info)
    #[arg(long, value_name = "B", default_value = "16", value_parser = window_bits)]
    pub window_bits: WindowBits,

    /// Width of a token: 8 (256 tokens) or 16 (65,536)
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = token_bits)]
    pub token_bits: u32,

    /// Window code (method equal-info)
    #[arg(long, value_name = "CODE", default_value = "default")]
    pub code: Code,

    /// When M1's context is emptied (method equal-info)
    #[arg(long, value_name = "WHEN", default_value = "every")]
    pub reset: Reset,

    /// Where windows prefer to end (method equal-info)
    #[arg(long, value_name = "WHERE", default_value = "none")]
    pub align: Align,

    /// Bytes of context (default: the model's)
    #[arg(long, value_name = "N")]
    pub context: Option<usize>,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    #[command(flatten)]
    pub tokenizer: SubwordArguments,

    /// How rows are taken from the text
    #[arg(long, value_name = "LAYOUT", default_value = "examples")]
    pub layout: Layout,

    /// Rows of a text and its code, for M2 to learn the one from the other: the loss is on the second of them alone (the paper's section 5.2)
    #[arg(long, value_name = "TASK")]
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

    /// Stop after this many tokens (default: the whole corpus)
    #[arg(long, value_name = "N")]
    pub tokens: Option<u64>,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

impl TokenizeArguments {
    /// What the method reads: an M1, a lexicon or subwords.
    ///
    /// # Errors
    /// It cannot be read, or does not belong to the method.
    pub fn load_model(&self) -> Result<LoadedModel> {
        match (self.lexicon.load()?, self.tokenizer.load()?) {
            (Some(lexicon), _) => Ok(lexicon),
            (None, Some(subwords)) => {
                ensure!(self.method == TokenMethod::Unigram, "--tokenizer belongs to --method unigram");
                Ok(subwords)
            }
            (None, None) if matches!(self.method, TokenMethod::Ac | TokenMethod::EqualInfo) => self.model.load_m1(),
            (None, None) => LoadedModel::english(),
        }
    }

    fn method(&self, model: &LoadedModel) -> Method {
        let method = self.method_of_text(model);
        match self.task {
            Some(task) => Method::Seq2seq { task, of: Box::new(method), example: self.task_bytes as usize },
            None => method,
        }
    }

    fn method_of_text(&self, model: &LoadedModel) -> Method {
        let token_bits = self.token_bits;
        if let Some(lexicon) = model.as_lexicon() {
            let kind = match lexicon.kind() {
                LexiconKind::WindowCode => LexiconOf::WindowCode,
                LexiconKind::Optimal => LexiconOf::Optimal,
            };
            return Method::Lexicon { token_bits, kind };
        }
        match self.method {
            TokenMethod::Bytes => Method::Bytes,
            TokenMethod::Unigram => {
                Method::Unigram { pieces: model.subwords().map_or(0, crate::tokenize::subwords::Subwords::size) }
            }
            TokenMethod::Gzip => Method::Gzip { token_bits },
            TokenMethod::StaticAc => Method::StaticAc { token_bits },
            TokenMethod::Ac => Method::Ac { token_bits },
            TokenMethod::EqualInfo => Method::EqualInfo {
                window_bits: self.window_bits.bits(),
                token_bits,
                code: Encoding::from(self.code).name().to_owned(),
                reset: self.reset,
                align: self.align,
            },
        }
    }
}

/// Tokenizes a corpus; `command` is what the manifest says that began it.
///
/// # Errors
/// The model or the corpus cannot be read, or the shards cannot be written.
pub fn run(arguments: &TokenizeArguments, command: &str) -> Result<()> {
    let model = arguments.load_model()?;
    let method = arguments.method(&model);
    let has_model = !matches!(method, Method::Bytes | Method::Gzip { .. });
    let context = super::options::context(arguments.context, Some(&model))?;
    let settings = Settings {
        name: method.to_string(),
        vocabulary: method.vocabulary(),
        model: has_model.then(|| model.name().to_owned()),
        model_id: has_model.then(|| format!("{:016x}", model.id())),
        context,
        sequence: arguments.sequence as usize,
        rows_per_shard: arguments.rows_per_shard as usize,
        corpus: arguments.files.clone(),
        shard: arguments.reading.shard.map(|shard| shard.to_string()),
        text_field: arguments.reading.text_field.clone(),
        lines: arguments.reading.lines,
        limit: arguments.reading.limit,
        tokens: arguments.tokens,
        layout: arguments.layout,
        method: method.clone(),
    };
    let workers = arguments.model.workers(arguments.threads.count(), &model, context)?;
    let tokenizer = Tokenizer::new(method, &model, context)?;
    let corpus = arguments.reading.corpus(&arguments.files)?;
    let writer = Writer::open(&arguments.output, settings, command)?;
    let bar = progress::bytes("tokenize", None, arguments.verbosity.quiet);
    let manifest = crate::tokenize::tokenize(&tokenizer, corpus.documents(), writer, &workers, |bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    if !arguments.verbosity.quiet {
        let padding = manifest.rows() as u64 * u64::from(arguments.sequence) - manifest.tokens();
        eprintln!(
            "{}: {} tokens of {} in {} rows, {:.2}% without a loss; {:.4} bytes of text a token; {}",
            manifest.settings.name,
            grouped(manifest.tokens()),
            grouped(manifest.settings.vocabulary as u64),
            grouped(manifest.rows() as u64),
            100.0 * padding as f64 / (padding + manifest.tokens()).max(1) as f64,
            manifest.token_ratio(),
            arguments.output.display()
        );
    }
    Ok(())
}
