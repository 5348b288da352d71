//! `table`: the texts of a user interface in one blob, which devices look up by number.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, Subcommand};
use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo::strings::export::{Names, c_header, rust_module};
use equalinfo::strings::{self, StringCoding, StringTable, StringTableBuilder};
use equalinfo::{CodingModel, Model, read_file, store};
use equalinfo_train::m1::{self, M1Options};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::files::{self, Destination, Input, Output, refuse_conflicts};
use super::options::{LexiconArguments, ModelArguments, ThreadArguments, VerbosityArguments, context, count};
use super::table::{Table, grouped};
use super::training::{Progress, in_words};
use super::{messages, say, standard};

/// Commands about string tables.
#[derive(Debug, Clone, Subcommand)]
pub enum StringTables {
    /// Code texts into a string table (.eqt), and write their names as Rust or C constants
    ///
    /// Texts are the lines of a text file, or a JSON array, or a JSON object of names and texts. Each file is a
    /// language, called like the file; all have as many texts, or the same names.
    Build(Box<BuildArguments>),
    /// List the texts of a table with their numbers and sizes
    List(ListArguments),
    /// Print one text of a table
    Get(GetArguments),
}

/// Options of `table build`.
#[derive(Debug, Clone, Args)]
pub struct BuildArguments {
    /// Files of texts, one for each language (.txt, .json)
    #[arg(required = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// Output file (.eqt)
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Also write a Rust module with the table and the names of texts and languages
    #[arg(long, value_name = "FILE.rs")]
    pub rust: Option<PathBuf>,

    /// Also write a C header with the table and the names of texts and languages
    #[arg(long, value_name = "FILE.h")]
    pub c: Option<PathBuf>,

    /// Overwrite outputs
    #[arg(short, long)]
    pub force: bool,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    /// Context in bytes: what the model sees of a text, and most of its memory (default: the model's)
    #[arg(long, value_name = "N", value_parser = count::<usize>, conflicts_with = "lexicon")]
    pub context: Option<usize>,

    /// Adapt the model to these texts first, write it to this file and code with it
    ///
    /// The texts then take less than half. It takes a minute or a few, and the device needs this model in place of the
    /// other.
    #[arg(long, value_name = "FILE.m1q", conflicts_with = "lexicon")]
    pub adapt: Option<PathBuf>,

    /// Steps of the adaptation; more fit the texts better
    #[arg(long, value_name = "N", requires = "adapt", default_value_t = 600, value_parser = count::<u64>)]
    pub adapt_steps: u64,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// Options of `table list`.
#[derive(Debug, Clone, Args)]
pub struct ListArguments {
    /// The table (.eqt)
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,
}

/// Options of `table get`.
#[derive(Debug, Clone, Args)]
pub struct GetArguments {
    /// The table (.eqt)
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,

    /// The number of the text, from 0
    #[arg(value_name = "ID")]
    pub id: u16,

    /// Language (default: the first)
    #[arg(long, value_name = "NAME")]
    pub language: Option<String>,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,
}

/// Builds, lists or reads a table.
///
/// # Errors
/// A file, the model or the table cannot be read, or an output cannot be written.
pub fn run(command: &StringTables) -> Result<()> {
    match command {
        StringTables::Build(arguments) => build(arguments),
        StringTables::List(arguments) => list(arguments),
        StringTables::Get(arguments) => get(arguments),
    }
}

/// The texts of a language, and their names where the file has any.
#[derive(Clone)]
struct Language {
    name: String,
    texts: Vec<String>,
    keys: Vec<String>,
}

/// What a JSON file of texts may be.
enum Json {
    Texts(Vec<String>),
    /// Names and texts in the order of the file.
    Named(Vec<(String, String)>),
}

// Not derived: an error then says at which text it is.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Json;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("an array of strings, or an object of names and strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json, A::Error> {
                let mut texts = Vec::new();
                loop {
                    let text = sequence.next_element().map_err(|error| at(format_args!("text {}", texts.len()), error));
                    match text? {
                        Some(text) => texts.push(text),
                        None => return Ok(Json::Texts(texts)),
                    }
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut pairs = Vec::new();
                let mut seen = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom(format!("the name '{name}' stands there twice")));
                    }
                    let text = map.next_value().map_err(|error| at(format_args!("text '{name}'"), error))?;
                    pairs.push((name, text));
                }
                Ok(Json::Named(pairs))
            }
        }

        fn at<E: de::Error>(place: std::fmt::Arguments, error: E) -> E {
            E::custom(format!("{place}: {error}"))
        }

        deserializer.deserialize_any(InOrder)
    }
}

impl Language {
    fn read(path: &Path) -> Result<Self> {
        let shown = messages::shown(path);
        let bytes = read(path)?;
        let content = str::from_utf8(&bytes).map_err(|error| {
            let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|&&byte| byte == b'\n').count();
            anyhow!("{shown}, line {line}: not UTF-8")
        })?;
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("json")) {
            return Ok(Self { name, texts: content.lines().map(str::to_owned).collect(), keys: Vec::new() });
        }
        let json: Json = serde_json::from_str(content).with_context(|| format!("{shown}: not a file of texts"))?;
        let (keys, texts) = match json {
            Json::Texts(texts) => (Vec::new(), texts),
            Json::Named(pairs) => pairs.into_iter().unzip(),
        };
        Ok(Self { name, texts, keys })
    }

    /// The texts in the order of the first language's names.
    fn in_order_of(self, first: &Self) -> Result<Self> {
        let name = self.name.clone();
        ensure!(
            self.keys.is_empty() == first.keys.is_empty(),
            "language '{name}' must have names for its texts like '{}', or both none",
            first.name
        );
        if first.keys.is_empty() {
            return Ok(self);
        }
        let mut texts: HashMap<String, String> = self.keys.into_iter().zip(self.texts).collect();
        let texts_in_order = first.keys.iter().map(|key| {
            texts
                .remove(key)
                .ok_or_else(|| anyhow!("language '{name}' has no text '{key}', which '{}' has", first.name))
        });
        let texts_in_order = texts_in_order.collect::<Result<_>>()?;
        if let Some(key) = texts.keys().min() {
            bail!("language '{name}' has a text '{key}', which '{}' does not have", first.name);
        }
        Ok(Self { name, texts: texts_in_order, keys: first.keys.clone() })
    }
}

/// The languages of some files. A single one needs no name.
fn languages(files: &[PathBuf]) -> Result<Vec<Language>> {
    let mut languages = files.iter().map(|file| Language::read(file)).collect::<Result<Vec<_>>>()?;
    if let [only] = languages.as_mut_slice() {
        only.name.clear();
    }
    let mut languages = languages.into_iter();
    let first = languages.next().context("no file of texts")?;
    let others = languages.map(|language| language.in_order_of(&first)).collect::<Result<Vec<_>>>()?;
    Ok([vec![first], others].concat())
}

fn build(arguments: &BuildArguments) -> Result<()> {
    arguments.model.only_cpu()?;
    let paths = [Some(&arguments.output), arguments.rust.as_ref(), arguments.c.as_ref(), arguments.adapt.as_ref()];
    let destinations = paths.map(|path| path.map(|path| Destination::from_argument(path)));
    let read = [arguments.model.path(), arguments.lexicon.lexicon.as_deref()];
    let inputs = arguments.files.iter().map(PathBuf::as_path).chain(read.into_iter().flatten());
    let inputs: Vec<Input> = inputs.map(Input::from_argument).collect();
    refuse_conflicts(&inputs, destinations.iter().flatten())?;

    let languages = languages(&arguments.files)?;
    let mut model = match arguments.lexicon.load()? {
        Some(lexicon) => CodingModel::from(lexicon),
        None => arguments.model.load_m1()?.into(),
    };
    // Before the work, which may take a minute: what is in the way is told at once. None gets its name before all are
    // written.
    let are_binary = [true, false, false, true];
    let mut outputs = Vec::new();
    for (destination, is_binary) in destinations.iter().zip(are_binary) {
        let Some(destination) = destination else { continue };
        outputs.push(Output::create(destination, arguments.force, is_binary)?);
    }
    let adapted = arguments.adapt.as_ref().map(|_| adapt(arguments, &languages)).transpose()?;
    if let Some(adapted) = &adapted {
        model = adapted.clone().into();
    }
    let context = context(arguments.context, model.context())?;
    let mut builder = StringTableBuilder::with_context(&model, context);
    for language in &languages {
        builder = builder.language(&language.name, &language.texts)?;
    }
    let blob = builder.build()?;
    let table = StringTable::load(&blob)?;
    check(&table, &model, &languages)?;

    let name = arguments.output.file_stem().unwrap_or_default().to_string_lossy();
    let names = Names { table: &name, texts: &languages[0].keys, shown: &languages[0].texts };
    let rust = arguments.rust.as_ref().map(|_| rust_module(&table, &blob, names)).transpose()?;
    let c = arguments.c.as_ref().map(|_| c_header(&table, &blob, names)).transpose()?;
    let contents = [
        Some(blob.as_slice()),
        rust.as_deref().map(str::as_bytes),
        c.as_deref().map(str::as_bytes),
        adapted.as_ref().map(Model::bytes),
    ];
    for (output, content) in outputs.iter_mut().zip(contents.into_iter().flatten()) {
        let result = output.write_all(content).and_then(|()| output.flush()).context("cannot write");
        output.named(result)?;
    }
    for output in outputs {
        output.finish(None)?;
    }
    if !arguments.verbosity.quiet {
        let text: usize = languages.iter().flat_map(|language| &language.texts).map(String::len).sum();
        let (codes, index) = table.sizes();
        say!(
            "{}: {} texts of {} bytes in {} bytes, {:.2} bits/byte: codes {}, index {}, header {}; longest text {} bytes; needs the {} {} ({:08x}) with a context of {}",
            messages::shown(&arguments.output),
            grouped(u64::from(table.strings()) * u64::from(table.languages())),
            grouped(text as u64),
            grouped(blob.len() as u64),
            8.0 * blob.len() as f64 / text.max(1) as f64,
            grouped(codes as u64),
            grouped(index as u64),
            blob.len() - codes - index,
            table.longest(),
            kind(&table),
            model.name(),
            table.identity().id,
            table.identity().context,
        );
    }
    Ok(())
}

/// Decodes every text, as the device will.
fn check(table: &StringTable, model: &CodingModel, languages: &[Language]) -> Result<()> {
    for (language, expected) in (0u8..).zip(languages) {
        for (id, expected) in (0u16..).zip(&expected.texts) {
            let found = strings::text(table, model, language, id)?;
            ensure!(found == expected.as_bytes(), "text {id} of the table does not decode to what it was made of");
        }
    }
    Ok(())
}

/// The model adapted to all texts, each a context of its own.
fn adapt(arguments: &BuildArguments, languages: &[Language]) -> Result<Model> {
    let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
    let path = directory.path().join("texts.jsonl");
    let mut documents = String::new();
    for text in languages.iter().flat_map(|language| &language.texts).filter(|text| !text.is_empty()) {
        documents.push_str(&serde_json::json!({ "text": text }).to_string());
        documents.push('\n');
    }
    fs::write(&path, documents).context("cannot write a temporary file")?;
    let corpus = || Corpus::new(&[path.display().to_string()], CorpusOptions::default());
    let name = arguments.adapt.as_deref().and_then(Path::file_stem).unwrap_or_default().to_string_lossy();
    let options = M1Options {
        corpus: corpus()?,
        dev: Some(corpus()?),
        output: Some(directory.path().join("run")),
        name: Some(name.into_owned()),
        init: Some(arguments.model.model.clone().unwrap_or_else(|| equalinfo::DEFAULT_MODEL.to_owned())),
        steps: Some(arguments.adapt_steps),
        window_share: Some(0.0),
        threads: arguments.threads.given(),
        ..M1Options::default()
    };
    let mut run = m1::Run::new(options).map_err(in_words)?;
    let trained = run.train(&mut Progress::without_files(arguments.verbosity.quiet)).map_err(in_words)?;
    let integer = trained.integer.context("the adaptation was interrupted")?;
    Ok(Model::from_bytes(integer.image)?)
}

fn kind(table: &StringTable) -> &'static str {
    match table.coding() {
        StringCoding::Messages => "model",
        StringCoding::Codes => "lexicon",
    }
}

/// What a file of texts or of a table holds.
fn read(path: &Path) -> Result<Vec<u8>> {
    read_file(path).with_context(|| format!("{}: cannot read", messages::shown(path)))
}

/// What decodes a table: what the user names, else the shipped or installed model or lexicon of its id.
fn coder(table: &StringTable, lexicon: &LexiconArguments, model: &ModelArguments) -> Result<CodingModel> {
    if let Some(named) = lexicon.load_or_named(model)? {
        return Ok(named);
    }
    let id = table.identity().id;
    let found = store::shipped_or_installed(id)?;
    let option = if table.coding() == StringCoding::Codes { "--lexicon" } else { "--model" };
    found.with_context(|| {
        format!("it needs the {} {id:08x}: name it with {option}, or install it with 'models add'", kind(table))
    })
}

fn list(arguments: &ListArguments) -> Result<()> {
    let shown = messages::shown(&arguments.file);
    let blob = read(&arguments.file)?;
    let table = StringTable::load(&blob).with_context(|| shown.clone())?;
    let coder = coder(&table, &arguments.lexicon, &arguments.model).with_context(|| shown.clone())?;
    let mut rows = Table::new(&["language", "id", "text", "code", ""]);
    for (language, name) in (0u8..).zip(table.names()) {
        for id in 0..table.strings() {
            let text = strings::text(&table, &coder, language, id).with_context(|| shown.clone())?;
            let code = table.payload(language, id).unwrap_or_default();
            let text_shown = String::from_utf8_lossy(&text).escape_debug().to_string();
            rows.row(vec![name.to_owned(), id.to_string(), text.len().to_string(), code.len().to_string(), text_shown]);
        }
    }
    standard::print(rows.render())
}

fn get(arguments: &GetArguments) -> Result<()> {
    let shown = messages::shown(&arguments.file);
    let blob = read(&arguments.file)?;
    let table = StringTable::load(&blob).with_context(|| shown.clone())?;
    let language = match &arguments.language {
        None => 0,
        Some(name) => table.language(name).with_context(|| {
            format!("{shown}: no language '{name}'; it has {}", table.names().collect::<Vec<_>>().join(", "))
        })?,
    };
    let coder = coder(&table, &arguments.lexicon, &arguments.model).with_context(|| shown.clone())?;
    let mut text = strings::text(&table, &coder, language, arguments.id).with_context(|| shown)?;
    text.push(b'\n');
    files::write(Path::new("-"), false, false, &text)
}
