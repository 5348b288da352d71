//! `train unigram` and `train bpe`: vocabularies of subwords.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::files::{Destination, Output, refuse_output};
use super::options::{CorpusArguments, count, say_skipped};
use equalinfo_lab::prepare::{SubwordOptions, SubwordTrainer, subwords};

/// Options of `train unigram`.
///
/// The 256 bytes, and one for what is unknown, are among the tokens.
#[derive(Debug, Clone, Args)]
pub struct UnigramArguments {
    #[command(flatten)]
    pub subwords: VocabularyArguments,
}

/// Options of `train bpe`.
///
/// The 256 bytes are among the tokens; of a small corpus there may be fewer than --vocabulary.
#[derive(Debug, Clone, Args)]
pub struct BpeArguments {
    #[command(flatten)]
    pub subwords: VocabularyArguments,

    /// Of the tokens, merge the last N across words, up to four pieces of a line (SuperBPE; a tenth of the vocabulary
    /// is usual)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub superwords: usize,
}

/// Options of both.
#[derive(Debug, Clone, Args)]
pub struct VocabularyArguments {
    /// Corpus: files, directories or patterns (.txt, .jsonl, .parquet; .gz, .zst, .xz)
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<String>,

    #[command(flatten)]
    pub reading: CorpusArguments,

    /// Tokens
    #[arg(long, value_name = "N", default_value_t = 32_000, value_parser = count::<usize>)]
    pub vocabulary: usize,

    /// The vocabulary, as a tokenizer.json that other tools read as well
    #[arg(short, long, value_name = "FILE.json")]
    pub output: PathBuf,

    /// Overwrite the output
    #[arg(short, long)]
    pub force: bool,
}

impl VocabularyArguments {
    fn options(&self, trainer: SubwordTrainer) -> SubwordOptions {
        SubwordOptions {
            corpus: self.corpus.clone(),
            reading: self.reading.options(),
            vocabulary: self.vocabulary,
            trainer,
        }
    }
}

impl UnigramArguments {
    /// As the trainer takes them.
    pub fn options(&self) -> SubwordOptions {
        self.subwords.options(SubwordTrainer::Unigram)
    }
}

impl BpeArguments {
    /// As the trainer takes them.
    pub fn options(&self) -> SubwordOptions {
        self.subwords.options(SubwordTrainer::Bpe { superwords: self.superwords })
    }
}

/// Trains and writes.
///
/// # Errors
/// The corpus cannot be read or has too little text, or the output cannot be written.
pub fn run(arguments: &VocabularyArguments, options: &SubwordOptions) -> Result<()> {
    use std::io::Write;

    refuse_output(&arguments.output, arguments.corpus.iter().map(Path::new))?;
    let mut output = Output::create(&Destination::from_argument(&arguments.output), arguments.force, false)?;
    let corpus = arguments.reading.corpus(&arguments.corpus)?;
    let json = subwords::train(options, &corpus)?;
    say_skipped(&corpus);
    output.write_all(json.as_bytes()).with_context(|| format!("{}: cannot write", arguments.output.display()))?;
    output.finish(None)
}
