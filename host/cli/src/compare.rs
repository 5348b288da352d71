//! `compare`: general-purpose compressors and ours on the same text, or on each line of it alone.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::jobs;
use super::messages::counted;
use super::options::{ModelArguments, ThreadArguments, open_corpus};
use super::table::{Table, grouped, number};
use equalinfo::Level;
use equalinfo::corpus::CorpusOptions;
use equalinfo_lab::compare::{self, ComparisonRow};

/// Of so many lines the first is measured; the others train the dictionary.
const HELD_OUT: usize = 10;

/// Options of `compare`.
#[derive(Debug, Clone, Args)]
pub struct CompareArguments {
    /// Files, or all files in directories, each compressed alone as it is; with --lines texts (.txt, .jsonl, .parquet;
    /// .gz, .zst, .xz)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,

    /// Levels of ours to measure
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,3,6,9", value_parser = level, conflicts_with = "lines")]
    pub levels: Vec<Level>,

    /// Also print the bits per byte of every file
    #[arg(long, conflicts_with = "lines")]
    pub each: bool,

    /// Compress every line alone, as short messages are sent; without --dictionary-from, every tenth line is measured
    /// and the others train the dictionary
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
    let Texts { names, measured: texts, samples } = texts(arguments)?;
    ensure!(texts.iter().any(|text| !text.is_empty()), "no text in these files");
    let threads = arguments.threads.count();
    let mut rows = compare::classical(&texts, &samples, arguments.lines, threads)?;
    if arguments.lines {
        rows.push(compare::messages(&arguments.model.load_m1()?, &texts, threads)?);
    } else {
        for &level in &arguments.levels {
            rows.push(compare::level(level, &texts, threads)?);
        }
        if arguments.model.model.is_some() {
            rows.extend(compare::model(&arguments.model.load_m1()?, &texts, threads)?);
        }
    }
    let mut text = String::new();
    if arguments.json {
        for row in &rows {
            text.push_str(&serde_json::to_string(row)?);
            text.push('\n');
        }
    } else {
        let (bytes, count) = (counted(rows[0].bytes, "byte"), counted(texts.len() as u64, "text"));
        text = format!("{bytes} in {count}\n\n{}", table(&rows));
        if arguments.each {
            text.push('\n');
            text.push_str(&each(&names, &texts, &rows));
        }
    }
    super::standard::print(text)
}

/// What is measured, and what trains zstd's dictionary.
struct Texts {
    /// Of files.
    names: Vec<String>,
    measured: Vec<Vec<u8>>,
    samples: Vec<Vec<u8>>,
}

fn texts(arguments: &CompareArguments) -> Result<Texts> {
    let read = |files: &[String]| -> Result<Vec<Vec<u8>>> {
        let options = CorpusOptions { lines: arguments.lines, ..CorpusOptions::default() };
        Ok(open_corpus(files, options)?.documents().collect::<Result<_, _>>()?)
    };
    let samples = if arguments.dictionary_from.is_empty() { Vec::new() } else { read(&arguments.dictionary_from)? };
    if !arguments.lines {
        let (mut names, mut measured) = (Vec::new(), Vec::new());
        for input in jobs::files(&arguments.files)? {
            let mut text = Vec::new();
            input.open()?.reader().read_to_end(&mut text).with_context(|| format!("{}: cannot read", input.name))?;
            names.push(input.name);
            measured.push(text);
        }
        return Ok(Texts { names, measured, samples });
    }
    let documents = read(&arguments.files)?;
    if !samples.is_empty() {
        return Ok(Texts { names: Vec::new(), measured: documents, samples });
    }
    let mut texts = Texts { names: Vec::new(), measured: Vec::new(), samples };
    for (number, line) in documents.into_iter().enumerate() {
        let part = if number.is_multiple_of(HELD_OUT) { &mut texts.measured } else { &mut texts.samples };
        part.push(line);
    }
    Ok(texts)
}

/// Bits per byte of every file by every compressor.
fn each(names: &[String], texts: &[Vec<u8>], rows: &[ComparisonRow]) -> String {
    let header: Vec<&str> = ["file", "bytes"].into_iter().chain(rows.iter().map(|row| &row.compressor[..])).collect();
    let mut table = Table::new(&header);
    for (index, (name, text)) in names.iter().zip(texts).enumerate() {
        let bits = |row: &ComparisonRow| {
            let size = (!text.is_empty()).then(|| row.each[index] as f64 * 8.0 / text.len() as f64);
            number(size, 3)
        };
        let first = [name.clone(), grouped(text.len() as u64)];
        table.row(first.into_iter().chain(rows.iter().map(bits)).collect());
    }
    table.render()
}

fn level(text: &str) -> Result<Level, String> {
    let level = text.parse().ok().and_then(Level::new);
    level.ok_or_else(|| format!("expected levels from 1 to 9, found '{text}'"))
}

fn table(rows: &[ComparisonRow]) -> String {
    let mut table = Table::new(&["compressor", "bytes", "bits/byte", "seconds", "model or dictionary"]);
    for row in rows {
        table.row(vec![
            row.compressor.clone(),
            grouped(row.compressed),
            number(Some(row.bits_per_byte), 3),
            number(Some(row.seconds), 2),
            if row.side_data == 0 { "-".to_owned() } else { grouped(row.side_data) },
        ]);
    }
    table.render()
}
