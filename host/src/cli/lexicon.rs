//! `lexicon build`: a model compiled into a table of the texts of all codes of 16 bits.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};

use super::files::{Destination, Output};
use super::options::{ModelArguments, ThreadArguments, VerbosityArguments, context, size};
use super::table::grouped;
use crate::corpus::{Corpus, CorpusOptions};
use crate::lexicon::{LexiconImage, LexiconKind, build, build_optimal, kind_name};

/// Commands about lexicons.
#[derive(Debug, Clone, Subcommand)]
pub enum Lexicon {
    /// Compile a model into a .lex file: 65,536 texts, and no model is needed to code with them
    Build(BuildArguments),
}

/// Kinds of lexicons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The texts of the window code with 16 bits: the same streams as with the model
    WindowCode,
    /// The likeliest texts: more bytes a code, and streams that need this lexicon
    Optimal,
}

impl From<Kind> for LexiconKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::WindowCode => Self::WindowCode,
            Kind::Optimal => Self::Optimal,
        }
    }
}

/// Options of `lexicon build`.
#[derive(Debug, Clone, Args)]
pub struct BuildArguments {
    /// Which texts
    #[arg(long, value_name = "KIND", default_value = "window-code")]
    pub kind: Kind,

    #[command(flatten)]
    pub model: ModelArguments,

    /// With --kind optimal: text to learn from where codes begin (.txt, .jsonl, .parquet; .gz, .zst, .xz); the more it
    /// is like the text to come, the better
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub corpus: Vec<String>,

    /// Read this much of the corpus (suffixes K, M, G)
    #[arg(long, value_name = "BYTES", value_parser = size, default_value = "64M", requires = "corpus")]
    pub limit: u64,

    /// The most bytes in a text (default: the model's context)
    #[arg(long, value_name = "N")]
    pub context: Option<usize>,

    /// Output file; - is stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Overwrite the output
    #[arg(short, long)]
    pub force: bool,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// Compiles a model.
///
/// # Errors
/// The model cannot be read or the output cannot be written.
pub fn run(command: &Lexicon) -> Result<()> {
    let Lexicon::Build(arguments) = command;
    arguments.model.only_cpu()?;
    ensure!(
        arguments.corpus.is_empty() || arguments.kind == Kind::Optimal,
        "--corpus belongs to --kind optimal: the texts of the window code follow from the model alone"
    );
    let model = arguments.model.load_m1()?;
    let context = context(arguments.context, Some(&model))?;
    let engine = model.engine().context("--model: not an M1")?;
    let destination = Destination::from_argument(&arguments.output);
    let mut output = Output::create(&destination, arguments.force, true)?;
    let started = Instant::now();
    let threads = arguments.threads.count();
    let image = if arguments.corpus.is_empty() {
        build(engine, arguments.kind.into(), context, threads)
    } else {
        build_optimal(engine, context, threads, &sample(arguments)?)
    };
    let image = LexiconImage::from_bytes(image?)?;
    let lexicon = image.lexicon();
    // What was built is looked at as a decoder would: each text that has a code is found again.
    let codes = (0..=u16::MAX).filter(|&code| {
        let text: Vec<u8> = lexicon.text(code).collect();
        lexicon.encode(&text) == (code, text.len())
    });
    let codes = codes.count();
    ensure!(codes > 256, "only {codes} texts have a code");
    output.write_all(image.bytes()).with_context(|| format!("{destination}: cannot write"))?;
    output.finish(None)?;
    if !arguments.verbosity.quiet {
        eprintln!(
            "{destination}: {} lexicon {:016x} of model {} {:016x}, {} texts, {} bytes, {:.2} s",
            kind_name(lexicon.kind()),
            lexicon.id(),
            model.name(),
            model.id(),
            grouped(codes as u64),
            grouped(image.bytes().len() as u64),
            started.elapsed().as_secs_f64(),
        );
    }
    Ok(())
}

/// The documents of the corpus.
fn sample(arguments: &BuildArguments) -> Result<Vec<Vec<u8>>> {
    let options = CorpusOptions { limit: Some(arguments.limit), ..CorpusOptions::default() };
    let sample = Corpus::new(&arguments.corpus, options)?.documents().collect::<Result<Vec<_>>>()?;
    ensure!(sample.iter().any(|text| !text.is_empty()), "--corpus: there is no text in these files");
    Ok(sample)
}
