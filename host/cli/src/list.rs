//! `list`: what streams hold, a line each.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::files::Input;
use super::inspect::method_in_words;
use super::models::model_name;
use super::table::{Table, grouped, number};
use super::{Outcome, jobs, standard};
use equalinfo::StreamFile;

/// Options of `list`.
#[derive(Debug, Clone, Args)]
pub struct ListArguments {
    /// Streams; none or - is stdin
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}

/// Lists every input.
///
/// # Errors
/// Stdout cannot be written; errors in single inputs are told and counted.
pub fn run(arguments: &ListArguments) -> Result<Outcome> {
    let mut table = Table::new(&["stream", "compressed", "text", "ratio", "bits/byte", "blocks", "method", "model"]);
    let (mut worst, mut listed) = (Outcome::Complete, 0);
    let (mut compressed, mut uncompressed) = (0, 0);
    for input in Input::from_arguments(&arguments.files) {
        worst = worst.max(jobs::one(&input.name, || {
            let stream = StreamFile::open(input.open_seekable()?)
                .context("no complete stream; 'equalinfo test' says what is damaged")?;
            let text = stream.text_length();
            let blocks = grouped(stream.blocks().into());
            table.row(row(&input.name, stream.length(), text, blocks, method(&stream), model(&stream)));
            (compressed, uncompressed, listed) = (compressed + stream.length(), uncompressed + text, listed + 1);
            Ok(Outcome::Complete)
        })?);
    }
    if listed > 1 {
        let dash = || "-".to_owned();
        table.row(row(&format!("{listed} streams"), compressed, uncompressed, dash(), dash(), dash()));
    }
    standard::print(table.render())?;
    Ok(worst)
}

fn row(name: &str, stream: u64, text: u64, blocks: String, method: String, model: String) -> Vec<String> {
    let ratio = number(Some(text as f64 / stream as f64), 3);
    let bits = number((text > 0).then(|| stream as f64 * 8.0 / text as f64), 3);
    vec![name.to_owned(), grouped(stream), grouped(text), ratio, bits, blocks, method, model]
}

fn method(stream: &StreamFile<File>) -> String {
    method_in_words(stream.header().method)
}

fn model(stream: &StreamFile<File>) -> String {
    let header = stream.header();
    if header.method.has_model() { model_name(header.model.id, header.name) } else { "-".to_owned() }
}
