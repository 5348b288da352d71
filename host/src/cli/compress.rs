//! `compress`: files to `.eqi` streams, or one message to bare windows.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use equalinfo_codec::container::{DEFAULT_BLOCK_SIZE, Method as StreamMethod};
use equalinfo_codec::lexicon::payload::METHOD;
use equalinfo_codec::raw::{self, Layout};
use equalinfo_codec::{WindowBits, WindowCode};

use super::Outcome;
use super::files::{Destination, Input, Output};
use super::options::{
    Code, Device, LexiconArguments, Method, ModelArguments, ThreadArguments, VerbosityArguments, context, only_16_bits,
    size, window_bits,
};
use super::progress;
use super::table::grouped;
use crate::compress::windows::Encoding;
use crate::compress::write::{Written, compress};
use crate::compress::{Recipe, Workers};
use crate::model::LoadedModel;

/// The extension of streams.
pub const STREAM: &str = "eqi";
/// The extension of bare messages.
pub const MESSAGE: &str = "eqm";
/// A message is coded in one piece; anything larger is a file.
pub const LONGEST_MESSAGE: u64 = 1 << 24;

/// Options of `compress`.
#[derive(Debug, Clone, Args)]
pub struct CompressArguments {
    /// Files; none or - is stdin
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub outputs: OutputArguments,

    /// How the text is coded (default: ac; with --raw or --lexicon: equal-info)
    #[arg(long, value_name = "NAME")]
    pub method: Option<Method>,

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

    /// Bytes of text in a block (suffixes K, M): blocks are what is coded in parallel, checked and decoded alone
    #[arg(long, value_name = "BYTES", value_parser = size, default_value_t = u64::from(DEFAULT_BLOCK_SIZE))]
    pub block_size: u64,

    /// Write the input as one message: windows and nothing around them, the model known to both sides
    #[arg(long, conflicts_with_all = ["block_size", "code"])]
    pub raw: bool,

    /// With --raw: code every line as a message of its own and print the sizes; nothing is written
    #[arg(long, requires = "raw", conflicts_with = "output")]
    pub lines: bool,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// Where the results go and what becomes of the files they came from.
#[derive(Debug, Clone, Args)]
pub struct OutputArguments {
    /// Output file; - is stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write to stdout
    #[arg(short = 'c', long, conflicts_with = "output")]
    pub stdout: bool,

    /// Overwrite outputs, and write binary data to a terminal
    #[arg(short, long)]
    pub force: bool,

    /// Keep the input files (the default)
    #[arg(short, long, conflicts_with = "rm")]
    pub keep: bool,

    /// Remove each input file once its output is complete
    #[arg(long)]
    pub rm: bool,
}

impl OutputArguments {
    /// The destination of one of `inputs` inputs; `name` makes the default from the input's path.
    ///
    /// # Errors
    /// Several inputs with one `-o`, or no name can be made.
    pub fn destination(
        &self,
        input: &Input,
        inputs: usize,
        name: impl Fn(&Path) -> Result<PathBuf>,
    ) -> Result<Destination> {
        if self.stdout {
            return Ok(Destination::Stdout);
        }
        match (&self.output, &input.path) {
            (Some(output), _) if inputs > 1 && output.as_os_str() != "-" => {
                bail!(
                    "-o {} with {inputs} inputs: several inputs need an output each; leave -o away or use -c to join them",
                    output.display()
                )
            }
            (Some(output), _) => Ok(Destination::from_argument(output)),
            (None, None) => Ok(Destination::Stdout),
            (None, Some(path)) => Ok(Destination::File(name(path)?)),
        }
    }

    /// Removes an input whose output is complete, if that was asked for.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn dispose(&self, input: &Input) -> Result<()> {
        match &input.path {
            Some(path) if self.rm => {
                fs::remove_file(path).with_context(|| format!("{}: cannot remove", path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Compresses every input.
///
/// # Errors
/// Options that do not go together; a model, input or output that cannot be used.
pub fn run(arguments: &CompressArguments) -> Result<Outcome> {
    let recipe = recipe(arguments)?;
    let context = usize::from(recipe.header.model.context);
    let workers = if arguments.raw {
        arguments.model.only_cpu()?;
        Workers::Threads(1)
    } else {
        arguments.model.workers(arguments.threads.count(), &recipe.model, context)?
    };
    let inputs = Input::from_arguments(&arguments.files);
    let extension = if arguments.raw { MESSAGE } else { STREAM };
    for input in &inputs {
        if arguments.lines {
            measure_lines(&recipe, layout(arguments, &recipe), input)?;
            continue;
        }
        let destination = arguments.outputs.destination(input, inputs.len(), |path| with_extension(path, extension))?;
        let mut output = Output::create(&destination, arguments.outputs.force, true)?;
        let started = Instant::now();
        let mut reader = input.open()?;
        let written = if arguments.raw {
            write_message(&recipe, layout(arguments, &recipe), input, &mut reader, &mut output)
        } else {
            let bar = progress::bytes("compress", input.size(), arguments.verbosity.quiet);
            let written = compress(&recipe, &workers, reader, &mut output, |text, stream| {
                bar.set_position(text);
                bar.set_message(format!("{:.3} bits/byte", stream as f64 * 8.0 / text as f64));
            });
            bar.finish_and_clear();
            written
        };
        let written = written.with_context(|| format!("{} to {destination}", input.name))?;
        output.finish(input.path.as_deref())?;
        arguments.outputs.dispose(input)?;
        if !arguments.verbosity.quiet {
            report(input, &destination, &written, started, arguments.verbosity.verbose.then_some(&recipe));
        }
    }
    Ok(Outcome::Complete)
}

fn recipe(arguments: &CompressArguments) -> Result<Recipe> {
    if let Some(lexicon) = arguments.lexicon.load()? {
        return lexicon_recipe(arguments, lexicon);
    }
    let method = arguments.method.unwrap_or(if arguments.raw { Method::EqualInfo } else { Method::Ac });
    if arguments.raw && method != Method::EqualInfo {
        bail!("--raw writes windows: use it with --method equal-info, or leave --method away");
    }
    if method != Method::EqualInfo && (arguments.window_bits.is_some() || arguments.code.is_some()) {
        bail!("--window-bits and --code belong to --method equal-info");
    }
    let bits = arguments.window_bits.unwrap_or(WindowBits::B64);
    let device = arguments.model.device;
    let code = arguments.code.unwrap_or(Code::on(device));
    if code == Code::Paper {
        bail!(
            "--code paper has no decoder, as several texts share a code; use default or delay here, and 'equalinfo eval' or 'inspect' to measure it"
        );
    }
    let (method, model) = match method {
        Method::StaticAc => (StreamMethod::StaticAc, arguments.model.load_counts()?),
        Method::Ac => (StreamMethod::Ac, arguments.model.load_m1()?),
        Method::EqualInfo => {
            (StreamMethod::EqualInfo { bits, code: Encoding::from(code).code() }, arguments.model.load_m1()?)
        }
    };
    let context = context(arguments.context, Some(&model))?;
    let flexible = code == Code::Flexible;
    ensure!(
        !flexible || device != Device::Cuda,
        "--code flexible encodes on the CPU: use --device cpu, or another code"
    );
    Ok(Recipe { flexible, ..Recipe::new(method, model, context, arguments.block_size)? })
}

fn lexicon_recipe(arguments: &CompressArguments, lexicon: LoadedModel) -> Result<Recipe> {
    only_16_bits(arguments.window_bits)?;
    let code = arguments.code.unwrap_or(Code::Flexible);
    ensure!(
        matches!(arguments.method, None | Some(Method::EqualInfo)) && matches!(code, Code::Default | Code::Flexible),
        "--lexicon belongs to --method equal-info with the default code"
    );
    let context = lexicon.context();
    ensure!(
        arguments.context.is_none_or(|asked| asked == context),
        "--context: this lexicon has texts of up to {context} bytes; build another one for another context"
    );
    let flexible = code == Code::Flexible;
    Ok(Recipe { flexible, ..Recipe::new(METHOD, lexicon, context, arguments.block_size)? })
}

/// The layout of a message: as short as possible, unless the user wants windows of one width.
fn layout(arguments: &CompressArguments, recipe: &Recipe) -> Layout {
    let only = recipe.model.as_lexicon().map(|_| WindowBits::B16);
    match arguments.window_bits.or(only) {
        None => Layout::Message,
        Some(bits) => {
            Layout::Independent { bits, code: WindowCode::Default, context: usize::from(recipe.header.model.context) }
        }
    }
}

/// `FILE.eqi`, also when the file has an extension already.
fn with_extension(path: &Path, extension: &str) -> Result<PathBuf> {
    if path.extension().is_some_and(|found| found == extension) {
        bail!("{}: already has the extension .{extension}; use -o to compress it all the same", path.display());
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    Ok(PathBuf::from(name))
}

fn encode_message(model: &LoadedModel, context: usize, layout: Layout, text: &[u8]) -> Result<Vec<u8>> {
    // Windows hold at least one byte of text each; messages never need more than two bytes for one.
    let largest = match layout {
        Layout::Message => 2 * text.len() + 16,
        Layout::Independent { bits, .. } => bits.bytes() * text.len(),
    };
    let mut payload = vec![0; largest];
    let length = match model.as_lexicon() {
        Some(lexicon) => lexicon.encode_payload(text, &mut payload)?,
        None => raw::encode(&mut model.session(context)?, layout, text, &mut payload)?,
    };
    payload.truncate(length);
    Ok(payload)
}

fn write_message(
    recipe: &Recipe,
    layout: Layout,
    input: &Input,
    reader: &mut impl Read,
    output: &mut Output,
) -> Result<Written> {
    let mut text = Vec::new();
    reader.take(LONGEST_MESSAGE + 1).read_to_end(&mut text).context("cannot read")?;
    ensure!(
        text.len() as u64 <= LONGEST_MESSAGE,
        "{} is longer than {LONGEST_MESSAGE} bytes; --raw is for messages, leave it away for files",
        input.name
    );
    let payload = encode_message(&recipe.model, usize::from(recipe.header.model.context), layout, &text)?;
    output.write_all(&payload).context("cannot write")?;
    Ok(Written { text: text.len() as u64, stream: payload.len() as u64, blocks: 1, windows: 0 })
}

/// Prints what messages would cost, a line of the input each.
fn measure_lines(recipe: &Recipe, layout: Layout, input: &Input) -> Result<()> {
    let mut text = Vec::new();
    input.open()?.read_to_end(&mut text).with_context(|| format!("{}: cannot read", input.name))?;
    let (mut messages, mut bytes, mut coded) = (0u64, 0u64, 0u64);
    let context = usize::from(recipe.header.model.context);
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        messages += 1;
        bytes += line.len() as u64;
        coded += encode_message(&recipe.model, context, layout, line)?.len() as u64;
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(
        stdout,
        "{}: {} messages, {} bytes, {} compressed, {:.3} bits/byte, model {}",
        input.name,
        grouped(messages),
        grouped(bytes),
        grouped(coded),
        coded as f64 * 8.0 / bytes.max(1) as f64,
        recipe.model.name()
    )
    .context("(stdout): cannot write")
}

fn report(input: &Input, destination: &Destination, written: &Written, started: Instant, recipe: Option<&Recipe>) {
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{}: {} => {} bytes, {:.3} bits/byte, {seconds:.2} s, {destination}",
        input.name,
        grouped(written.text),
        grouped(written.stream),
        written.stream as f64 * 8.0 / written.text.max(1) as f64,
    );
    if let Some(recipe) = recipe {
        eprintln!(
            "  {} blocks, {} windows, model {} {:016x}, {:.0} KB/s",
            grouped(u64::from(written.blocks)),
            grouped(written.windows),
            recipe.model.name(),
            recipe.model.id(),
            written.text as f64 / seconds / 1e3,
        );
    }
}
