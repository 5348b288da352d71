//! `decompress`: streams to the files they came from, around any damage.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use equalinfo_codec::WindowBits;
use equalinfo_codec::WindowCode;
use equalinfo_codec::container::{Header, Method};
use equalinfo_codec::lexicon::Lexicon;
use equalinfo_codec::raw::{self, Layout};

use super::Outcome;
use super::compress::{LONGEST_MESSAGE, MESSAGE, OutputArguments, STREAM};
use super::files::{Input, Output, open_file};
use super::options::{
    LexiconArguments, ModelArguments, ThreadArguments, VerbosityArguments, context, only_16_bits, window_bits,
};
use super::progress;
use super::table::grouped;
use crate::compress::Workers;
use crate::compress::index_map::IndexMap;
use crate::compress::read::{Loss, Restored, decompress};
use crate::model::LoadedModel;

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

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// Decompresses every input.
///
/// # Errors
/// An input that is no stream or asks for a model that is not there, or an output that cannot be written.
pub fn run(arguments: &DecompressArguments) -> Result<Outcome> {
    let inputs = Input::from_arguments(&arguments.files);
    let named = arguments.lexicon.load_or_named(&arguments.model)?;
    let mut outcome = Outcome::Complete;
    for input in &inputs {
        let extension = if arguments.raw { MESSAGE } else { STREAM };
        let destination =
            arguments.outputs.destination(input, inputs.len(), |path| without_extension(path, extension))?;
        let mut output = Output::create(&destination, arguments.outputs.force, false)?;
        let started = Instant::now();
        let restored = if arguments.raw {
            read_message(arguments, named.as_ref(), input, &mut output)
        } else {
            let workers = |model: &LoadedModel, header: &Header| {
                let threads = arguments.threads.count();
                if is_coded_on_gpus(header) && model.engine().is_some() {
                    arguments.model.workers(threads, model, usize::from(header.model.context))
                } else {
                    Ok(Workers::Threads(threads))
                }
            };
            restore(input, named.as_ref(), workers, arguments.verbosity.quiet, &mut output)
        };
        let restored = restored.with_context(|| input.name.clone())?;
        output.finish(input.path.as_deref())?;
        if is_damaged(input, &restored) {
            outcome = Outcome::Damaged;
            continue;
        }
        arguments.outputs.dispose(input)?;
        if !arguments.verbosity.quiet {
            eprintln!(
                "{}: {} => {} bytes, {:.2} s, {destination}",
                input.name,
                grouped(restored.stream),
                grouped(restored.text),
                started.elapsed().as_secs_f64()
            );
        }
    }
    Ok(outcome)
}

/// Whether GPUs have the code of a stream.
fn is_coded_on_gpus(header: &Header) -> bool {
    matches!(header.method, Method::Ac | Method::EqualInfo { code: WindowCode::Default, .. })
}

/// Writes the text of an input to `output`.
///
/// # Errors
/// As [`run`].
pub fn restore(
    input: &Input,
    named: Option<&LoadedModel>,
    workers: impl Fn(&LoadedModel, &Header) -> Result<Workers>,
    quiet: bool,
    output: &mut impl Write,
) -> Result<Restored> {
    let find = |header: &Header| model_of(header, named);
    let bar = progress::bytes("decompress", input.size(), quiet);
    let progress = |stream, _| bar.set_position(stream);
    let restored = match &input.path {
        Some(path) => {
            let mut file = open_file(path)?;
            let map = IndexMap::read(&mut file).unwrap_or_default();
            decompress(std::io::BufReader::new(file), output, map, find, workers, progress)
        }
        None => decompress(input.open()?, output, None, find, workers, progress),
    };
    bar.finish_and_clear();
    restored
}

/// The model that a stream needs: the one (or the lexicon) that the user named, which must be it, or a shipped one.
///
/// # Errors
/// The named model is another one, or no shipped model is it.
pub fn model_of(header: &Header, named: Option<&LoadedModel>) -> Result<LoadedModel> {
    let Some(model) = named else { return LoadedModel::shipped_with_id(header.model.id) };
    let context = usize::from(header.model.context);
    if let Some(lexicon) = model.as_lexicon() {
        lexicon.check_stream(header).context("--lexicon: this was not compressed with it, nor with its model")?;
        return Ok(model.clone());
    }
    header
        .check_model(model.identity(context))
        .with_context(|| format!("--model: '{}' is not the model that this was compressed with", model.name()))?;
    ensure!(
        context <= model.context(),
        "the stream needs a context of {context} bytes, and model '{}' has {}",
        model.name(),
        model.context()
    );
    Ok(model.clone())
}

/// Names every loss on stderr; whether there was any.
pub fn is_damaged(input: &Input, restored: &Restored) -> bool {
    for loss in &restored.losses {
        eprintln!("equalinfo: {}: {}", input.name, describe(loss));
    }
    if !restored.losses.is_empty() {
        eprintln!("equalinfo: {}: {} bytes of intact text were delivered", input.name, grouped(restored.text));
    }
    !restored.losses.is_empty()
}

fn describe(loss: &Loss) -> String {
    if loss.blocks.is_empty() {
        return format!("damaged, but no text is missing here: {}", loss.cause);
    }
    let blocks = match loss.blocks.len() {
        1 => format!("block {} is lost", loss.blocks.start),
        _ => format!("blocks {} to {} are lost", loss.blocks.start, loss.blocks.end - 1),
    };
    let known = |number: Option<u64>| number.map_or_else(|| "unknown".to_owned(), |number| number.to_string());
    format!("{blocks} (text offset {}, length {}): {}", known(loss.text_offset), known(loss.length), loss.cause)
}

fn without_extension(path: &Path, extension: &str) -> Result<PathBuf> {
    match path.extension() {
        Some(found) if found == extension => Ok(path.with_extension("")),
        _ => bail!(
            "{}: expected a name that ends in .{extension}; use -o FILE or -c to say where the text goes",
            path.display()
        ),
    }
}

fn read_message(
    arguments: &DecompressArguments,
    named: Option<&LoadedModel>,
    input: &Input,
    output: &mut Output,
) -> Result<Restored> {
    if let Some(lexicon) = named.and_then(LoadedModel::as_lexicon) {
        return read_lexicon_message(lexicon, arguments.window_bits, input, output);
    }
    let model = named.cloned().map_or_else(|| arguments.model.load_m1(), Ok)?;
    let context = context(arguments.context, Some(&model))?;
    let layout = match arguments.window_bits {
        None => Layout::Message,
        Some(bits) => Layout::Independent { bits, code: WindowCode::Default, context },
    };
    let payload = read_payload(input)?;
    let mut session = model.session(context)?;
    let mut decoder = raw::PayloadDecoder::new(layout, payload.len())?;
    let mut buffer = vec![0; 1 << 16];
    let mut restored = Restored { stream: payload.len() as u64, ..Restored::default() };
    let mut rest = &payload[..];
    while !decoder.is_done() {
        let progress = decoder
            .decode(&mut session, rest, &mut buffer)
            .with_context(|| format!("not a message of model '{}' in this layout", model.name()))?;
        rest = &rest[progress.consumed..];
        restored.text += progress.written as u64;
        output.write_all(&buffer[..progress.written]).context("cannot write")?;
        ensure!(progress.consumed + progress.written > 0 || decoder.is_done(), "the message is cut short");
    }
    Ok(restored)
}

fn read_payload(input: &Input) -> Result<Vec<u8>> {
    let mut payload = Vec::new();
    input.open()?.take(LONGEST_MESSAGE + 1).read_to_end(&mut payload).context("cannot read")?;
    ensure!(
        payload.len() as u64 <= LONGEST_MESSAGE,
        "longer than {LONGEST_MESSAGE} bytes, so it is no message of compress --raw"
    );
    Ok(payload)
}

/// A message of codes, each a text of the lexicon.
fn read_lexicon_message(
    lexicon: &Lexicon,
    bits: Option<WindowBits>,
    input: &Input,
    output: &mut Output,
) -> Result<Restored> {
    only_16_bits(bits)?;
    let payload = read_payload(input)?;
    let text = lexicon.payload(&payload).and_then(|text| text.collect::<Result<Vec<u8>, _>>());
    let text = text.context("not a message of this lexicon")?;
    output.write_all(&text).context("cannot write")?;
    Ok(Restored { text: text.len() as u64, stream: payload.len() as u64, ..Restored::default() })
}
