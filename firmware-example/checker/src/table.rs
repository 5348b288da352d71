//! The table of what each decoder costs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::boards::{Board, Decoder};
use crate::firmware::{Firmware, Run};
use crate::multiplications;

/// The cost of a decoder on a board.
#[derive(Debug)]
pub struct Row {
    pub decoder: Decoder,
    pub board: Board,
    /// Total bytes of flash.
    pub flash: u64,
    /// Bytes of its model or lexicon.
    pub image: u64,
    /// Bytes of flash that the decoder's code and constants add to a program that prints and logs.
    pub code: u64,
    /// Bytes of RAM that are allocated statically.
    pub static_memory: u64,
    /// Bytes of stack at its deepest.
    pub stack: u64,
    /// Bytes of RAM, stack included, that the decoder adds to a program that prints and logs.
    pub memory: u64,
    /// Instructions spent on decoding alone.
    pub instructions: u64,
    /// Bytes of text that these instructions decode.
    pub text: u64,
    /// Multiplications in the matrix products.
    pub multiplications: Option<u64>,
}

impl Row {
    /// Gathers a row.
    pub fn new(decoder: Decoder, board: Board, firmware: &Firmware, baseline: &Firmware, run: &Run) -> Result<Self> {
        let generated = Path::new("generated");
        let length = |name: &str| -> Result<u64> {
            Ok(fs::metadata(generated.join(name)).with_context(|| format!("generated/{name}"))?.len())
        };
        let image = if decoder.image().is_empty() { 0 } else { length(decoder.image())? };
        let stream = if decoder.stream(board).is_empty() { 0 } else { length(decoder.stream(board))? };
        let mut data = image + stream;
        if decoder == Decoder::Pico {
            data += length("strings.eqt")?;
        }
        let flash = firmware.flash()?;
        let code = flash.checked_sub(baseline.flash()? + data).context("the program is smaller than its data")?;
        let (ticks, stack) = run.measured()?;
        let memory = firmware.static_memory()? + stack;
        let memory_without = baseline.static_memory()? + baseline.run()?.measured()?.1;
        let multiplications = match decoder {
            Decoder::Pico | Decoder::Nano | Decoder::Micro => {
                Some(multiplications::count(&generated.join(decoder.image()), &generated.join(decoder.stream(board)))?)
            }
            _ => None,
        };
        Ok(Self {
            decoder,
            board,
            flash,
            image,
            code,
            static_memory: firmware.static_memory()?,
            stack,
            memory: memory.saturating_sub(memory_without),
            instructions: ticks * board.half_nanoseconds_per_tick() / 128,
            text: if decoder == Decoder::Telemetry {
                fs::read_to_string("telemetry.txt")?.lines().map(|line| line.len() as u64).sum()
            } else {
                fs::metadata("text.txt")?.len()
            },
            multiplications,
        })
    }

    /// Instructions per multiplication in the matrix products.
    pub fn per_multiplication(&self) -> Option<f64> {
        Some(self.instructions as f64 / self.multiplications? as f64)
    }
}

/// Prints the table as Markdown.
pub fn print(rows: &[Row]) {
    println!(
        "| decoder | core (board) | flash | image | decoder code | static RAM | stack | decoder RAM | \
         instructions/byte | per MAC |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        println!(
            "| {} | {} ({}) | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.decoder.name(),
            row.board.core(),
            row.board.name(),
            row.flash,
            row.image,
            row.code,
            row.static_memory,
            row.stack,
            row.memory,
            row.instructions / row.text,
            row.per_multiplication().map_or_else(|| "-".to_owned(), |count| format!("{count:.2}")),
        );
    }
}
