//! What the decoders may cost at most.

use anyhow::{Result, ensure};

use crate::boards::{Board, Decoder};
use crate::table::Row;

/// Compares every row with its budgets.
pub fn check(rows: &[Row]) -> Result<()> {
    for row in rows {
        let (name, board) = (row.decoder.name(), row.board.name());
        let below = |what: &str, found: f64, most: f64| -> Result<()> {
            ensure!(found <= most, "{name} on {board}: {what} {found:.2}, and at most {most} are allowed");
            Ok(())
        };
        match row.decoder {
            Decoder::Lexicon => {
                // The compressed instructions of RISC-V are a fifth longer than those of Arm.
                if row.board != Board::RiscvVirt {
                    below("bytes of decoder", row.code as f64, 4096.0)?;
                }
                below("bytes of RAM", row.memory as f64, 512.0)?;
            }
            Decoder::Nano => {
                let most = if row.board == Board::RiscvVirt { 168 << 10 } else { 160 << 10 };
                below("bytes of flash", row.flash as f64, f64::from(most))?;
                below("bytes of RAM", (row.static_memory + row.stack) as f64, f64::from(24 << 10))?;
                // The aims on M4 and M0; elsewhere what has been reached, with room for another compiler.
                let most = match row.board {
                    Board::Mps2An386 => 1.5,
                    Board::Microbit => 3.0,
                    Board::Lm3s6965evb | Board::Mps2An385 | Board::Mps2An385AsM0 => 2.5,
                    Board::RiscvVirt => 5.0,
                };
                below("instructions a MAC", row.per_multiplication().unwrap_or(0.0), most)?;
            }
            Decoder::Micro | Decoder::Empty | Decoder::Kernels => {}
        }
    }
    Ok(())
}
