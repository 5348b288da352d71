//! Checks the firmware examples and measures them. For each decoder and board it builds the program, runs it in QEMU,
//! compares the text with the text that was compressed, rejects code that may panic, damages the streams, and prints a
//! table of costs, and one of what single functions cost. It also compares the loops written for a core with the portable
//! ones. Any difference, and any exceeded budget, is an error.
//!
//! Run it after `./prepare`: `cargo run -p equalinfo-firmware-checker [--brief] [DECODER|BOARD...]`. `--brief` measures
//! functions on one board alone, which shows that they run.

mod boards;
mod budget;
mod damage;
mod firmware;
mod multiplications;
mod table;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use boards::{Board, Decoder};
use firmware::{Firmware, Streams};

/// The programs to build and run.
const RUNS: [(Decoder, Board); 24] = [
    (Decoder::Lexicon, Board::Microbit),
    (Decoder::Lexicon, Board::Lm3s6965evb),
    (Decoder::Lexicon, Board::Mps2An386),
    (Decoder::Tables, Board::Lm3s6965evb),
    (Decoder::Tables, Board::Mps2An386),
    (Decoder::Tables, Board::RiscvVirt),
    (Decoder::Pico, Board::Microbit),
    (Decoder::Pico, Board::Lm3s6965evb),
    (Decoder::Pico, Board::Mps2An386),
    (Decoder::Pico, Board::RiscvVirt),
    (Decoder::Strings, Board::Microbit),
    (Decoder::Strings, Board::Lm3s6965evb),
    (Decoder::Strings, Board::Mps2An386),
    (Decoder::Strings, Board::RiscvVirt),
    (Decoder::Telemetry, Board::Microbit),
    (Decoder::Telemetry, Board::Mps2An386),
    (Decoder::Nano, Board::Mps2An385AsM0),
    (Decoder::Nano, Board::Mps2An385),
    (Decoder::Nano, Board::Mps2An386),
    (Decoder::Nano, Board::RiscvVirt),
    (Decoder::Micro, Board::Mps2An385AsM0),
    (Decoder::Micro, Board::Mps2An385),
    (Decoder::Micro, Board::Mps2An386),
    (Decoder::Lexicon, Board::RiscvVirt),
];

/// The programs that measure functions one by one.
const FUNCTIONS: [(Decoder, Board); 15] = [
    (Decoder::FunctionsTables, Board::Microbit),
    (Decoder::FunctionsTables, Board::Lm3s6965evb),
    (Decoder::FunctionsTables, Board::Mps2An386),
    (Decoder::FunctionsTables, Board::RiscvVirt),
    (Decoder::FunctionsPico, Board::Microbit),
    (Decoder::FunctionsPico, Board::Lm3s6965evb),
    (Decoder::FunctionsPico, Board::Mps2An386),
    (Decoder::FunctionsPico, Board::RiscvVirt),
    (Decoder::FunctionsNano, Board::Mps2An385AsM0),
    (Decoder::FunctionsNano, Board::Mps2An385),
    (Decoder::FunctionsNano, Board::Mps2An386),
    (Decoder::FunctionsNano, Board::RiscvVirt),
    (Decoder::FunctionsMicro, Board::Mps2An385AsM0),
    (Decoder::FunctionsMicro, Board::Mps2An385),
    (Decoder::FunctionsMicro, Board::Mps2An386),
];

fn main() -> Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::set_current_dir(&directory).with_context(|| format!("{}: cannot enter", directory.display()))?;
    let generated = Path::new("generated");
    ensure!(generated.join("pico.eqi").exists(), "firmware-example/generated is missing: run firmware-example/prepare");

    let (options, names): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|name| name == "--brief");
    let brief = !options.is_empty();
    let chosen =
        |decoder: Decoder, board: Board| names.iter().all(|name| [decoder.name(), board.name()].contains(&&**name));
    let mut rows = Vec::new();
    for (decoder, board) in RUNS.into_iter().filter(|&(decoder, board)| chosen(decoder, board)) {
        eprintln!("{} on {}", decoder.name(), board.name());
        let baseline = Firmware::baseline(decoder, board)?;
        let firmware = Firmware::build(decoder, board, &Streams::Intact)?;
        firmware.check_no_panic()?;
        let run = firmware.run()?;
        run.check_text(decoder)?;
        rows.push(table::Row::new(decoder, board, &firmware, &baseline, &run)?);
    }
    if !rows.is_empty() {
        table::print(&rows);
    }
    let mut functions = Vec::new();
    let measured = FUNCTIONS.into_iter().filter(|&(_, board)| !brief || board == Board::Mps2An386);
    for (program, board) in measured.filter(|&(program, board)| chosen(program, board)) {
        eprintln!("{} on {}", program.name(), board.name());
        let run = Firmware::build(program, board, &Streams::Intact)?.run()?;
        functions.extend(table::Function::all(program, board, &run)?);
    }
    if !functions.is_empty() {
        table::print_functions(&functions);
    }
    if names.is_empty() {
        peers()?;
    }
    for board in [Board::Microbit, Board::Lm3s6965evb, Board::Mps2An386, Board::RiscvVirt] {
        if chosen(Decoder::Kernels, board) {
            eprintln!("kernels on {}", board.name());
            let firmware = Firmware::build(Decoder::Kernels, board, &Streams::Intact)?;
            firmware.check_no_panic()?;
            firmware.run()?.check_kernels()?;
        }
    }
    for (decoder, board) in [
        (Decoder::Pico, Board::Lm3s6965evb),
        (Decoder::Tables, Board::Lm3s6965evb),
        (Decoder::Lexicon, Board::Microbit),
    ] {
        if chosen(decoder, board) {
            damage::check(decoder, board)?;
        }
    }
    budget::check(&rows)
}

/// What other compressors cost on the same boards. It says itself what it lacks.
fn peers() -> Result<()> {
    let code = Command::new("peers/measure").status().context("peers/measure")?.code();
    ensure!(matches!(code, Some(0 | 77)), "peers/measure failed");
    Ok(())
}
