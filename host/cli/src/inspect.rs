//! `inspect`: what a stream says of itself, where its blocks are, and how text falls into windows.

use std::fs::File;
use std::io::{IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use equalinfo_codec::WindowBits;
use equalinfo_codec::container::{BlockKind, DEFAULT_BLOCK_SIZE, Method as StreamMethod};
use serde_json::json;

use super::decompress::{explained, models};
use super::files::{Input, is_stream, open_file};
use super::messages::counted;
use super::models::model_name;
use super::options::{
    ClassArguments, Code, LexiconArguments, Method, ModelArguments, context, count, only_16_bits, refuse,
    terminal_has_colors, window_bits,
};
use super::segmentation::{Style, WindowView};
use super::table::{Table, grouped};
use super::{Outcome, spool, standard};
use crate::must;
use equalinfo::coding::LONGEST_CONTEXT;
use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo::mix::{Class, Shares};
use equalinfo::plan::{CpuWorker, Job};
use equalinfo::windows::{Encoding, Segmentation};
use equalinfo::{CodingModel, Level, Model, StreamFile, store};
use equalinfo_lab::pieces::Pieces;

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    Auto,
    Always,
    Never,
}

/// Options of `inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArguments {
    /// A stream, or a text to show as windows; - is stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// List the windows: bits, tokens and text of each
    #[arg(long)]
    pub windows: bool,

    /// Show the running text with its windows in alternating colours, or between bars without colours
    #[arg(long, conflicts_with = "windows")]
    pub flow: bool,

    /// Say what M1, matches and contexts each saved of a text's bits, by --model and --class (or a stream's own)
    #[arg(long, conflicts_with_all = ["windows", "flow"])]
    pub bits: bool,

    #[command(flatten)]
    pub class: ClassArguments,

    /// Show this many windows
    #[arg(long, value_name = "N", value_parser = count::<u64>)]
    pub limit: Option<u64>,

    /// How a text falls into windows (the only method: equal-info)
    #[arg(long, value_name = "NAME")]
    pub method: Option<Method>,

    /// Width of a window, for a text (default: 16)
    #[arg(long, value_name = "B", value_parser = window_bits)]
    pub window_bits: Option<WindowBits>,

    /// Window code, for a text (default: flexible)
    #[arg(long, value_name = "CODE")]
    pub code: Option<Code>,

    /// Width of a token (default: 16)
    #[arg(long, value_name = "N", value_parser = super::options::token_bits)]
    pub token_bits: Option<u32>,

    /// Bytes of context, for a text
    #[arg(long, value_name = "N", value_parser = count::<usize>)]
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
    /// Refuses what is not shown.
    fn refuse_unused(&self, windows: bool) -> Result<()> {
        refuse(&[("--class", self.class.class.is_some() && !self.bits)], "tables are shown with --bits")?;
        let of_windows = [
            ("--limit", self.limit.is_some()),
            ("--token-bits", self.token_bits.is_some()),
            ("--method", self.method.is_some()),
            ("--window-bits", self.window_bits.is_some()),
            ("--code", self.code.is_some()),
        ];
        let of_windows = of_windows.map(|(name, given)| (name, given && !windows));
        refuse(
            &of_windows,
            if self.bits { "--bits shows no windows" } else { "windows are shown with --windows or --flow" },
        )?;
        refuse(&[("--lexicon", self.bits && self.lexicon.lexicon.is_some())], "--bits asks a model")
    }

    /// What shows windows of this width.
    fn view(&self, bits: WindowBits) -> WindowView {
        WindowView::new(self.style(), bits, self.token_bits.unwrap_or(16), self.limit)
    }

    fn style(&self) -> Style {
        let colored = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal() && terminal_has_colors(),
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
    let mut output = standard::output();
    let Input { name, path } = Input::from_argument(&arguments.file);
    // Both kinds of input are read more than once.
    let path = path.map_or_else(spool::stdin, Ok)?;
    let file = open_file(&path)?;
    if begins_stream(&file).with_context(|| format!("{name}: cannot read"))? {
        let given = [
            ("--method", arguments.method.is_some()),
            ("--window-bits", arguments.window_bits.is_some()),
            ("--code", arguments.code.is_some()),
            ("--context", arguments.context.is_some()),
        ];
        refuse(&given, "a stream says itself how it is coded").with_context(|| name.clone())?;
        arguments.refuse_unused(arguments.windows || arguments.flow)?;
        let stream = StreamFile::open(file).with_context(|| {
            format!("{name}: damaged or incomplete; 'equalinfo decompress' delivers what is intact")
        })?;
        let named = arguments.lexicon.load_or_named(&arguments.model)?;
        let mut stream = stream.models(models(named.as_ref()));
        if arguments.bits {
            let text = stream.range(0..u64::MAX).map_err(explained).with_context(|| name.clone())?;
            let header = *stream.header();
            let class = arguments.class.class.or(header.method.class());
            let (model, context) = match header.method {
                StreamMethod::Tables(_) => (None, None),
                // Lexicons and static frequencies are no byte models: those streams are seen by one.
                _ => {
                    match named.map_or_else(|| store::shipped_or_installed(header.model.id), |model| Ok(Some(model)))? {
                        Some(CodingModel::Model(model)) => (Some(model), Some(header.model.context.into())),
                        _ => (Some(arguments.model.load_m1()?), None),
                    }
                }
            };
            shares(arguments, &name, model.as_ref(), context, class, &text, &mut output)?;
        } else if arguments.windows || arguments.flow {
            stream_windows(arguments, &mut stream, &mut output).with_context(|| name.clone())?;
        } else if arguments.json {
            writeln!(output, "{}", describe_json(&stream)).context("(stdout): cannot write")?;
        } else {
            output.write_all(describe(&name, &stream).as_bytes()).context("(stdout): cannot write")?;
        }
    } else if arguments.bits {
        arguments.refuse_unused(false)?;
        let text = equalinfo::read_file(&path).with_context(|| format!("{name}: cannot read"))?;
        let model = arguments.model.load_m1()?;
        shares(arguments, &name, Some(&model), arguments.context, arguments.class.class, &text, &mut output)?;
    } else {
        arguments.refuse_unused(true)?;
        text_windows(arguments, &name, &path, &mut output)?;
    }
    output.flush().context("(stdout): cannot write")?;
    Ok(Outcome::Complete)
}

/// Whether a file begins as a stream does. Leaves it at its start.
fn begins_stream(mut file: &File) -> std::io::Result<bool> {
    let mut magic = Vec::new();
    file.take(4).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(is_stream(&magic))
}

/// How a stream is coded, in words: the method with its tables or windows.
pub fn method_in_words(method: StreamMethod) -> String {
    match method {
        StreamMethod::Stored => "stored".to_owned(),
        StreamMethod::Ac => "ac".to_owned(),
        StreamMethod::StaticAc => "static-ac".to_owned(),
        StreamMethod::Mix(class) => format!("mix, tables of {class}"),
        StreamMethod::Tables(class) => format!("tables of {class}"),
        StreamMethod::EqualInfo { bits, code } => {
            format!("equal-info, windows of {} bits, code {}", bits.bits(), Encoding::Greedy(code).name())
        }
        _ => "unknown".to_owned(),
    }
}

/// The name of a method as `--method` takes it.
fn method_name(method: StreamMethod) -> &'static str {
    match method {
        StreamMethod::Stored => "stored",
        StreamMethod::Ac => "ac",
        StreamMethod::StaticAc => "static-ac",
        StreamMethod::Mix(_) => "mix",
        StreamMethod::Tables(_) => "tables",
        StreamMethod::EqualInfo { .. } => "equal-info",
        _ => "unknown",
    }
}

fn kind_name(stream: StreamMethod, kind: BlockKind) -> &'static str {
    kind.method(stream).map_or("unknown", method_name)
}

fn describe(name: &str, file: &StreamFile<File>) -> String {
    let (text_length, blocks) = (file.text_length(), file.blocks());
    let mut text = format!("{name}: {} of text in {}", counted(text_length, "byte"), counted(file.length(), "byte"));
    if text_length > 0 {
        text.push_str(&format!(", {:.3} bits/byte", file.length() as f64 * 8.0 / text_length as f64));
    }
    text.push('\n');
    let several = file.streams().len() > 1;
    for (number, stream) in file.streams().iter().enumerate() {
        let header = stream.start.header;
        if several {
            text.push_str(&format!("stream {number}: "));
        }
        text.push_str(&format!("method {}\n", method_in_words(header.method)));
        if header.method.has_model() {
            let model = model_name(header.model.id, header.name);
            text.push_str(&format!("model {model}, context {} bytes\n", header.model.context));
        }
    }
    let sizes = file.streams().iter().map(|stream| stream.start.header);
    let size = sizes.filter(|header| header.only_block().is_none()).map(|header| header.block_size()).max();
    text.push_str(&counted(blocks.into(), "block"));
    if let Some(size) = size.filter(|&size| size > 0) {
        text.push_str(&format!(" of up to {}", counted(size.into(), "byte")));
    }
    text.push('\n');
    let mut table = Table::new(&[
        "block",
        "coded by",
        "offset",
        "payload",
        "text offset",
        "text",
        "first window",
        "windows",
        "checksum",
    ]);
    for block in file.entries() {
        let method = file.streams()[block.stream].start.header.method;
        table.row(vec![
            block.number.to_string(),
            kind_name(method, block.header.kind).to_owned(),
            grouped(block.offset),
            grouped(u64::from(block.header.payload_length)),
            grouped(block.text_offset),
            grouped(u64::from(block.header.text_length)),
            grouped(block.first_window),
            grouped(u64::from(block.header.windows(method))),
            format!("{:08x}", block.header.text_checksum),
        ]);
    }
    text.push_str(&table.render());
    text
}

fn describe_json(file: &StreamFile<File>) -> serde_json::Value {
    let header = *file.header();
    let (window_bits, code) = match header.method {
        StreamMethod::EqualInfo { bits, code } => (Some(bits.bits()), Some(Encoding::Greedy(code).name())),
        _ => (None, None),
    };
    let table: Vec<serde_json::Value> = file
        .entries()
        .map(|block| {
            let method = file.streams()[block.stream].start.header.method;
            json!({
                "number": block.number,
                "stream": block.stream,
                "kind": kind_name(method, block.header.kind),
                "offset": block.offset,
                "payload_length": block.header.payload_length,
                "text_offset": block.text_offset,
                "text_length": block.header.text_length,
                "first_window": block.first_window,
                "windows": block.header.windows(method),
                "text_checksum": format!("{:08x}", block.header.text_checksum),
            })
        })
        .collect();
    json!({
        "method": method_name(header.method),
        "class": header.method.class().map(|class| class.name()),
        "window_bits": window_bits,
        "code": code,
        "model": Some(header.name.as_str()).filter(|name| !name.is_empty()),
        "model_id": header.method.has_model().then(|| format!("{:08x}", header.model.id)),
        "context": header.model.context,
        "block_size": header.block_size(),
        "streams": file.streams().len(),
        "text_length": file.text_length(),
        "stream_length": file.length(),
        "blocks": table,
    })
}

/// The windows of a stream, as they are stored.
fn stream_windows(arguments: &InspectArguments, file: &mut StreamFile<File>, output: &mut impl Write) -> Result<()> {
    let bits_of = |method| match method {
        StreamMethod::EqualInfo { bits, .. } => Some(bits),
        _ => None,
    };
    let widths: Vec<_> = file.streams().iter().map(|stream| bits_of(stream.start.header.method)).collect();
    let Some(bits) = widths.iter().flatten().next().copied() else {
        bail!("has no windows: it was not written with --method equal-info");
    };
    ensure!(widths.iter().flatten().all(|&other| other == bits), "has streams with windows of several widths");
    let mut view = arguments.view(bits);
    for block in file.entries().collect::<Vec<_>>() {
        let payload = file.payload(&block)?;
        view.start_block(block.first_window, block.text_offset);
        if block.header.kind != BlockKind::Coded || widths[block.stream].is_none() {
            let text = file.text_of(&block, &payload).map_err(explained)?;
            view.stored(output, &text)?;
            continue;
        }
        for value in payload.chunks_exact(bits.bytes()).filter_map(|value| bits.read(value)) {
            let text = file.window_text(block.stream, value).map_err(explained)?;
            if !view.window(output, value, &text)? {
                return view.finish(output);
            }
        }
    }
    view.finish(output)
}

/// What became of the bits of a text, by tables behind a model that sees `asked` bytes, else its longest context.
fn shares(
    arguments: &InspectArguments,
    name: &str,
    model: Option<&Model>,
    asked: Option<usize>,
    class: Option<Class>,
    text: &[u8],
    output: &mut impl Write,
) -> Result<()> {
    ensure!(!text.is_empty(), "{name}: has no text");
    let class = class.unwrap_or(Level::DEFAULT.class());
    let context = context(asked, model.map_or(LONGEST_CONTEXT, Model::context))?;
    let shares = Shares::of(model, context, class, text)?;
    let all = 8.0 * text.len() as f64;
    if arguments.json {
        let described = json!({
            "bytes": text.len(), "model": shares.model, "matches": shares.matches, "contexts": shares.contexts,
            "corrections": shares.corrections, "code": shares.code,
        });
        writeln!(output, "{described}").context("(stdout): cannot write")?;
        return Ok(());
    }
    let mut table = Table::new(&["", "bits", "bits/byte", "share"]);
    let saved_by = model.map_or_else(|| "saved by a model".to_owned(), |model| format!("saved by {}", model.name()));
    for (what, bits) in [
        ("text", all),
        (saved_by.as_str(), shares.model),
        ("saved by matches", shares.matches),
        ("saved by contexts", shares.contexts),
        ("saved by corrections", shares.corrections),
        ("code", shares.code),
    ] {
        let (per_byte, percent) = (bits / text.len() as f64, bits / all * 100.0);
        table.row(vec![what.to_owned(), format!("{bits:.0}"), format!("{per_byte:.3}"), format!("{percent:.1}%")]);
    }
    write!(output, "{name}: {}, tables of {class}\n{}", counted(text.len() as u64, "byte"), table.render())
        .context("(stdout): cannot write")
}

/// The windows that a text falls into.
fn text_windows(arguments: &InspectArguments, name: &str, path: &Path, output: &mut impl Write) -> Result<()> {
    must!(
        arguments.method.is_none_or(|method| method == Method::EqualInfo),
        "{name}: a text is shown as windows of --method equal-info; the other methods have none"
    );
    let bits = arguments.window_bits.unwrap_or(WindowBits::B16);
    let code = arguments.code.unwrap_or(Code::Flexible);
    let model = match arguments.lexicon.load()? {
        Some(lexicon) => {
            only_16_bits(Some(bits))?;
            must!(matches!(code, Code::Default | Code::Flexible), "--code: a lexicon has the default code");
            CodingModel::from(lexicon)
        }
        None => arguments.model.load_m1()?.into(),
    };
    let context = context(arguments.context, model.context())?;
    let mut worker = CpuWorker::new(&model, context, Job::Cut(Segmentation::new(bits, code.into(), context)))?;
    let wanted = arguments.limit.map_or(usize::MAX, |windows| (windows as usize).saturating_mul(bits.bytes()));
    let mut view = arguments.view(bits);
    let corpus = Corpus::new(&[path.to_string_lossy()], CorpusOptions::default())?;
    // As compress would cut it.
    debug_assert_eq!(equalinfo_lab::pieces::PIECE, DEFAULT_BLOCK_SIZE as usize);
    for piece in Pieces::new(corpus.documents()) {
        let text = piece?.text;
        for windows in worker.cut(wanted, &[&text])? {
            let mut rest = &text[..];
            for (value, &length) in windows.values().zip(&windows.lengths) {
                let (taken, left) = rest.split_at(length.into());
                if !view.window(output, value, taken)? {
                    return view.finish(output);
                }
                rest = left;
            }
        }
    }
    view.finish(output)
}
