//! `train unigram`: the vocabulary of method unigram.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::files::{Destination, Output, refuse_output};
use super::options::{CorpusArguments, count, say_skipped};
use equalinfo_lab::prepare::{SubwordOptions, subwords};

/// Options of `train unigram`.
#[derive(Debug, Clone, Args)]
pub struct UnigramArguments {
    /// Corpus: files, directories or patterns (.txt, .jsonl, .parquet; .gz, .zst, .xz)
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<String>,

    #[command(flatten)]
    pub reading: CorpusArguments,

    /// Tokens: the 256 bytes and one for what is unknown among them
    #[arg(long, value_name = "N", default_value_t = 32_000, value_parser = count::<usize>)]
    pub vocabulary: usize,

    /// The vocabulary, as a tokenizer.json that other tools read as well
    #[arg(short, long, value_name = "FILE.json")]
    pub output: PathBuf,

    /// Overwrite the output
    #[arg(short, long)]
    pub force: bool,
}

impl UnigramArguments {
    /// As the trainer takes them.
    pub fn options(&self) -> SubwordOptions {
        SubwordOptions { corpus: self.corpus.clone(), reading: self.reading.options(), vocabulary: self.vocabulary }
    }
}

/// Trains and writes.
///
/// # Errors
/// The corpus cannot be read or has too little text, or the output cannot be written.
pub fn run(arguments: &UnigramArguments) -> Result<()> {
    use std::io::Write;

    refuse_output(&arguments.output, arguments.corpus.iter().map(Path::new))?;
    let mut output = Output::create(&Destination::from_argument(&arguments.output), arguments.force, false)?;
    let corpus = arguments.reading.corpus(&arguments.corpus)?;
    let json = subwords::train(&arguments.options(), &corpus)?;
    say_skipped(&corpus);
    output.write_all(json.as_bytes()).with_context(|| format!("{}: cannot write", arguments.output.display()))?;
    output.finish(None)
}
