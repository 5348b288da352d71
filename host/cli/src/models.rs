//! `models`: the models that streams can name, shipped or installed.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use equalinfo::plan::{CpuWorker, Job};
use equalinfo::store::{self, Kind, Store};
use equalinfo::windows::{Encoding, Segmentation};
use equalinfo::{CodingModel, Model, WindowBits, WindowCode};
use equalinfo_codec::container::ModelName;

use super::messages::shown;
use super::table::{Table, grouped, number};
use super::{Outcome, say, standard};

/// What bits/byte are measured on: 4 KB of English prose, of no model's training text.
const PROSE: &[u8] = include_bytes!("prose.txt");

/// Options of `models`.
#[derive(Debug, Clone, Args)]
pub struct ModelsArguments {
    #[command(subcommand)]
    command: Option<Models>,
}

/// Commands about models.
#[derive(Debug, Clone, Subcommand)]
pub enum Models {
    /// List the models, shipped and installed: name, id, size, bits/byte on 4 KB of English prose
    List,
    /// Install models (.m1q) or lexicons (.lex): their streams are decoded without --model
    ///
    /// They are copied into a directory of the user's, another one if EQUALINFO_MODELS names it. To remove one, remove
    /// its file there.
    Add {
        /// The files
        #[arg(required = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
}

/// Lists or installs.
///
/// # Errors
/// There is no directory for models, or stdout cannot be written; errors in single files are told and counted.
pub fn run(arguments: &ModelsArguments) -> Result<Outcome> {
    match &arguments.command {
        None | Some(Models::List) => list(),
        Some(Models::Add { files }) => add(files),
    }
}

fn list() -> Result<Outcome> {
    let mut table = Table::new(&["model", "id", "bytes", "bits/byte", "where"]);
    let mut outcome = Outcome::Complete;
    for name in Model::shipped_names() {
        table.row(row(&Model::shipped(name)?.into(), "shipped".to_owned())?);
    }
    for entry in Store::of_user()?.entries()? {
        match entry {
            Ok(entry) => {
                let place = shown(&entry.path);
                table.row(row(&entry.load()?, place)?);
            }
            Err(error) => {
                say!("equalinfo: {:#}", anyhow::Error::from(error));
                outcome = Outcome::Failed;
            }
        }
    }
    standard::print(table.render())?;
    Ok(outcome)
}

fn row(model: &CodingModel, place: String) -> Result<Vec<String>> {
    let length = match model {
        CodingModel::Lexicon(lexicon) => {
            let windows = Encoding::Greedy(WindowCode::Default);
            let job = Job::Cut(Segmentation::new(WindowBits::B16, windows, lexicon.context()));
            let windows = CpuWorker::new(model, model.context(), job)?.cut(usize::MAX, &[PROSE])?;
            windows.iter().map(|windows| windows.code.len()).sum()
        }
        _ => {
            let codes = CpuWorker::new(model, model.context(), Job::RangeEncode)?.range_encode(&[PROSE])?;
            codes.iter().map(Vec::len).sum::<usize>()
        }
    };
    let bits = Some(length as f64 * 8.0 / PROSE.len() as f64);
    let (name, id) = (model.name().to_owned(), format!("{:016x}", model.id()));
    Ok(vec![name, id, grouped(model.bytes().len() as u64), number(bits, 3), place])
}

fn add(files: &[PathBuf]) -> Result<Outcome> {
    let store = Store::of_user()?;
    let mut outcome = Outcome::Complete;
    for file in files {
        match store.add(file).context("not installed") {
            Ok(entry) => {
                let kind = if entry.kind == Kind::M1 { "model" } else { "lexicon" };
                let (id, path) = (entry.id, shown(&entry.path));
                let name = entry.load()?.name().to_owned();
                say!("{}: {kind} {name} {id:016x} installed as {path}", shown(file));
            }
            Err(error) => {
                say!("equalinfo: {error:#}");
                outcome = Outcome::Failed;
            }
        }
    }
    Ok(outcome)
}

/// A model of a stream as messages name it: the beginning of its id, and its name where it is known.
pub fn model_name(id: u32, named: ModelName) -> String {
    let installed = || store::find(id).ok().flatten();
    let shipped = Model::shipped_with_id(id).ok().flatten().map(CodingModel::from);
    match shipped.or_else(installed) {
        Some(model) => format!("{} {id:08x}", model.name()),
        None if named == ModelName::NONE => format!("{id:08x} (not installed)"),
        None => format!("{named} {id:08x} (not installed)"),
    }
}
