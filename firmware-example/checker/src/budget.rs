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
            Decoder::Nano => {
                let most = if row.board == Board::RiscvVirt { 180 << 10 } else { 172 << 10 };
                below("bytes of flash", row.flash as f64, f64::from(most))?;
                below("bytes of RAM", (row.static_memory + row.stack) as f64, f64::from(24 << 10))?;
                // On M4 and M0 the aims; elsewhere what has been reached, with room for another compiler.
                let most = match row.board {
                    Board::Mps2An386 => 1.5,
                    Board::Microbit => 3.0,
                    Board::Lm3s6965evb | Board::Mps2An385 | Board::Mps2An385AsM0 => 2.5,
                    Board::RiscvVirt => 5.0,
                };
                below("instructions per MAC", row.per_multiplication().unwrap_or(0.0), most)?;
            }
            Decoder::Micro | Decoder::Empty | Decoder::Kernels => {}
        }
    }
    Ok(())
}
