//! `bench`: size, time and memory of levels, methods and other compressors on the same files, each as a process of its
//! own, as its user would start it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;

use super::compress::CompressArguments;
use super::options::{count, refuse};
use super::table::{Table, grouped, number};
use super::{Cli, jobs, standard};
use crate::{mistake, say};

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

    /// Also measure gzip, bzip2, xz, zstd, brotli, bzip3, 7z's PPMd and zpaq, as far as they are installed
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

/// A compressor as a process, in both directions: from stdin to stdout. An archiver gets the names of its files in the
/// place of the words `{in}` and `{out}`, runs in their folder, and writes to stdout where `{out}` is not among them.
struct Compressor {
    name: String,
    program: PathBuf,
    compress: Vec<String>,
    decompress: Vec<String>,
    /// That of an archiver's files.
    extension: Option<&'static str>,
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

/// Another compressor.
struct Peer {
    name: &'static str,
    /// Its programs, of which the first that is there is taken.
    programs: &'static [&'static str],
    /// Words of a [`Compressor`], `{T}` being the threads.
    compress: &'static str,
    decompress: &'static str,
    extension: Option<&'static str>,
}

impl Peer {
    /// One that takes `-c` and `-d`, at this level.
    const fn stream(name: &'static str, programs: &'static [&'static str], compress: &'static str) -> Self {
        Self { name, programs, compress, decompress: "-d -c", extension: None }
    }
}

const PEERS: [Peer; 10] = [
    Peer::stream("gzip -9", &["gzip"], "-9 -c"),
    Peer::stream("bzip2 -9", &["bzip2"], "-9 -c"),
    Peer::stream("xz -9e -T{T}", &["xz"], "-9e -T{T} -c"),
    Peer::stream("zstd -3 -T{T}", &["zstd"], "-3 -T{T} -c"),
    Peer::stream("zstd -19 -T{T}", &["zstd"], "-19 -T{T} -c"),
    Peer::stream("zstd --ultra -22 -T{T}", &["zstd"], "--ultra -22 -T{T} -c"),
    Peer::stream("brotli -q 11 -w 24", &["brotli"], "-q 11 -w 24 -c"),
    Peer::stream("bzip3 -b 64", &["bzip3"], "-b 64 -c"),
    Peer {
        name: "7z ppmd, order 32, 1 GiB",
        programs: &["7z", "7zz"],
        compress: "a -bd -mmt={T} -m0=ppmd:o=32:mem=1g {out} {in}",
        decompress: "e -bd -so {in}",
        extension: Some("7z"),
    },
    Peer {
        name: "zpaq -m5 -t{T}",
        programs: &["zpaq"],
        compress: "add {out} {in} -m5 -t{T}",
        decompress: "extract {in} text -to {out} -t{T}",
        extension: Some("zpaq"),
    },
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
    rows.iter().try_for_each(|options| check(options))?;
    let ours = rows.iter().map(|options| Compressor {
        name: format!("equalinfo {options}"),
        program: tool.clone(),
        compress: [words("compress -q -c"), threads.to_vec(), words(options)].concat(),
        decompress: [words("decompress -q -c"), threads.to_vec(), told(options)].concat(),
        extension: None,
    });
    let mut compressors: Vec<Compressor> = ours.collect();
    if !arguments.peers {
        return Ok(compressors);
    }
    for Peer { name, programs, compress, decompress, extension } in PEERS {
        let on_threads = |text: &str| text.replace("{T}", &arguments.threads.to_string());
        let is_there = |program: &&&str| Command::new(program).arg("--version").stdin(Stdio::null()).output().is_ok();
        let Some(program) = programs.iter().find(is_there) else {
            say!("{}: not installed", programs[0]);
            continue;
        };
        compressors.push(Compressor {
            name: on_threads(name),
            program: program.into(),
            compress: words(&on_threads(compress)),
            decompress: words(&on_threads(decompress)),
            extension,
        });
    }
    Ok(compressors)
}

/// Checks that compress takes these options, and still compresses a file to stdout.
fn check(options: &str) -> Result<()> {
    let typed = words("equalinfo compress").into_iter().chain(words(options));
    let arguments = match Cli::parse_arguments(typed.map(OsString::from)) {
        Ok(Cli { command: super::Command::Compress(arguments) }) => arguments,
        Ok(_) => mistake!("--with '{options}': expected options of compress"),
        Err(answer) => {
            let answer = answer.to_string();
            let why = answer.lines().next().unwrap_or_default().trim_start_matches("error: ");
            mistake!("--with '{options}': expected options of compress; {why}")
        }
    };
    let CompressArguments { files, outputs, lines, verbosity, .. } = &arguments;
    if let Some(file) = files.first() {
        mistake!(
            "--with '{options}': expected options alone; the files to compress, such as {}, come after them",
            file.display()
        );
    }
    let given = [
        ("-o", outputs.output.is_some()),
        ("--rm", outputs.rm),
        ("-r", outputs.recursive),
        ("--lines", *lines),
        ("-v", verbosity.verbose),
    ];
    refuse(&given, "what is measured reads a file and writes to stdout").with_context(|| format!("--with '{options}'"))
}

/// What the decoder must be told too: the model or lexicon, and of messages, which say nothing of themselves, the rest.
fn told(options: &str) -> Vec<String> {
    let words = words(options);
    let is_raw = words.iter().any(|word| word == "--raw");
    let mut told: Vec<String> = is_raw.then(|| "--raw".to_owned()).into_iter().collect();
    for (index, word) in words.iter().enumerate() {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        if ["--model", "--lexicon"].contains(&name) || is_raw && ["--context", "--window-bits"].contains(&name) {
            told.extend(words[index..].iter().take(if name == word { 2 } else { 1 }).cloned());
        }
    }
    told
}

impl Compressor {
    /// Both directions of a file, added to a row.
    fn measure(&self, path: &Path, folder: &Path, repeat: usize, row: &mut Row) -> Result<()> {
        let (packed, unpacked) = (folder.join("packed"), folder.join("unpacked"));
        let (text, packed) = match self.extension {
            Some(extension) => (folder.join("text"), packed.with_extension(extension)),
            None => (path.to_owned(), packed),
        };
        if text != path {
            fs::copy(path, &text).with_context(|| format!("{}: cannot copy", path.display()))?;
        }
        let fastest = |arguments: &[String], from: &Path, to: &Path| -> Result<Measured> {
            let mut all = (0..repeat).map(|_| self.process(arguments, from, to));
            let first = all.next().context("no run")??;
            all.try_fold(first, |best, next| Ok(best.fastest(next?)))
        };
        let compressed = fastest(&self.compress, &text, &packed)?;
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
        // Archivers add to what is there, or refuse it.
        match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
        .with_context(|| format!("{}: cannot remove", to.display()))?;
        let output = if arguments.iter().any(|word| word == "{out}") {
            Stdio::null()
        } else {
            File::create(to).with_context(|| format!("{}: cannot create", to.display()))?.into()
        };
        let named = arguments.iter().map(|word| match word.as_str() {
            "{in}" => from.file_name().unwrap_or_default(),
            "{out}" => to.file_name().unwrap_or_default(),
            word => OsStr::new(word),
        });
        let mut command = Command::new(&self.program);
        if let (Some(_), Some(folder)) = (self.extension, to.parent()) {
            command.current_dir(folder);
        }
        let input = File::open(from).with_context(|| format!("{}: cannot read", from.display()))?;
        let started = Instant::now();
        let child = command.args(named).stdin(input).stdout(output).stderr(Stdio::piped()).spawn();
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
