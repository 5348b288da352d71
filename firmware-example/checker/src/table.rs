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
        if matches!(decoder, Decoder::Pico | Decoder::Strings) {
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
            text: match decoder {
                Decoder::Telemetry => length_of_lines("telemetry.txt")?,
                Decoder::Strings => length_of_lines("strings.txt")?,
                _ => fs::metadata("text.txt")?.len(),
            },
            multiplications,
        })
    }

    /// Instructions per multiplication in the matrix products.
    pub fn per_multiplication(&self) -> Option<f64> {
        Some(self.instructions as f64 / self.multiplications? as f64)
    }
}

/// Bytes of a file's lines without their ends.
fn length_of_lines(path: &str) -> Result<u64> {
    Ok(fs::read_to_string(path)?.lines().map(|line| line.len() as u64).sum())
}

/// The cost of a function on a board.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The model, or what else it works with.
    pub model: &'static str,
    /// The board.
    pub board: Board,
    /// Instructions of a call, or of as many calls as the text takes.
    pub instructions: u64,
    /// Bytes of text that it decodes or encodes; 0 if it does neither.
    pub text: u64,
    /// Bytes of stack at its deepest.
    pub stack: u64,
}

impl Function {
    /// What a program has measured.
    pub fn all(decoder: Decoder, board: Board, run: &Run) -> Result<Vec<Self>> {
        let functions = run.functions()?.into_iter().map(|(name, [ticks, stack, text])| Self {
            name: name.to_owned(),
            model: decoder.model().unwrap_or("-"),
            board,
            instructions: ticks * board.half_nanoseconds_per_tick() / 128,
            text,
            stack,
        });
        Ok(functions.collect())
    }
}

/// Prints the table of functions as Markdown.
pub fn print_functions(functions: &[Function]) {
    println!("\n| function | model | core (board) | instructions | per byte | stack |");
    println!("|---|---|---|---|---|---|");
    for function in functions {
        println!(
            "| `{}` | {} | {} ({}) | {} | {} | {} |",
            function.name,
            function.model,
            function.board.core(),
            function.board.name(),
            function.instructions,
            function.instructions.checked_div(function.text).map_or_else(|| "-".to_owned(), |count| count.to_string()),
            function.stack,
        );
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
