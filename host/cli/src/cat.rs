//! `cat`: text to stdout; all of a stream, or any block, window or range of it through the index.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::decompress::{explained, is_damaged, models, restore};
use super::files::{Destination, Input, refuse_conflicts};
use super::options::{LexiconArguments, LimitArguments, ModelArguments, ThreadArguments, range};
use super::{Outcome, jobs, standard};
use crate::must;
use equalinfo::stream::Restored;
use equalinfo::{CodingModel, Decompressor, StreamError, StreamFile};

/// Options of `cat`.
#[derive(Debug, Clone, Args)]
pub struct CatArguments {
    /// Streams; none or - is stdin
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Only this block, counted from 0
    #[arg(long, value_name = "N", conflicts_with_all = ["window", "range"])]
    pub block: Option<u32>,

    /// Only this window, counted from 0 (method equal-info)
    #[arg(long, value_name = "N", conflicts_with = "range")]
    pub window: Option<u64>,

    /// Only bytes a to b of the text, b not included; either may be left out
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub range: Option<Range<u64>>,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    #[command(flatten)]
    pub limits: LimitArguments,

    #[command(flatten)]
    pub threads: ThreadArguments,
}

impl CatArguments {
    /// Whether only a part of the text is wanted.
    fn is_part(&self) -> bool {
        self.block.is_some() || self.window.is_some() || self.range.is_some()
    }
}

/// Writes the text to stdout.
///
/// # Errors
/// The named model cannot be used, or stdout cannot be written; errors in single inputs are told and counted.
pub fn run(arguments: &CatArguments) -> Result<Outcome> {
    arguments.model.only_cpu()?;
    must!(!(arguments.is_part() && arguments.limits.is_set()), "--max-output and --memory go with whole streams");
    let mut stdout = standard::output();
    let mut worst = Outcome::Complete;
    let named = arguments.lexicon.load_or_named(&arguments.model)?;
    let inputs = Input::from_arguments(&arguments.files);
    refuse_conflicts(&inputs, [&Destination::Stdout])?;
    for input in inputs {
        worst = worst.max(jobs::one(&input.name, || one(arguments, named.as_ref(), &input, &mut stdout))?);
    }
    Ok(worst)
}

/// Writes the text of one input.
fn one(
    arguments: &CatArguments,
    named: Option<&CodingModel>,
    input: &Input,
    stdout: &mut impl Write,
) -> Result<Outcome> {
    let restored = if !arguments.is_part() {
        let decompressor = Decompressor::new().models(models(named)).threads(arguments.threads.count());
        restore(input.open()?, &arguments.limits.limit(decompressor), true, stdout)
    } else {
        let file = input.open_seekable()?;
        let stream = StreamFile::open(file)
            .context("cannot be read through its index; 'equalinfo decompress' delivers what is intact")?;
        part(arguments, &mut stream.models(models(named)), stdout).map(|()| Restored::default())
    };
    // What was delivered comes before what is said about it.
    stdout.flush().context("(stdout): cannot write")?;
    Ok(if is_damaged(input, &restored?) { Outcome::Damaged } else { Outcome::Complete })
}

fn part(arguments: &CatArguments, stream: &mut StreamFile<File>, output: &mut impl Write) -> Result<()> {
    let text = match (arguments.block, arguments.window) {
        (Some(number), _) => stream.text(number).map_err(explained)?,
        (None, Some(number)) => stream.window(number).map_err(explained)?,
        (None, None) => {
            let range = arguments.range.clone().unwrap_or(0..u64::MAX);
            return stream.write_range(range, output).map_err(|error| match error {
                StreamError::Output(error) => anyhow::Error::from(error).context("(stdout): cannot write"),
                error => explained(error),
            });
        }
    };
    output.write_all(&text).context("(stdout): cannot write")
}
