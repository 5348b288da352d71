//! `detokenize`: the text of tokens, from shards or from whatever drew them.

use std::io::{Read, Write};
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use equalinfo::tokens::shards::{Manifest, Rows};

use super::decoding::DecodingArguments;
use super::files::{Destination, Input, Output, refuse_conflicts};
use super::options::range;

/// Options of `detokenize`.
///
/// Tokens of `ac`, `static-ac` and `gzip` do not decode one by one, those of the paper's greedy code not at all.
#[derive(Debug, Clone, Args)]
pub struct DetokenizeArguments {
    /// Directory of token shards: it says what the tokens mean
    #[arg(value_name = "DIRECTORY", value_hint = clap::ValueHint::DirPath)]
    pub data: PathBuf,

    /// Decode these tokens instead of the directory's: their numbers in text, a line a sample, separated by anything;
    /// - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "rows")]
    pub ids: Option<PathBuf>,

    /// Only these rows, counted from 0 (default: all)
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub rows: Option<Range<u64>>,

    /// What follows the text of each row or sample
    #[arg(long, value_name = "TEXT", default_value = "\n")]
    pub separator: String,

    /// Output file; - is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,

    /// Overwrite the output
    #[arg(short, long)]
    pub force: bool,

    #[command(flatten)]
    pub decoding: DecodingArguments,
}

/// Decodes.
///
/// # Errors
/// There are no such tokens, they do not decode, or the output cannot be written.
pub fn run(arguments: &DetokenizeArguments) -> Result<()> {
    let destination = Destination::from_argument(&arguments.output);
    let ids = arguments.ids.as_deref().map(Input::from_argument);
    refuse_conflicts(&ids, [&destination])?;
    let shown = arguments.data.display();
    let manifest = Manifest::load(&arguments.data)?.with_context(|| format!("{shown}: no token shards there"))?;
    let tokenizer = arguments.decoding.tokenizer(&manifest.settings)?;
    let mut output = Output::create(&destination, arguments.force, false)?;
    let mut write = |tokens: &[u16]| -> Result<()> {
        let mut decoder = tokenizer.decoder()?;
        let text = decoder.push(tokens)?;
        let written = [text, decoder.finish()?, arguments.separator.clone().into_bytes()].concat();
        output.write_all(&written).context("cannot write")
    };
    if let Some(input) = ids {
        let mut text = String::new();
        input.open()?.reader().read_to_string(&mut text).with_context(|| format!("{}: cannot read", input.name))?;
        for (number, line) in (1..).zip(text.lines()) {
            let tokens = numbers(line, tokenizer.vocabulary());
            write(&tokens.with_context(|| format!("{}, line {number}", input.name))?)?;
        }
    } else {
        let mut rows = Rows::open(&arguments.data, &manifest)?;
        let count = rows.len() as u64;
        let wanted = arguments.rows.clone().unwrap_or(0..count);
        ensure!(wanted.start < count, "--rows: {shown} has {count} rows");
        for number in wanted.start..wanted.end.min(count) {
            write(&rows.row(number as usize)?.ids)?;
        }
    }
    output.finish(None)
}

/// The numbers in a line, whatever stands between them.
fn numbers(line: &str, vocabulary: usize) -> Result<Vec<u16>> {
    let words = line.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
    words
        .map(|word| match word.parse::<u16>() {
            Ok(token) if usize::from(token) < vocabulary => Ok(token),
            _ => bail!("{word} is no token: there are {vocabulary}, from 0"),
        })
        .collect()
}
