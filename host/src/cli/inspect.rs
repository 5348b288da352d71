//! `inspect`: what a stream says of itself, where its blocks are, and how text falls into windows.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use equalinfo_codec::WindowBits;
use equalinfo_codec::container::{BlockKind, DEFAULT_BLOCK_SIZE, Method as StreamMethod};
use serde_json::json;

use super::Outcome;
use super::decompress::model_of;
use super::files::open_file;
use super::options::{Code, LexiconArguments, Method, ModelArguments, context, only_16_bits, window_bits};
use super::segmentation::{Style, WindowView};
use super::table::{Table, grouped};
use crate::compress::access::StreamFile;
use crate::compress::windows::{Cutter, Encoding};
use crate::corpus::{Corpus, CorpusOptions};
use crate::eval::pieces::Pieces;

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// Options of `inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArguments {
    /// A stream, or a text to show as windows
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// List the windows: bits, tokens and text of each
    #[arg(long)]
    pub windows: bool,

    /// Show the running text with its windows in alternating colours, or between bars without colours
    #[arg(long, conflicts_with = "windows")]
    pub flow: bool,

    /// Show this many windows
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,

    /// How a text falls into windows
    #[arg(long, value_name = "NAME", default_value = "equal-info")]
    pub method: Method,

    /// Width of a window, for a text
    #[arg(long, value_name = "B", value_parser = window_bits, default_value = "16")]
    pub window_bits: WindowBits,

    /// Window code, for a text
    #[arg(long, value_name = "CODE", default_value = "flexible")]
    pub code: Code,

    /// Width of a token
    #[arg(long, value_name = "N", value_parser = super::options::token_bits, default_value = "16")]
    pub token_bits: u32,

    /// Bytes of context, for a text
    #[arg(long, value_name = "N")]
    pub context: Option<usize>,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,

    /// Print JSON: one object for a stream, one for each window
    #[arg(long)]
    pub json: bool,
}

impl InspectArguments {
    fn style(&self) -> Style {
        let colored = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        match (self.json, self.flow) {
            (true, _) => Style::Json,
            (false, true) => Style::Flow { colored },
            (false, false) => Style::List { colored },
        }
    }
}

/// Prints what was asked for.
///
/// # Errors
/// The file cannot be read, or needs a model that is not there.
pub fn run(arguments: &InspectArguments) -> Result<Outcome> {
    arguments.model.only_cpu()?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    let name = arguments.file.display().to_string();
    let file = open_file(&arguments.file)?;
    if is_stream(&file).with_context(|| format!("{name}: cannot read"))? {
        let mut stream = StreamFile::open(file).with_context(|| {
            format!("{name}: damaged or incomplete; 'equalinfo decompress' delivers what is intact")
        })?;
        if arguments.windows || arguments.flow {
            stream_windows(arguments, &mut stream, &mut output).with_context(|| name.clone())?;
        } else if arguments.json {
            let description = describe_json(&mut stream).with_context(|| name.clone())?;
            writeln!(output, "{description}").context("(stdout): cannot write")?;
        } else {
            let description = describe(&name, &mut stream).with_context(|| name.clone())?;
            output.write_all(description.as_bytes()).context("(stdout): cannot write")?;
        }
    } else {
        text_windows(arguments, &mut output)?;
    }
    output.flush().context("(stdout): cannot write")?;
    Ok(Outcome::Complete)
}

/// Whether a file begins as a stream does. Leaves it at its start.
fn is_stream(mut file: &File) -> std::io::Result<bool> {
    let mut magic = Vec::new();
    file.take(4).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(magic == *b"\x93EQI")
}

fn method_names(method: StreamMethod) -> (&'static str, Option<u32>, Option<&'static str>) {
    match method {
        StreamMethod::Ac => ("ac", None, None),
        StreamMethod::StaticAc => ("static-ac", None, None),
        StreamMethod::EqualInfo { bits, code } => {
            ("equal-info", Some(bits.bits()), Some(Encoding::Greedy(code).name()))
        }
        _ => ("unknown", None, None),
    }
}

fn kind_name(kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Coded => "coded",
        BlockKind::Stored => "stored",
    }
}

fn describe(name: &str, stream: &mut StreamFile) -> Result<String> {
    let header = *stream.header();
    let (method, bits, code) = method_names(header.method);
    let (text_length, blocks) = (stream.index()?.text_length(), stream.index()?.blocks());
    let mut text = format!("{name}: {} bytes of text in {} bytes", grouped(text_length), grouped(stream.length()));
    if text_length > 0 {
        text.push_str(&format!(", {:.3} bits/byte", stream.length() as f64 * 8.0 / text_length as f64));
    }
    text.push_str(&format!("\nmethod {method}"));
    if let (Some(bits), Some(code)) = (bits, code) {
        text.push_str(&format!(", windows of {bits} bits, code {code}"));
    }
    if header.model.context > 0 {
        text.push_str(&format!("\nmodel {:016x}, context {} bytes", header.model.id, header.model.context));
    }
    text.push_str(&format!(
        "\n{} blocks of up to {} bytes\n",
        grouped(u64::from(blocks)),
        grouped(u64::from(header.block_size))
    ));
    let mut table = Table::new(&[
        "block",
        "kind",
        "offset",
        "payload",
        "text offset",
        "text",
        "first window",
        "windows",
        "checksum",
    ]);
    for number in 0..blocks {
        let (entry, block) = stream.block_header(number)?;
        table.row(vec![
            number.to_string(),
            kind_name(block.kind).to_owned(),
            grouped(entry.offset),
            grouped(u64::from(block.payload_length)),
            grouped(entry.text_offset),
            grouped(u64::from(block.text_length)),
            grouped(entry.first_window),
            grouped(u64::from(block.windows(header.method))),
            format!("{:08x}", block.text_checksum),
        ]);
    }
    text.push_str(&table.render());
    Ok(text)
}

fn describe_json(stream: &mut StreamFile) -> Result<serde_json::Value> {
    let header = *stream.header();
    let (method, window_bits, code) = method_names(header.method);
    let (text_length, blocks) = (stream.index()?.text_length(), stream.index()?.blocks());
    let mut table = Vec::new();
    for number in 0..blocks {
        let (entry, block) = stream.block_header(number)?;
        table.push(json!({
            "number": number,
            "kind": kind_name(block.kind),
            "offset": entry.offset,
            "payload_length": block.payload_length,
            "text_offset": entry.text_offset,
            "text_length": block.text_length,
            "first_window": entry.first_window,
            "windows": block.windows(header.method),
            "text_checksum": format!("{:08x}", block.text_checksum),
        }));
    }
    Ok(json!({
        "method": method,
        "window_bits": window_bits,
        "code": code,
        "model_id": (header.model.context > 0).then(|| format!("{:016x}", header.model.id)),
        "context": header.model.context,
        "block_size": header.block_size,
        "text_length": text_length,
        "stream_length": stream.length(),
        "blocks": table,
    }))
}

/// The windows of a stream, as they are stored.
fn stream_windows(arguments: &InspectArguments, stream: &mut StreamFile, output: &mut impl Write) -> Result<()> {
    let header = *stream.header();
    let StreamMethod::EqualInfo { bits, code } = header.method else {
        bail!("has no windows: it was not written with --method equal-info");
    };
    let named = arguments.lexicon.load_or_named(&arguments.model)?;
    let context = usize::from(header.model.context);
    let mut coder = model_of(&header, named.as_ref())?.coder(context)?;
    let mut view = WindowView::new(arguments.style(), bits, arguments.token_bits, arguments.limit);
    for number in 0..stream.index()?.blocks() {
        let (entry, block, payload) = stream.block(number)?;
        view.start_block(entry.first_window, entry.text_offset);
        if block.kind == BlockKind::Stored {
            view.stored(output, &payload)?;
            continue;
        }
        for value in payload.chunks_exact(bits.bytes()).filter_map(|value| bits.read(value)) {
            let text = coder.decode_window(bits, code, context, value);
            if !view.window(output, value, &text)? {
                return view.finish(output);
            }
        }
    }
    view.finish(output)
}

/// The windows that a text falls into.
fn text_windows(arguments: &InspectArguments, output: &mut impl Write) -> Result<()> {
    ensure!(
        arguments.method == Method::EqualInfo,
        "{}: a text is shown as windows of --method equal-info; the other methods have none",
        arguments.file.display()
    );
    let code = arguments.code;
    let model = match arguments.lexicon.load()? {
        Some(lexicon) => {
            only_16_bits(Some(arguments.window_bits))?;
            ensure!(matches!(code, Code::Default | Code::Flexible), "--code: a lexicon has the default code");
            lexicon
        }
        None => arguments.model.load_m1()?,
    };
    let context = context(arguments.context, Some(&model))?;
    let mut coder = model.coder(context)?;
    let window = (arguments.window_bits, code.into());
    let wanted = arguments.limit.map_or(usize::MAX, |windows| (windows as usize).saturating_mul(window.0.bytes()));
    let mut view = WindowView::new(arguments.style(), window.0, arguments.token_bits, arguments.limit);
    let corpus = Corpus::new(&[arguments.file.to_string_lossy()], CorpusOptions::default())?;
    // As compress would cut it.
    debug_assert_eq!(crate::eval::pieces::PIECE, DEFAULT_BLOCK_SIZE as usize);
    for piece in Pieces::new(corpus.documents()) {
        let text = piece?.text;
        let windows = coder.windows(Cutter::new(window, context, wanted, &text));
        let mut rest = &text[..];
        for (value, &length) in windows.code.chunks(window.0.bytes()).zip(&windows.lengths) {
            let (taken, left) = rest.split_at(length.into());
            if !view.window(output, window.0.read(value).unwrap_or_default(), taken)? {
                return view.finish(output);
            }
            rest = left;
        }
    }
    view.finish(output)
}
