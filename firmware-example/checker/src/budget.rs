//! The upper limits on what a decoder costs.

use anyhow::{Result, ensure};

use crate::boards::{Board, Decoder};
use crate::table::Row;

/// Compares every row with its budgets.
pub fn check(rows: &[Row]) -> Result<()> {
    for row in rows {
        let (name, board) = (row.decoder.name(), row.board.name());
        let below = |what: &str, found: f64, most: f64| -> Result<()> {
            ensure!(found <= most, "{name} on {board}: {what} {found:.2}, above the limit of {most}");
            Ok(())
        };
        match row.decoder {
            Decoder::Lexicon => {
                // RISC-V's compressed instructions make code a fifth longer than Arm's.
                if row.board != Board::RiscvVirt {
                    below("bytes of decoder", row.code as f64, f64::from(8 << 10))?;
                }
                below("bytes of RAM", row.memory as f64, 640.0)?;
            }
            Decoder::Tables => {
                below("bytes of RAM", (row.static_memory + row.stack) as f64, f64::from(20 << 10))?;
            }
            Decoder::Pico | Decoder::Nano => {
                // Chips of 256 and 512 KiB, with room for a program.
                let most = if row.decoder == Decoder::Pico { 208 << 10 } else { 384 << 10 };
                below("bytes of flash", row.flash as f64, f64::from(most))?;
                below("bytes of RAM", (row.static_memory + row.stack) as f64, f64::from(24 << 10))?;
                // On M4 the aim; elsewhere what has been reached, with room for another compiler and other weights.
                // Beside the products of pico's one layer, what is done once a byte weighs more.
                let most = match (row.board, row.decoder) {
                    (Board::RiscvVirt, Decoder::Pico) => 3.5,
                    (Board::RiscvVirt, _) => 3.1,
                    (Board::Mps2An386, Decoder::Pico) => 1.7,
                    (Board::Microbit | Board::Mps2An385AsM0, Decoder::Pico) => 4.8,
                    (Board::Lm3s6965evb | Board::Mps2An385, Decoder::Pico) => 3.5,
                    (Board::Mps2An386, _) => 1.5,
                    (Board::Microbit | Board::Mps2An385AsM0, _) => 3.2,
                    (Board::Lm3s6965evb | Board::Mps2An385, _) => 2.5,
                };
                below("instructions per MAC", row.per_multiplication().unwrap_or(0.0), most)?;
            }
            Decoder::Strings => {
                below("bytes of decoder", row.code as f64, f64::from(22 << 10))?;
                below("bytes of RAM", (row.static_memory + row.stack) as f64, f64::from(12 << 10))?;
            }
            _ => {}
        }
    }
    Ok(())
}
