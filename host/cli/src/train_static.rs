//! `train static`: the byte frequencies of method static-ac, counted on a corpus.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use equalinfo_codec::Frequencies;

use super::files;
use super::options::{CorpusArguments, say_skipped};
use equalinfo::ByteFrequencies;

/// Options of `train static`.
#[derive(Debug, Clone, Args)]
pub struct StaticArguments {
    /// Corpus: files, directories or patterns (.txt, .jsonl, .parquet; .gz, .zst, .xz)
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<String>,

    #[command(flatten)]
    pub reading: CorpusArguments,

    /// The frequencies: 256 counts that add up to 65536, as text
    #[arg(short, long, value_name = "FILE.counts")]
    pub output: PathBuf,

    /// Overwrite the output
    #[arg(short, long)]
    pub force: bool,
}

/// Counts the corpus and writes its frequencies.
///
/// # Errors
/// The corpus cannot be read or is empty, or the output cannot be written.
pub fn run(arguments: &StaticArguments) -> Result<()> {
    files::refuse_output(&arguments.output, arguments.corpus.iter().map(Path::new))?;
    let mut counts = [0u64; 256];
    let corpus = arguments.reading.corpus(&arguments.corpus)?;
    for document in corpus.documents() {
        for byte in document? {
            counts[usize::from(byte)] += 1;
        }
    }
    say_skipped(&corpus);
    if counts.iter().all(|&count| count == 0) {
        bail!("the corpus holds no text to count");
    }
    let text = ByteFrequencies::from(Frequencies::from_histogram(&counts)).to_text();
    files::write(&arguments.output, arguments.force, false, text.as_bytes())
}
