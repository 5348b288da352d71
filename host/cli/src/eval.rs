//! `eval`: every method side by side on a file or corpus.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use equalinfo_codec::WindowBits;
use equalinfo_codec::container::ModelIdentity;

use super::options::{Code, CorpusArguments, ModelArguments, ThreadArguments, say_skipped, token_bits, window_bits};
use super::progress;
use super::table::{Table, grouped, number};
use equalinfo::coding::LONGEST_CONTEXT;
use equalinfo::{ByteFrequencies, CodingModel, Lexicon, Model, store};
use equalinfo_lab::{Evaluation, EvaluationRow, LabError, Measure};

/// Methods that can be measured; more than can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EvalMethod {
    Bytes,
    Gzip,
    StaticAc,
    Ac,
    EqualInfo,
}

/// `eval` of text, or of an M2.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct EvalCommand {
    #[command(subcommand)]
    pub model: Option<EvalModel>,

    #[command(flatten)]
    pub text: EvalArguments,
}

/// What else is measured.
#[derive(Debug, Clone, Subcommand)]
pub enum EvalModel {
    /// Measure a trained M2 on tokens: bits/byte, accuracy, FLOPs/byte
    M2(super::m2::EvalArguments),
}

/// Options of `eval`.
///
/// Documents are joined and cut into pieces of 64 KiB for the window methods, as the paper joins documents before it
/// cuts examples; arithmetic coding restarts with every document and every piece. The bound is what an ideal coder
/// of b bits would hold: -log2 P summed from an empty context until it exceeds b, the last byte counted by the share
/// that still fits, its windows restarting where its own windows end.
#[derive(Debug, Clone, Args)]
pub struct EvalArguments {
    /// Files, directories or patterns (.txt, .jsonl, .parquet; .gz, .zst, .xz)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,

    #[command(flatten)]
    pub reading: CorpusArguments,

    /// Methods to measure, separated by commas (default: all)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub method: Vec<EvalMethod>,

    /// Widths of windows, separated by commas (default: all)
    #[arg(long, value_name = "B", value_delimiter = ',', value_parser = window_bits)]
    pub window_bits: Vec<WindowBits>,

    /// Widths of tokens, separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [8, 16], value_parser = token_bits)]
    pub token_bits: Vec<u32>,

    /// Window codes, separated by commas (default: all)
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub code: Vec<Code>,

    /// Lexicons of the model, separated by commas, to measure with the methods
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub lexicon: Vec<PathBuf>,

    /// Bytes of context (default: the model's)
    #[arg(long, value_name = "N", value_parser = super::options::count::<usize>)]
    pub context: Option<usize>,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub threads: ThreadArguments,

    /// Print one JSON object a method
    #[arg(long)]
    pub json: bool,

    /// No progress bar
    #[arg(short, long)]
    pub quiet: bool,
}

impl EvalArguments {
    /// The codes that windows are measured in.
    fn codes(&self) -> &[Code] {
        const ALL: [Code; 4] = [Code::Default, Code::Flexible, Code::Paper, Code::Delay];
        if self.code.is_empty() { &ALL } else { &self.code }
    }

    /// The widths of windows that are measured.
    fn widths(&self) -> &[WindowBits] {
        if self.window_bits.is_empty() { &WindowBits::STANDARD } else { &self.window_bits }
    }

    /// Refuses options that no measured method has.
    fn check(&self) -> Result<()> {
        if !self.method.is_empty() && !self.method.contains(&EvalMethod::EqualInfo) {
            let code = !self.code.is_empty() && self.lexicon.is_empty();
            let given = [("--window-bits", !self.window_bits.is_empty()), ("--code", code)];
            super::options::refuse(&given, "only --method equal-info has windows")?;
        }
        Ok(())
    }

    fn measures(&self) -> Vec<Measure> {
        let methods = if self.method.is_empty() { EvalMethod::value_variants() } else { &self.method };
        let mut measures = Vec::new();
        for method in methods {
            match method {
                EvalMethod::Bytes => measures.push(Measure::Bytes),
                EvalMethod::Gzip => measures.push(Measure::Gzip),
                EvalMethod::StaticAc => measures.push(Measure::StaticAc),
                EvalMethod::Ac => measures.push(Measure::Ac),
                EvalMethod::EqualInfo => measures.extend(
                    self.widths()
                        .iter()
                        .flat_map(|&bits| self.codes().iter().map(move |&code| Measure::Windows(bits, code.into()))),
                ),
            }
        }
        let flexible = Some(Code::Flexible).filter(|code| self.codes().contains(code));
        measures.extend((0..self.lexicon.len()).flat_map(|index| {
            [Code::Default].into_iter().chain(flexible).map(move |code| Measure::Lexicon(index, code.into()))
        }));
        measures
    }

    /// The lexicons, and the model that they were compiled from if none is named.
    fn load_lexicons(&self) -> Result<(Vec<Lexicon>, Option<Model>)> {
        let lexicons = self.lexicon.iter().map(Lexicon::open).collect::<Result<Vec<_>, _>>().context("--lexicon")?;
        let mut m1 = None;
        for (path, lexicon) in self.lexicon.iter().zip(&lexicons) {
            let id = lexicon.model_id();
            let model = match &m1 {
                Some(model) => model,
                None if self.model.model.is_some() => m1.insert(self.model.load_m1()?),
                None => m1.insert(model_with_id(id).with_context(|| format!("--lexicon {}", path.display()))?),
            };
            ensure!(
                model.id() == id,
                "--lexicon {}: compiled from model {id:016x}, but what is measured is {} {:016x}; name its model with --model",
                path.display(),
                model.name(),
                model.id()
            );
        }
        Ok((lexicons, m1))
    }
}

/// The model that a lexicon was compiled from, shipped or installed.
fn model_with_id(id: u64) -> Result<Model> {
    match store::shipped_or_installed(ModelIdentity::short(id))? {
        Some(CodingModel::Model(model)) => Ok(model),
        _ => bail!("compiled from model {id:016x}, which is neither shipped nor installed; name it with --model"),
    }
}

/// Measures and prints.
///
/// # Errors
/// The model, the corpus or the tokens cannot be read, or stdout cannot be written.
pub fn run(command: &EvalCommand) -> Result<()> {
    match &command.model {
        Some(EvalModel::M2(arguments)) => super::m2::eval(arguments),
        None => eval(&command.text),
    }
}

fn eval(arguments: &EvalArguments) -> Result<()> {
    arguments.check()?;
    arguments.model.only_cpu()?;
    let measures = arguments.measures();
    let needs_m1 = measures.iter().any(|measure| matches!(measure, Measure::Ac | Measure::Windows(..)));
    let (lexicons, m1) = arguments.load_lexicons()?;
    let m1 = match m1 {
        None if needs_m1 => Some(arguments.model.load_m1()?),
        m1 => m1,
    };
    let context = super::options::context(arguments.context, m1.as_ref().map_or(LONGEST_CONTEXT, Model::context))?;
    let frequencies = ByteFrequencies::english();
    let corpus = arguments.reading.corpus(&arguments.files)?;
    let bar = progress::bytes("eval", None, arguments.quiet);
    let evaluation = Evaluation {
        m1: m1.as_ref(),
        frequencies: &frequencies,
        lexicons: &lexicons,
        context,
        measures,
        token_bits: arguments.token_bits.clone(),
        threads: arguments.threads.count(),
    };
    let rows =
        evaluation.run(corpus.documents().map(|document| document.map_err(LabError::from)), |bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    say_skipped(&corpus);
    ensure!(!rows.is_empty(), "no text in these files");
    let text = if arguments.json { json(&rows)? } else { tables(&rows) };
    super::standard::print(text)
}

fn json(rows: &[EvaluationRow]) -> Result<String> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(text)
}

fn tables(rows: &[EvaluationRow]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let model = rows.iter().filter(|row| row.method != "static-ac").find_map(|row| row.model.as_deref());
    let mut text = format!("{} bytes of text, model {}\n\n", grouped(first.bytes), model.unwrap_or("none"));
    let mut methods = Table::new(&["method", "code", "bits/byte", "token ratio"]);
    for row in rows {
        methods.row(vec![
            row.paper_name(),
            row.code.clone().unwrap_or_else(|| "-".to_owned()),
            number(Some(row.bits_per_byte), 4),
            number(Some(row.token_ratio), 4),
        ]);
    }
    text.push_str(&methods.render());
    text.push_str("\nbits of the code alone: without the headers, blocks and index of a file that 'compress' writes\n");
    let windows = side_by_side(rows);
    if !windows.is_empty() {
        text.push_str("\nbytes/window; as a share of the bound, whose windows restart on their own; and of a bound with the same starts\n");
        text.push_str(&windows);
    }
    text
}

/// One line a window width: the bound and every code.
fn side_by_side(rows: &[EvaluationRow]) -> String {
    let (mut widths, mut codes) = (Vec::new(), Vec::new());
    for (bits, code) in rows.iter().filter_map(|row| Some((row.window_bits?, row.code.as_deref()?))) {
        if !widths.contains(&bits) {
            widths.push(bits);
        }
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    if widths.is_empty() {
        return String::new();
    }
    let mut header = vec!["b", "bound"];
    for code in &codes {
        header.extend([code, "bound", "starts"]);
    }
    let mut table = Table::new(&header);
    for bits in widths {
        let find =
            |code: &str| rows.iter().find(|row| row.window_bits == Some(bits) && row.code.as_deref() == Some(code));
        let bound = codes.first().and_then(|code| find(code)).and_then(|row| row.bound_bytes_per_window);
        let mut cells = vec![bits.to_string(), number(bound, 4)];
        for code in &codes {
            let row = find(code);
            let reached = row.and_then(|row| row.bytes_per_window);
            let share = |ideal: Option<f64>| number(reached.zip(ideal).map(|(reached, ideal)| reached / ideal), 4);
            cells.extend([
                number(reached, 4),
                share(bound),
                share(row.and_then(|row| row.same_starts_bytes_per_window)),
            ]);
        }
        table.row(cells);
    }
    table.render()
}
