//! `compare`: general-purpose compressors and ours on the same text, or on each line of it alone.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::options::{ModelArguments, ThreadArguments};
use super::table::{Table, grouped, number};
use crate::corpus::{Corpus, CorpusOptions};
use crate::eval::compare::{self, Row};

/// Of so many lines the first is measured; the others train the dictionary.
const HELD_OUT: usize = 10;

/// Options of `compare`.
#[derive(Debug, Clone, Args)]
pub struct CompareArguments {
    /// Texts (.txt, .jsonl, .parquet; .gz, .zst, .xz); joined unless --lines is given
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,

    /// Compress every line alone, as short messages are sent; without --dictionary-from, every tenth line is measured and the others train the dictionary
    #[arg(long)]
    pub lines: bool,

    /// Train zstd's dictionary on these files, and measure all of FILE
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub dictionary_from: Vec<String>,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub threads: ThreadArguments,

    /// Print one JSON object a compressor
    #[arg(long)]
    pub json: bool,
}

/// Measures and prints.
///
/// # Errors
/// The files or the model cannot be read, or stdout cannot be written.
pub fn run(arguments: &CompareArguments) -> Result<()> {
    arguments.model.only_cpu()?;
    let Texts { measured: texts, samples } = texts(arguments)?;
    ensure!(texts.iter().any(|text| !text.is_empty()), "no text in these files");
    let threads = arguments.threads.count();
    let model = arguments.model.load_m1()?;
    let mut rows = compare::classical(&texts, &samples, arguments.lines, threads)?;
    rows.extend(compare::ours(&model, &texts, arguments.lines, threads)?);
    let mut text = String::new();
    if arguments.json {
        for row in &rows {
            text.push_str(&serde_json::to_string(row)?);
            text.push('\n');
        }
    } else {
        text = format!("{} bytes in {} texts\n\n{}", grouped(rows[0].bytes), grouped(texts.len() as u64), table(&rows));
    }
    std::io::stdout().write_all(text.as_bytes()).context("(stdout): cannot write")
}

/// What is measured, and what trains zstd's dictionary.
struct Texts {
    measured: Vec<Vec<u8>>,
    samples: Vec<Vec<u8>>,
}

fn texts(arguments: &CompareArguments) -> Result<Texts> {
    let read = |files: &[String]| -> Result<Vec<Vec<u8>>> {
        let options = CorpusOptions { lines: arguments.lines, ..CorpusOptions::default() };
        Corpus::new(files, options)?.documents().collect()
    };
    let documents = read(&arguments.files)?;
    let samples = if arguments.dictionary_from.is_empty() { Vec::new() } else { read(&arguments.dictionary_from)? };
    if !arguments.lines {
        return Ok(Texts { measured: vec![documents.concat()], samples });
    }
    if !samples.is_empty() {
        return Ok(Texts { measured: documents, samples });
    }
    let mut texts = Texts { measured: Vec::new(), samples };
    for (number, line) in documents.into_iter().enumerate() {
        let part = if number.is_multiple_of(HELD_OUT) { &mut texts.measured } else { &mut texts.samples };
        part.push(line);
    }
    Ok(texts)
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new(&["compressor", "bytes", "bits/byte", "model or dictionary"]);
    for row in rows {
        table.row(vec![
            row.compressor.clone(),
            grouped(row.compressed),
            number(Some(row.bits_per_byte), 3),
            if row.side_data == 0 { "-".to_owned() } else { grouped(row.side_data) },
        ]);
    }
    table.render()
}
