//! `bench`: size, time and memory of levels, methods and other compressors on the same files, each as a process of its
//! own, as its user would start it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;

use super::options::count;
use super::table::{Table, grouped, number};
use super::{jobs, say, standard};

/// Options of `bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArguments {
    /// Files, or all files in directories, each compressed alone
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,

    /// What to measure: options of compress, once for each row, such as '-9' or '--method tables --class 4k' (default:
    /// -1, -3, -6 and -9)
    #[arg(long = "with", value_name = "OPTIONS", allow_hyphen_values = true)]
    pub rows: Vec<String>,

    /// Also measure gzip, bzip2, xz, zstd, brotli and bzip3, as far as they are installed
    #[arg(long)]
    pub peers: bool,

    /// Threads of each process that has such an option
    #[arg(short = 'T', long, value_name = "N", default_value_t = 1, value_parser = count::<usize>)]
    pub threads: usize,

    /// Measure this many times; the fastest counts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count::<usize>)]
    pub repeat: usize,

    /// Print one JSON object a row
    #[arg(long)]
    pub json: bool,
}

/// A compressor that reads a file and writes to stdout, in both directions.
struct Compressor {
    name: String,
    program: PathBuf,
    compress: Vec<String>,
    decompress: Vec<String>,
}

/// What a row measured, over all files.
#[derive(Debug, Default, Serialize)]
struct Row {
    name: String,
    bytes: u64,
    compressed: u64,
    bits_per_byte: f64,
    compress_seconds: f64,
    decompress_seconds: f64,
    /// The most of any file, in bytes; where the system tells.
    compress_memory: Option<u64>,
    decompress_memory: Option<u64>,
}

/// Other compressors: a name, and the options that choose a level, `{T}` being the threads; all take `-c` and `-d`.
const PEERS: [(&str, &str); 8] = [
    ("gzip", "-9"),
    ("bzip2", "-9"),
    ("xz", "-9 -T{T}"),
    ("zstd", "-3 -T{T}"),
    ("zstd", "-19 -T{T}"),
    ("zstd", "--ultra -22 -T{T}"),
    ("brotli", "-q 11 -w 24"),
    ("bzip3", "-b 64"),
];

/// Measures and prints.
///
/// # Errors
/// A file cannot be read, a process cannot be started or fails, or a text does not come back.
pub fn run(arguments: &BenchArguments) -> Result<()> {
    let inputs = jobs::files(&arguments.files)?;
    let folder = tempfile::tempdir().context("cannot create a temporary directory")?;
    let compressors = compressors(arguments)?;
    let mut rows = Vec::new();
    for compressor in &compressors {
        let mut row = Row { name: compressor.name.clone(), ..Row::default() };
        for input in &inputs {
            let path = input.path.as_deref().with_context(|| format!("{}: a file is needed", input.name))?;
            compressor.measure(path, folder.path(), arguments.repeat, &mut row)?;
        }
        row.bits_per_byte = 8.0 * row.compressed as f64 / row.bytes.max(1) as f64;
        rows.push(row);
    }
    ensure!(rows.iter().any(|row| row.bytes > 0), "no text in these files");
    let mut text = String::new();
    if arguments.json {
        for row in &rows {
            text.push_str(&serde_json::to_string(row)?);
            text.push('\n');
        }
    } else {
        text = format!("{} bytes in {} files\n\n{}", grouped(rows[0].bytes), inputs.len(), table(&rows));
    }
    standard::print(text)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn compressors(arguments: &BenchArguments) -> Result<Vec<Compressor>> {
    let tool = std::env::current_exe().context("cannot find this program")?;
    let threads = ["-T".to_owned(), arguments.threads.to_string()];
    let levels = ["-1", "-3", "-6", "-9"].map(str::to_owned);
    let rows = if arguments.rows.is_empty() { &levels[..] } else { &arguments.rows };
    let ours = rows.iter().map(|options| Compressor {
        name: format!("equalinfo {options}"),
        program: tool.clone(),
        compress: [words("compress -q -c"), threads.to_vec(), words(options)].concat(),
        decompress: [words("decompress -q -c"), threads.to_vec(), models_of(options)].concat(),
    });
    let mut compressors: Vec<Compressor> = ours.collect();
    if !arguments.peers {
        return Ok(compressors);
    }
    for (name, options) in PEERS {
        let options = options.replace("{T}", &arguments.threads.to_string());
        let program = PathBuf::from(name);
        if Command::new(&program).arg("--version").stdin(Stdio::null()).output().is_err() {
            say!("{name}: not installed");
            continue;
        }
        compressors.push(Compressor {
            name: format!("{name} {options}"),
            program,
            compress: [words(&options), words("-c")].concat(),
            decompress: words("-d -c"),
        });
    }
    Ok(compressors)
}

/// The options that name a model or lexicon, which the decoder must be told too.
fn models_of(options: &str) -> Vec<String> {
    let words = words(options);
    let mut named = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if word == "--model" || word == "--lexicon" {
            named.extend(words[index..].iter().take(2).cloned());
        } else if word.starts_with("--model=") || word.starts_with("--lexicon=") {
            named.push(word.clone());
        }
    }
    named
}

impl Compressor {
    /// Both directions of a file, added to a row.
    fn measure(&self, path: &Path, folder: &Path, repeat: usize, row: &mut Row) -> Result<()> {
        let (packed, unpacked) = (folder.join("packed"), folder.join("unpacked"));
        let fastest = |arguments: &[String], from: &Path, to: &Path| -> Result<Measured> {
            let mut all = (0..repeat).map(|_| self.process(arguments, from, to));
            let first = all.next().context("no run")??;
            all.try_fold(first, |best, next| Ok(best.fastest(next?)))
        };
        let compressed = fastest(&self.compress, path, &packed)?;
        let decompressed = fastest(&self.decompress, &packed, &unpacked)?;
        ensure!(same(path, &unpacked)?, "{}: {} does not come back", self.name, path.display());
        row.bytes += size(path)?;
        row.compressed += size(&packed)?;
        row.compress_seconds += compressed.time.as_secs_f64();
        row.decompress_seconds += decompressed.time.as_secs_f64();
        row.compress_memory = row.compress_memory.max(compressed.memory);
        row.decompress_memory = row.decompress_memory.max(decompressed.memory);
        Ok(())
    }

    fn process(&self, arguments: &[String], from: &Path, to: &Path) -> Result<Measured> {
        let what = || format!("{} on {}", self.name, from.display());
        let output = File::create(to).with_context(|| format!("{}: cannot create", to.display()))?;
        let input = File::open(from).with_context(|| format!("{}: cannot read", from.display()))?;
        let started = Instant::now();
        let child =
            Command::new(&self.program).args(arguments).stdin(input).stdout(output).stderr(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("{}: cannot start", self.program.display()))?;
        let memory = wait(&mut child).with_context(what)?;
        let time = started.elapsed();
        let status = child.wait().with_context(what)?;
        if !status.success() {
            let mut said = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                let _ = stderr.read_to_string(&mut said);
            }
            bail!("{}: {status}: {}", what(), said.trim());
        }
        Ok(Measured { time, memory })
    }
}

/// What a process took.
struct Measured {
    time: Duration,
    memory: Option<u64>,
}

impl Measured {
    fn fastest(self, other: Self) -> Self {
        Self { time: self.time.min(other.time), memory: self.memory.max(other.memory) }
    }
}

/// Waits for the end of a process; the most memory that it had, where the system tells: its high-water mark, read until
/// it ends.
fn wait(child: &mut Child) -> io::Result<Option<u64>> {
    let status = format!("/proc/{}/status", child.id());
    let mut memory = None;
    let mut pause = Duration::from_micros(200);
    while child.try_wait()?.is_none() {
        memory = memory.max(high_water_mark(&status));
        std::thread::sleep(pause);
        pause = (2 * pause).min(Duration::from_millis(2));
    }
    Ok(memory)
}

fn high_water_mark(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(1024 * kilobytes)
}

fn size(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).with_context(|| format!("{}: cannot read", path.display()))?.len())
}

/// Whether two files hold the same.
fn same(one: &Path, other: &Path) -> Result<bool> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("{}: cannot read", path.display()));
    Ok(read(one)? == read(other)?)
}

fn table(rows: &[Row]) -> String {
    let mut table =
        Table::new(&["", "bytes", "bits/byte", "compress MB/s", "decompress MB/s", "compress MiB", "decompress MiB"]);
    for row in rows {
        let speed = |seconds: f64| number(Some(row.bytes as f64 / 1e6 / seconds.max(1e-9)), 2);
        let mebibytes = |memory: Option<u64>| number(memory.map(|bytes| bytes as f64 / f64::from(1 << 20)), 1);
        table.row(vec![
            row.name.clone(),
            grouped(row.compressed),
            number(Some(row.bits_per_byte), 3),
            speed(row.compress_seconds),
            speed(row.decompress_seconds),
            mebibytes(row.compress_memory),
            mebibytes(row.decompress_memory),
        ]);
    }
    table.render()
}
