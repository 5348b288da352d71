//! `decompress`: streams to the files they came from, around any damage.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use equalinfo_codec::WindowBits;

use super::compress::{MESSAGE, STREAM, has_extension};
use super::files::{Input, Output, Source};
use super::jobs::{Job, Naming, OutputArguments};
use super::messages::counted;
use super::options::{
    LexiconArguments, LimitArguments, ModelArguments, ThreadArguments, VerbosityArguments, check, context,
    only_16_bits, window_bits,
};
use super::table::grouped;
use super::{Outcome, progress, say};
use equalinfo::accelerator::AcceleratorError;
use equalinfo::cuda::{self, DeviceChoice};
use equalinfo::message::{Check, LONGEST_MESSAGE};
use equalinfo::stream::{FileMap, Models, Restored};
use equalinfo::{CodingModel, Decompressor, MessageCoder, StreamError, store};

/// Options of `decompress`.
#[derive(Debug, Clone, Args)]
pub struct DecompressArguments {
    /// Streams; none or - is stdin
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub outputs: OutputArguments,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    /// The input is a message that compress --raw wrote
    #[arg(long)]
    pub raw: bool,

    /// With --raw: the width of the windows, if the message was written with one
    #[arg(long, value_name = "B", value_parser = window_bits, requires = "raw")]
    pub window_bits: Option<WindowBits>,

    /// With --raw: the context, if the message was written with one
    #[arg(long, value_name = "N", requires = "raw")]
    pub context: Option<usize>,

    /// With --raw: the bits of the check, if the message was written with one
    #[arg(long, value_name = "BITS", value_parser = check, default_value = "0", hide_default_value = true, requires = "raw")]
    pub check: Check,

    #[command(flatten)]
    pub limits: LimitArguments,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// Decompresses every input.
///
/// # Errors
/// Files that do not go together, a model that cannot be used, or stdout cannot be written; errors in single inputs
/// are told and counted.
pub fn run(arguments: &DecompressArguments) -> Result<Outcome> {
    let named = arguments.lexicon.load_or_named(&arguments.model)?;
    let extension = if arguments.raw { MESSAGE } else { STREAM };
    let naming =
        Naming { output: &|path| without_extension(path, extension), takes: &|path| has_extension(path, extension) };
    let read = [arguments.model.path(), arguments.lexicon.lexicon.as_deref()];
    let read: Vec<&Path> = read.into_iter().flatten().collect();
    arguments.outputs.each(&arguments.files, &read, &naming, |job| one(arguments, named.as_ref(), job))
}

/// Decompresses one input.
fn one(arguments: &DecompressArguments, named: Option<&CodingModel>, job: &Job) -> Result<Outcome> {
    let Job { input, destination } = job;
    let source = input.open()?;
    let metadata = source.metadata().cloned();
    let mut output = Output::create(destination, arguments.outputs.force, false)?;
    let started = Instant::now();
    let restored = if arguments.raw {
        read_message(arguments, named, source.reader(), &mut output)
    } else {
        let decompressor = Decompressor::new().models(models(named)).threads(arguments.threads.count());
        let decompressor = arguments.limits.limit(decompressor);
        let decompressor = match arguments.model.device {
            DeviceChoice::Cuda => decompressor.accelerator(|model, context| {
                let place = cuda::choose(DeviceChoice::Cuda, 0);
                let place = place.map_err(|error| AcceleratorError::Device(Box::new(error)))?;
                let none = AcceleratorError::Device("no GPU".into());
                cuda::open(place, model, context)?.ok_or(none)
            }),
            _ => decompressor,
        };
        restore(source, &decompressor, arguments.verbosity.quiet, &mut output)
    };
    let restored = output.named(restored)?;
    if !restored.losses.is_empty() {
        // Without --rm: a damaged input stays, as more of it may yet be saved.
        output.finish(metadata.as_ref())?;
        is_damaged(input, &restored);
        return Ok(Outcome::Damaged);
    }
    arguments.outputs.finish(output, input, metadata.as_ref())?;
    if !arguments.verbosity.quiet {
        say!(
            "{}: {} => {}, {:.2} s, {destination}",
            input.name,
            grouped(restored.stream),
            counted(restored.text, "byte"),
            started.elapsed().as_secs_f64()
        );
    }
    Ok(Outcome::Complete)
}

/// Writes the text of an input to `output`.
///
/// # Errors
/// As [`run`].
pub fn restore(source: Source, decompressor: &Decompressor, quiet: bool, output: &mut impl Write) -> Result<Restored> {
    let bar = progress::bytes("decompress", source.size(), quiet);
    let progress = |stream, _| bar.set_position(stream);
    let restored = match source {
        Source::File(mut file, metadata) if metadata.is_file() => {
            let map = FileMap::read(&mut file).unwrap_or_default();
            decompressor.decompress_with(file, output, map, progress)
        }
        source => decompressor.decompress_with(source.reader(), output, None, progress),
    };
    bar.finish_and_clear();
    restored.map_err(explained)
}

/// Where the models that streams need come from: the one (or the lexicon) that the user named, which must be it, or the shipped and installed ones.
pub fn models(named: Option<&CodingModel>) -> Models<'static> {
    match named {
        Some(model) => Models::new().with(model),
        None => Models::new().or_by(|header| Ok(store::find(header.model.id)?)),
    }
}

/// An error of a stream with the options that it is about.
pub fn explained(error: StreamError) -> anyhow::Error {
    let hint = match &error {
        StreamError::UnknownModel { id, name, shipped } => {
            let shipped = if shipped.is_empty() { "no model is".to_owned() } else { shipped.join(", ") };
            return anyhow::anyhow!(
                "needs model {id:08x}{}, which is neither shipped with this build ({shipped}) nor installed; give its \
                 .m1q file with --model PATH, or the .lex file that wrote the stream with --lexicon FILE, or install \
                 it with 'models add FILE'",
                if name.is_empty() { String::new() } else { format!(" ('{name}')") }
            );
        }
        StreamError::OtherModel { .. } => "--model",
        StreamError::OtherLexicon { .. } => "--lexicon",
        StreamError::NoWindows => "--window",
        StreamError::Range { .. } => "--range",
        StreamError::OutputLimit { .. } => "--max-output",
        StreamError::MemoryLimit { .. } => "--memory",
        _ => return error.into(),
    };
    anyhow::Error::from(error).context(hint)
}

/// Names every loss on stderr; whether there was any.
pub fn is_damaged(input: &Input, restored: &Restored) -> bool {
    for loss in &restored.losses {
        say!("equalinfo: {}: {}", input.name, loss.in_words(grouped));
    }
    if !restored.losses.is_empty() {
        say!("equalinfo: {}: {} of intact text delivered", input.name, counted(restored.text, "byte"));
    }
    !restored.losses.is_empty()
}

fn without_extension(path: &Path, extension: &str) -> Result<PathBuf> {
    match path.extension() {
        Some(found) if found == extension => Ok(path.with_extension("")),
        None if path.file_name().is_some_and(|name| name.to_str() == Some(&format!(".{extension}"))) => bail!(
            "{}: nothing is before .{extension} that the text could be called; use -o FILE or -c to say where it goes",
            path.display()
        ),
        _ => bail!(
            "{}: expected a name that ends in .{extension}; use -o FILE or -c to say where the text goes",
            path.display()
        ),
    }
}

fn read_message(
    arguments: &DecompressArguments,
    named: Option<&CodingModel>,
    reader: impl Read,
    output: &mut Output,
) -> Result<Restored> {
    let coder = match named {
        Some(CodingModel::Lexicon(lexicon)) => {
            only_16_bits(arguments.window_bits)?;
            MessageCoder::new(lexicon).check(arguments.check)
        }
        named => {
            let model = named.cloned().map_or_else(|| arguments.model.load_m1().map(CodingModel::from), Ok)?;
            let context = context(arguments.context, model.context())?;
            let coder = MessageCoder::new(model).context(context).check(arguments.check);
            arguments.window_bits.into_iter().fold(coder, MessageCoder::window_bits)
        }
    };
    let payload = read_payload(reader)?;
    let text = match arguments.limits.max_output {
        // A message is short, and its length is not known beforehand.
        Some(limit) => {
            let text = coder.decode(&payload)?;
            ensure!(text.len() as u64 <= limit, "--max-output: the text is longer than {limit} bytes");
            output.write_all(&text).context("cannot write")?;
            text.len() as u64
        }
        None => coder.decode_to(&payload, output)?,
    };
    Ok(Restored { text, stream: payload.len() as u64, ..Restored::default() })
}

fn read_payload(reader: impl Read) -> Result<Vec<u8>> {
    let mut payload = Vec::new();
    reader.take(LONGEST_MESSAGE as u64 + 1).read_to_end(&mut payload).context("cannot read")?;
    ensure!(
        payload.len() <= LONGEST_MESSAGE,
        "longer than {} bytes, so it is no message of compress --raw",
        grouped(LONGEST_MESSAGE as u64)
    );
    Ok(payload)
}
