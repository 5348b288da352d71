//! `compress`: files to `.eqi` streams, or one message to bare windows.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use equalinfo_codec::WindowBits;

use super::files::{Destination, Input, Output};
use super::jobs::{self, Job, Naming, OutputArguments};
use super::messages::counted;
use super::options::{
    ClassArguments, Code, Coding, LevelArguments, LexiconArguments, ModelArguments, ThreadArguments,
    VerbosityArguments, block_size, check, context, only_16_bits, refuse, window_bits,
};
use super::table::grouped;
use super::{Outcome, progress, say, standard};
use crate::{mistake, must};
use equalinfo::accelerator::Accelerator;
use equalinfo::cuda::DeviceChoice;
use equalinfo::message::{Check, LONGEST_MESSAGE};
use equalinfo::plan::Workers;
use equalinfo::stream::Written;
use equalinfo::windows::Encoding;
use equalinfo::{CodingModel, Compressor, Lexicon, MessageCoder, Model, StreamMethod};

/// The extension of streams.
pub const STREAM: &str = "eqi";
/// The extension of bare messages.
pub const MESSAGE: &str = "eqm";

/// Options of `compress`.
#[derive(Debug, Clone, Args)]
pub struct CompressArguments {
    /// Files; none or - is stdin
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub outputs: OutputArguments,

    #[command(flatten)]
    pub level: LevelArguments,

    /// How the text is coded (default: by level; with --raw or --lexicon: equal-info; with --device cuda: ac)
    #[arg(long, value_name = "NAME")]
    pub method: Option<Coding>,

    #[command(flatten)]
    pub class: ClassArguments,

    /// Width of a window (method equal-info; default: 64, with --lexicon: 16)
    #[arg(long, value_name = "B", value_parser = window_bits)]
    pub window_bits: Option<WindowBits>,

    /// Window code (method equal-info; default: flexible, with --device cuda default)
    #[arg(long, value_name = "CODE")]
    pub code: Option<Code>,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    /// Bytes of context, at most the model's; a decoder needs memory for as many
    #[arg(long, value_name = "N")]
    pub context: Option<usize>,

    /// Bytes of text in a block, 4K to 256M: blocks are what is coded in parallel, checked and decoded alone, and
    /// tables learn within a block (default: by level; without tables: 64K)
    #[arg(long, value_name = "BYTES", value_parser = block_size)]
    pub block_size: Option<u64>,

    /// Write the input as one message: windows and nothing around them, the model known to both sides
    #[arg(long, conflicts_with_all = ["block_size", "code"])]
    pub raw: bool,

    /// With --raw: bits at the end of the message that tell damage and another model: 0, 8 or 16
    #[arg(long, value_name = "BITS", value_parser = check, default_value = "0", hide_default_value = true, requires = "raw")]
    pub check: Check,

    /// With --raw: code every line as a message of its own and print the sizes; nothing is written
    #[arg(long, requires = "raw", conflicts_with = "output")]
    pub lines: bool,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// Compresses every input.
///
/// # Errors
/// Options or files that do not go together, a model that cannot be used, or stdout cannot be written; errors in
/// single inputs are told and counted.
pub fn run(arguments: &CompressArguments) -> Result<Outcome> {
    let compressor = compressor(arguments)?;
    let gpu = if arguments.raw {
        arguments.model.only_cpu()?;
        None
    } else {
        arguments.model.gpu(compressor.model(), usize::from(compressor.header()?.model.context))?
    };
    if arguments.lines {
        let messages = messages(arguments, &compressor)?;
        let mut worst = Outcome::Complete;
        for input in Input::from_arguments(&arguments.files) {
            worst = worst.max(jobs::one(&input.name, || measure_lines(&messages, &input))?);
        }
        return Ok(worst);
    }
    let extension = if arguments.raw { MESSAGE } else { STREAM };
    let naming =
        Naming { output: &|path| with_extension(path, extension), takes: &|path| !has_extension(path, extension) };
    let read = [arguments.model.path(), arguments.lexicon.lexicon.as_deref()];
    let read: Vec<&Path> = read.into_iter().flatten().collect();
    arguments.outputs.each(&arguments.files, &read, &naming, |job| {
        one(arguments, &compressor, gpu.as_deref(), job)?;
        Ok(Outcome::Complete)
    })
}

/// Compresses one input.
fn one(arguments: &CompressArguments, compressor: &Compressor, gpu: Option<&dyn Accelerator>, job: &Job) -> Result<()> {
    let Job { input, destination } = job;
    let source = input.open()?;
    let (metadata, size) = (source.metadata().cloned(), source.size());
    let mut output = Output::create(destination, arguments.outputs.force, true)?;
    let started = Instant::now();
    let written = if arguments.raw {
        write_message(&messages(arguments, compressor)?, source.reader(), &mut output)
    } else {
        let bar = progress::bytes("compress", size, arguments.verbosity.quiet);
        let workers = gpu.map_or(Workers::Threads(arguments.threads.count()), Workers::Accelerator);
        let written = compressor.compress_by(workers, source.reader(), &mut output, |text, stream| {
            bar.set_position(text);
            bar.set_message(format!("{:.3} bits/byte", stream as f64 * 8.0 / text as f64));
        });
        bar.finish_and_clear();
        written.map_err(Into::into)
    };
    let written = output.named(written)?;
    arguments.outputs.finish(output, input, metadata.as_ref())?;
    if !arguments.verbosity.quiet {
        report(input, destination, &written, started, arguments.verbosity.verbose.then_some(compressor.model()));
    }
    Ok(())
}

fn compressor(arguments: &CompressArguments) -> Result<Compressor> {
    let level = arguments.level.given;
    if let Some(lexicon) = arguments.lexicon.load()? {
        refuse(&[("-1 to -9", level.is_some()), ("--class", arguments.class.class.is_some())], LEXICON_CODES)?;
        return by_lexicon(arguments, &lexicon);
    }
    let device = arguments.model.device;
    let default = match (arguments.raw, device, level.unwrap_or_default().model_name(), &arguments.model.model) {
        (true, ..) => Coding::EqualInfo,
        (_, DeviceChoice::Cuda, ..) => Coding::Ac,
        (_, _, None, None) => Coding::Tables,
        _ => Coding::Mix,
    };
    let method = arguments.method.unwrap_or(default);
    if arguments.raw && method != Coding::EqualInfo {
        mistake!("--raw writes windows: use it with --method equal-info, or omit --method");
    }
    if method != Coding::EqualInfo {
        let given = [("--window-bits", arguments.window_bits.is_some()), ("--code", arguments.code.is_some())];
        refuse(&given, "only --method equal-info has windows")?;
    }
    if !matches!(method, Coding::Mix | Coding::Tables) {
        let given = [("-1 to -9", level.is_some()), ("--class", arguments.class.class.is_some())];
        refuse(&given, "levels and classes are of --method mix and tables")?;
    }
    if matches!(method, Coding::StaticAc | Coding::Tables) {
        refuse(&[("--context", arguments.context.is_some())], "only a model has a context")?;
    }
    if method == Coding::Tables {
        refuse(&[("--model", arguments.model.model.is_some())], "--method tables has no model")?;
    }
    let bits = arguments.window_bits.unwrap_or(WindowBits::B64);
    let code = arguments.code.unwrap_or(Code::on(device));
    if code == Code::Paper {
        mistake!(
            "--code paper has no decoder, as several texts share a code; use default or delay here, and 'equalinfo eval' or 'inspect' to measure it"
        );
    }
    let encoding = Encoding::from(code);
    let level = level.unwrap_or_default();
    let class = arguments.class.class.unwrap_or(level.class());
    let m1 = || arguments.model.load_m1().map(CodingModel::from);
    let (method, model): (_, CodingModel) = match method {
        Coding::Mix => {
            let model = match (&arguments.model.model, level.model_name()) {
                (None, Some(name)) => Model::shipped(name)?.into(),
                _ => m1()?,
            };
            (StreamMethod::Mix(class), model)
        }
        Coding::Tables => (StreamMethod::Tables(class), CodingModel::None),
        Coding::StaticAc => (StreamMethod::StaticAc, arguments.model.load_counts()?.into()),
        Coding::Ac => (StreamMethod::Ac, m1()?),
        Coding::EqualInfo => (StreamMethod::EqualInfo { bits, code: encoding.code() }, m1()?),
    };
    let context = context(arguments.context, model.context())?;
    let flexible = encoding == Encoding::Flexible;
    let has_windows = matches!(method, StreamMethod::EqualInfo { .. });
    must!(
        !(has_windows && flexible) || device != DeviceChoice::Cuda,
        "--code flexible encodes on the CPU: use --device cpu, or another code"
    );
    let of_level = method.class().map(|_| level.block_size());
    let compressor = Compressor::new(model).method(method).context(context).flexible(flexible);
    Ok(arguments.block_size.or(of_level).into_iter().fold(compressor, Compressor::block_size))
}

/// What lexicons are for.
const LEXICON_CODES: &str = "a lexicon codes windows of 16 bits alone";

fn by_lexicon(arguments: &CompressArguments, lexicon: &Lexicon) -> Result<Compressor> {
    only_16_bits(arguments.window_bits)?;
    let code = arguments.code.unwrap_or(Code::Flexible);
    must!(
        matches!(arguments.method, None | Some(Coding::EqualInfo)) && matches!(code, Code::Default | Code::Flexible),
        "--lexicon belongs to --method equal-info with the default code"
    );
    let context = lexicon.context();
    must!(
        arguments.context.is_none_or(|asked| asked == context),
        "--context: this lexicon has texts of up to {context} bytes; build another one for another context"
    );
    let compressor = Compressor::new(lexicon).flexible(code == Code::Flexible);
    Ok(arguments.block_size.into_iter().fold(compressor, Compressor::block_size))
}

/// What codes messages: as short as possible, unless the user wants windows of one width.
fn messages(arguments: &CompressArguments, compressor: &Compressor) -> Result<MessageCoder> {
    let context = usize::from(compressor.header()?.model.context);
    let coder = MessageCoder::new(compressor.model()).context(context).check(arguments.check);
    let coder = coder.threads(arguments.threads.count());
    Ok(arguments.window_bits.into_iter().fold(coder, MessageCoder::window_bits))
}

/// Whether a file's name ends in `.EXTENSION`.
pub fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// `FILE.eqi`, also when the file has an extension already.
fn with_extension(path: &Path, extension: &str) -> Result<PathBuf> {
    if has_extension(path, extension) {
        bail!("{}: already has the extension .{extension}; use -o to compress it all the same", path.display());
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    Ok(PathBuf::from(name))
}

fn write_message(coder: &MessageCoder, reader: impl Read, output: &mut Output) -> Result<Written> {
    let mut text = Vec::new();
    reader.take(LONGEST_MESSAGE as u64 + 1).read_to_end(&mut text).context("cannot read")?;
    ensure!(
        text.len() <= LONGEST_MESSAGE,
        "longer than {} bytes; --raw is for messages, omit it for files",
        grouped(LONGEST_MESSAGE as u64)
    );
    let payload = coder.encode(&text)?;
    output.write_all(&payload).context("cannot write")?;
    Ok(Written { text: text.len() as u64, stream: payload.len() as u64, blocks: 1, windows: 0 })
}

/// Prints what messages would cost, a line of the input each.
fn measure_lines(coder: &MessageCoder, input: &Input) -> Result<Outcome> {
    let mut text = Vec::new();
    input.open()?.reader().read_to_end(&mut text).context("cannot read")?;
    let (mut messages, mut bytes, mut coded) = (0u64, 0u64, 0u64);
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        messages += 1;
        bytes += line.len() as u64;
        coded += coder.encode(line)?.len() as u64;
    }
    standard::print(format!(
        "{}: {}, {}, {} compressed, {:.3} bits/byte, model {}\n",
        input.name,
        counted(messages, "message"),
        counted(bytes, "byte"),
        grouped(coded),
        coded as f64 * 8.0 / bytes.max(1) as f64,
        coder.model().name()
    ))?;
    Ok(Outcome::Complete)
}

fn report(input: &Input, destination: &Destination, written: &Written, started: Instant, model: Option<&CodingModel>) {
    let seconds = started.elapsed().as_secs_f64();
    say!(
        "{}: {} => {}, {:.3} bits/byte, {seconds:.2} s, {destination}",
        input.name,
        grouped(written.text),
        counted(written.stream, "byte"),
        written.stream as f64 * 8.0 / written.text.max(1) as f64,
    );
    if let Some(model) = model {
        say!(
            "  {}, {}, model {} {:016x}, {:.0} KB/s",
            counted(written.blocks.into(), "block"),
            counted(written.windows, "window"),
            model.name(),
            model.id(),
            written.text as f64 / seconds / 1e3,
        );
    }
}
