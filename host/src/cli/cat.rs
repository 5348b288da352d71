//! `cat`: text to stdout; all of a stream, or any block, window or range of it through the index.

use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use equalinfo_codec::container::{BlockKind, Header, Method};

use super::Outcome;
use super::decompress::{is_damaged, model_of, restore};
use super::files::{Input, open_file};
use super::options::{LexiconArguments, ModelArguments, ThreadArguments};
use crate::compress::Workers;
use crate::compress::access::StreamFile;
use crate::model::LoadedModel;

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
    pub threads: ThreadArguments,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let parse = || {
        let (start, end) = text.split_once("..")?;
        let start = if start.is_empty() { 0 } else { start.parse().ok()? };
        let end = if end.is_empty() { u64::MAX } else { end.parse().ok()? };
        (start <= end).then_some(start..end)
    };
    parse().ok_or_else(|| format!("expected a..b with a <= b, such as 100..200, found '{text}'"))
}

/// Writes the text to stdout.
///
/// # Errors
/// An input that is no stream or asks for a model that is not there, a part that it does not have, or stdout cannot be written.
pub fn run(arguments: &CatArguments) -> Result<Outcome> {
    arguments.model.only_cpu()?;
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let mut outcome = Outcome::Complete;
    let named = arguments.lexicon.load_or_named(&arguments.model)?;
    for input in Input::from_arguments(&arguments.files) {
        if arguments.block.is_none() && arguments.window.is_none() && arguments.range.is_none() {
            let workers = |_: &LoadedModel, _: &Header| Ok(Workers::Threads(arguments.threads.count()));
            let restored =
                restore(&input, named.as_ref(), workers, true, &mut stdout).with_context(|| input.name.clone())?;
            // What was delivered comes before what is said about it.
            stdout.flush().context("(stdout): cannot write")?;
            if is_damaged(&input, &restored) {
                outcome = Outcome::Damaged;
            }
            continue;
        }
        let Some(path) = &input.path else {
            bail!("--block, --window and --range need a file, as stdin cannot be read from its end");
        };
        let mut stream = StreamFile::open(open_file(path)?).with_context(|| {
            format!("{}: cannot be read through its index; 'equalinfo decompress' delivers what is intact", input.name)
        })?;
        part(arguments, named.as_ref(), &mut stream, &mut stdout).with_context(|| input.name.clone())?;
    }
    stdout.flush().context("(stdout): cannot write")?;
    Ok(outcome)
}

fn part(
    arguments: &CatArguments,
    named: Option<&LoadedModel>,
    stream: &mut StreamFile,
    output: &mut impl Write,
) -> Result<()> {
    let header = *stream.header();
    let model = match stream.table() {
        Some(frequencies) => LoadedModel::from_frequencies(frequencies.clone()),
        None => model_of(&header, named)?,
    };
    let mut coder = model.coder(usize::from(header.model.context))?;
    if let Some(number) = arguments.block {
        let (_, text) = stream.text(&mut coder, number)?;
        return output.write_all(&text).context("(stdout): cannot write");
    }
    if let Some(number) = arguments.window {
        let Method::EqualInfo { bits, code } = header.method else {
            bail!("--window: this stream has no windows; it was not written with --method equal-info");
        };
        let found = stream.index()?.block_of_window(number);
        let none = || format!("there is no window {number}");
        let (entry, block, payload) = stream.block(found.with_context(none)?)?;
        ensure!(
            block.kind == BlockKind::Coded,
            "window {number} would be in block {}, which is stored without windows",
            block.number
        );
        let offset = (number - entry.first_window) as usize * bits.bytes();
        let value = payload.get(offset..).and_then(|rest| bits.read(rest)).with_context(none)?;
        let text = coder.decode_window(bits, code, usize::from(header.model.context), value);
        return output.write_all(&text).context("(stdout): cannot write");
    }
    let range = arguments.range.clone().unwrap_or(0..u64::MAX);
    let length = stream.index()?.text_length();
    ensure!(range.start <= length, "--range: starts at {}, but the text ends at {length}", range.start);
    let range = range.start..range.end.min(length);
    let mut position = range.start;
    while position < range.end {
        let number =
            stream.index()?.block_of_text(position).with_context(|| format!("no block holds byte {position}"))?;
        let (entry, text) = stream.text(&mut coder, number)?;
        let block_end = entry.text_offset + text.len() as u64;
        let within = |at: u64| (at - entry.text_offset) as usize;
        ensure!(position < block_end, "the index does not describe the blocks");
        let part = &text[within(position)..within(range.end.min(block_end))];
        output.write_all(part).context("(stdout): cannot write")?;
        position += part.len() as u64;
    }
    Ok(())
}
