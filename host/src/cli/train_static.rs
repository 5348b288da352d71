//! `train static`: the byte frequencies of method static-ac, counted on a corpus.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use equalinfo_codec::Frequencies;

use super::files::{Destination, Output};
use super::options::CorpusArguments;
use crate::static_model;

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
    use std::io::Write;

    let mut counts = [0u64; 256];
    for document in arguments.reading.corpus(&arguments.corpus)?.documents() {
        for byte in document? {
            counts[usize::from(byte)] += 1;
        }
    }
    if counts.iter().all(|&count| count == 0) {
        bail!("the corpus holds no text to count");
    }
    let text = static_model::to_text(&Frequencies::from_histogram(&counts));
    let mut output = Output::create(&Destination::File(arguments.output.clone()), arguments.force, false)?;
    output.write_all(text.as_bytes()).with_context(|| format!("{}: cannot write", arguments.output.display()))?;
    output.finish(None)
}
