//! [`Firmware`]: a program built for a board, and how it behaves in QEMU.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};
use defmt_decoder::{DecodeError, Table};
use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::raw::{self, Check};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags};

use crate::boards::{Board, Decoder};

/// The time limit of a program in seconds.
const PATIENCE: u32 = 300;
/// The exit code of `timeout` when the limit is exceeded.
const TIMED_OUT: i32 = 124;

/// The context of messages, as in src/bin/telemetry.rs.
const CONTEXT: usize = 32;

/// The streams to link in.
#[derive(Clone, Debug)]
pub enum Streams {
    /// Those made by `prepare`.
    Intact,
    /// Those in another directory.
    From(PathBuf),
}

/// A program built for a board.
#[derive(Debug)]
pub struct Firmware {
    board: Board,
    path: PathBuf,
    elf: Vec<u8>,
}

/// What a program printed and logged, and how it ended.
#[derive(Debug)]
pub struct Run {
    /// The decoded text.
    pub text: Vec<u8>,
    /// Log messages, each with its level.
    pub log: Vec<String>,
    /// The exit code.
    pub code: Option<i32>,
}

impl Firmware {
    /// Builds a program with measurement enabled.
    pub fn build(decoder: Decoder, board: Board, streams: &Streams) -> Result<Self> {
        Self::build_with(decoder.profile(), decoder, board, streams)
    }

    /// Builds the program that decodes nothing, with the settings of a decoder.
    pub fn baseline(decoder: Decoder, board: Board) -> Result<Self> {
        Self::build_with(decoder.profile(), Decoder::Empty, board, &Streams::Intact)
    }

    fn build_with(profile: &str, decoder: Decoder, board: Board, streams: &Streams) -> Result<Self> {
        let mut cargo = Command::new(std::env::var_os("FIRMWARE_CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--profile", profile, "--package", "equalinfo-firmware-example"]);
        cargo.args(["--target", board.target(), "--bin", decoder.name(), "--features", board.name()]);
        cargo.args(["--features", "measure"]);
        if let Some(options) = std::env::var_os("FIRMWARE_CARGO_OPTIONS") {
            cargo.args(options.to_string_lossy().split_whitespace());
        }
        cargo.env("DEFMT_LOG", "info");
        if let Streams::From(directory) = streams {
            cargo.env("EQUALINFO_STREAMS", directory);
        }
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        let status = cargo.status().context("cargo")?;
        ensure!(status.success(), "{} for {}: the build failed", decoder.name(), board.name());
        let path = target.join(board.target()).join(profile).join(decoder.name());
        let elf = fs::read(&path).with_context(|| format!("{}: cannot read", path.display()))?;
        Ok(Self { board, path, elf })
    }

    /// Bytes of flash that the program takes: code, constants, and the initial contents of RAM.
    pub fn flash(&self) -> Result<u64> {
        self.sections(|name, allocated, in_file| allocated && in_file && name != ".defmt")
    }

    /// Bytes of RAM that are allocated statically.
    pub fn static_memory(&self) -> Result<u64> {
        self.sections(|name, _, _| matches!(name, ".data" | ".bss" | ".uninit"))
    }

    fn sections(&self, wanted: impl Fn(&str, bool, bool) -> bool) -> Result<u64> {
        let elf = object::File::parse(&*self.elf)?;
        let mut sum = 0;
        for section in elf.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
            let allocated = sh_flags & u64::from(object::elf::SHF_ALLOC) != 0;
            let in_file = section.file_range().is_some();
            if wanted(section.name()?, allocated, in_file) {
                sum += section.size();
            }
        }
        Ok(sum)
    }

    /// Fails if the program contains any function that panics go through.
    pub fn check_no_panic(&self) -> Result<()> {
        let elf = object::File::parse(&*self.elf)?;
        for symbol in elf.symbols() {
            let name = symbol.name().unwrap_or_default();
            ensure!(
                !["panicking", "rust_begin_unwind", "slice_index_fail", "unwrap_failed", "expect_failed"]
                    .iter()
                    .any(|part| name.contains(part)),
                "{}: a path may panic: found {name}",
                self.path.display()
            );
        }
        ensure!(elf.symbols().count() > 20, "{}: symbols are missing", self.path.display());
        Ok(())
    }

    /// Runs the program in QEMU.
    pub fn run(&self) -> Result<Run> {
        let mut machine = self.board.machine(PATIENCE);
        machine.arg("-kernel").arg(&self.path).stdin(Stdio::null());
        let output = machine.output().with_context(|| format!("{:?}: cannot start", machine.get_program()))?;
        ensure!(output.status.code() != Some(TIMED_OUT), "{}: still running after {PATIENCE} s", self.path.display());
        let log = decode_log(&self.elf, &output.stderr, &self.path)?;
        Ok(Run { text: output.stdout, log, code: output.status.code() })
    }
}

/// Decodes the messages in `defmt` frames, skipping whatever QEMU itself prints before the first.
fn decode_log(elf: &[u8], frames: &[u8], path: &Path) -> Result<Vec<String>> {
    let table = Table::parse(elf)?.with_context(|| format!("{}: no log messages in it", path.display()))?;
    let mut decoder = table.new_stream_decoder();
    decoder.received(frames);
    let mut messages = Vec::new();
    loop {
        match decoder.decode() {
            Ok(frame) => {
                let level = frame.level().map_or("", |level| level.as_str());
                messages.push(format!("{level}: {}", frame.display_message()));
            }
            Err(DecodeError::UnexpectedEof) => return Ok(messages),
            // QEMU's own output.
            Err(DecodeError::Malformed) if messages.is_empty() => {}
            Err(DecodeError::Malformed) => {
                bail!("{}: a log message cannot be read after {messages:#?}", path.display())
            }
        }
    }
}

impl Run {
    /// Compares the printed text with the text that was compressed.
    pub fn check_text(&self, decoder: Decoder) -> Result<()> {
        let name = decoder.name();
        ensure!(self.code == Some(0), "{name}: exit code {:?}, log {:#?}", self.code, self.log);
        if decoder == Decoder::Telemetry {
            return self.check_messages();
        }
        if decoder == Decoder::Strings {
            ensure!(self.text == fs::read("strings.txt")?, "{name}: printed {:?}", String::from_utf8_lossy(&self.text));
            return Ok(());
        }
        let mut expected = fs::read("text.txt")?;
        if decoder == Decoder::Pico {
            let strings = fs::read_to_string("strings.txt")?;
            expected.extend(strings.lines().nth(7).context("strings.txt: too short")?.bytes());
            expected.push(b'\n');
        }
        ensure!(self.text == expected, "{name}: printed {:?}", String::from_utf8_lossy(&self.text));
        ensure!(self.log.iter().any(|line| line.contains("is intact")), "{name}: log {:#?}", self.log);
        Ok(())
    }

    /// Decodes the messages that were sent, as their receiver would.
    fn check_messages(&self) -> Result<()> {
        let image = fs::read("generated/pico.m1q")?;
        let model = Model::load(&image).map_err(|error| anyhow!("generated/pico.m1q: {error}"))?;
        let config = model.config();
        let (mut bytes, mut words) = (vec![0; config.byte_buffer(CONTEXT)], vec![0; config.word_buffer(CONTEXT)]);
        let mut m1 = M1::new(&model, CONTEXT, &mut bytes, &mut words).map_err(|error| anyhow!("{error}"))?;
        let identity = m1.identity();
        let mut sent = &self.text[..];
        let lines = fs::read_to_string("telemetry.txt")?;
        for line in lines.lines() {
            let (&length, rest) = sent.split_first().context("telemetry: a message is missing")?;
            let (message, rest) = rest.split_at_checked(length.into()).context("telemetry: a message is cut short")?;
            let mut text = vec![0; line.len()];
            let decoded = raw::decode_checked(&mut m1, identity, Check::Bits16, message, &mut text);
            ensure!(decoded == Ok(line.len()) && text == line.as_bytes(), "telemetry: {line:?} became {decoded:?}");
            sent = rest;
        }
        ensure!(sent.is_empty(), "telemetry: more than the messages was sent");
        Ok(())
    }

    /// Fails unless the core's loops and the portable ones agree.
    pub fn check_kernels(&self) -> Result<()> {
        ensure!(self.code == Some(0), "kernels: exit code {:?}, log {:#?}", self.code, self.log);
        ensure!(self.log.iter().any(|line| line.ends_with("results agree")), "kernels: log {:#?}", self.log);
        Ok(())
    }

    /// What functions cost that were measured one by one: their names, with ticks, bytes of stack and bytes of text.
    pub fn functions(&self) -> Result<Vec<(&str, [u64; 3])>> {
        ensure!(self.code == Some(0), "exit code {:?}, log {:#?}", self.code, self.log);
        let lines = self.log.iter().filter_map(|line| line.split_once("function ")?.1.rsplit_once(": "));
        let functions = lines.map(|(name, costs)| {
            let mut numbers = costs.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
            let numbers = [numbers.next(), numbers.next(), numbers.next()];
            let [Some(ticks), Some(stack), Some(text)] = numbers else { bail!("log message {name}: {costs:?}") };
            Ok((name, [ticks, stack, text]))
        });
        let functions = functions.collect::<Result<Vec<_>>>()?;
        ensure!(!functions.is_empty(), "no function was measured: log {:#?}", self.log);
        Ok(functions)
    }

    /// The numbers in the measurement's log message: ticks, and bytes of stack.
    pub fn measured(&self) -> Result<(u64, u64)> {
        let line = self.log.iter().find_map(|line| line.split_once("measured: ")).context("nothing was measured")?.1;
        let mut numbers = line.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
        numbers.next().zip(numbers.next()).with_context(|| format!("log message {line:?}"))
    }
}
