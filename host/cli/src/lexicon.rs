//! `lexicon build`: a model compiled into a table of the texts of all codes of 16 bits.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};

use super::files::{Destination, Output, refuse_output};
use super::options::{ModelArguments, ThreadArguments, VerbosityArguments, count, open_corpus, size};
use super::table::grouped;
use crate::{must, say};
use equalinfo::lexicon::LexiconKind;
use equalinfo_lab::LabError;
use equalinfo_lab::prepare::lexicon::{BuiltLexicon, LexiconOptions, build};

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
    #[arg(long, value_name = "N", value_parser = count::<usize>)]
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

impl BuildArguments {
    /// As the builder takes them.
    pub fn options(&self) -> LexiconOptions {
        LexiconOptions {
            kind: self.kind.into(),
            model: self.model.model.clone(),
            corpus: self.corpus.clone(),
            limit: self.limit,
            context: self.context,
            threads: self.threads.count(),
        }
    }
}

/// Compiles a model.
///
/// # Errors
/// The model cannot be read or the output cannot be written.
pub fn run(command: &Lexicon) -> Result<()> {
    let Lexicon::Build(arguments) = command;
    arguments.model.only_cpu()?;
    must!(
        arguments.corpus.is_empty() || arguments.kind == Kind::Optimal,
        "--corpus belongs to --kind optimal: the texts of the window code follow from the model alone"
    );
    let read = arguments.corpus.iter().map(Path::new).chain(arguments.model.path());
    refuse_output(&arguments.output, read)?;
    let options = arguments.options();
    let corpus = match &options.corpus[..] {
        [] => None,
        files => Some(open_corpus(files, options.reading())?),
    };
    let destination = Destination::from_argument(&arguments.output);
    let mut output = Output::create(&destination, arguments.force, true)?;
    let started = Instant::now();
    let BuiltLexicon { lexicon, texts, model } = build(&options, corpus.as_ref()).map_err(in_words)?;
    output.write_all(lexicon.bytes()).with_context(|| format!("{destination}: cannot write"))?;
    output.finish(None)?;
    if !arguments.verbosity.quiet {
        say!(
            "{destination}: {} lexicon {:016x} of model {} {:016x}, {} texts, {} bytes, {:.2} s",
            lexicon.name(),
            lexicon.id(),
            model.name(),
            model.id(),
            grouped(texts as u64),
            grouped(lexicon.bytes().len() as u64),
            started.elapsed().as_secs_f64(),
        );
    }
    Ok(())
}

/// Names the option that an error is about.
fn in_words(error: LabError) -> anyhow::Error {
    match error {
        LabError::Context { .. } => anyhow!("--context: {error}"),
        LabError::NoText => anyhow!("--corpus: {error}"),
        error => error.into(),
    }
}
