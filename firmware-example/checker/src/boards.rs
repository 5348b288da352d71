//! The QEMU boards, and the decoders that run on them.

use std::process::Command;

/// A QEMU board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    Microbit,
    Lm3s6965evb,
    Mps2An385,
    /// The same board running code built for Cortex-M0, whose instructions its core also executes: no Cortex-M0 board
    /// has enough flash.
    Mps2An385AsM0,
    Mps2An386,
    RiscvVirt,
}

impl Board {
    /// The board's name, which is also the firmware's feature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Microbit => "microbit",
            Self::Lm3s6965evb => "lm3s6965evb",
            Self::Mps2An385 | Self::Mps2An385AsM0 => "mps2-an385",
            Self::Mps2An386 => "mps2-an386",
            Self::RiscvVirt => "riscv-virt",
        }
    }

    /// The core's display name.
    pub fn core(self) -> &'static str {
        match self {
            Self::Microbit | Self::Mps2An385AsM0 => "Cortex-M0",
            Self::Lm3s6965evb | Self::Mps2An385 => "Cortex-M3",
            Self::Mps2An386 => "Cortex-M4",
            Self::RiscvVirt => "RV32IMC",
        }
    }

    /// The compiler's target for the core.
    pub fn target(self) -> &'static str {
        match self {
            Self::Microbit | Self::Mps2An385AsM0 => "thumbv6m-none-eabi",
            Self::Lm3s6965evb | Self::Mps2An385 => "thumbv7m-none-eabi",
            Self::Mps2An386 => "thumbv7em-none-eabihf",
            Self::RiscvVirt => "riscv32imc-unknown-none-elf",
        }
    }

    /// Twice the length of a system timer tick in nanoseconds. On RISC-V the timer counts instructions, which QEMU
    /// counts in nanoseconds.
    pub fn half_nanoseconds_per_tick(self) -> u64 {
        match self {
            Self::Microbit => 125,
            Self::Lm3s6965evb => 160,
            Self::Mps2An385 | Self::Mps2An385AsM0 | Self::Mps2An386 => 80,
            Self::RiscvVirt => 2,
        }
    }

    /// The QEMU command for this board, at 64 ns per instruction; a program that hangs is killed after some seconds.
    pub fn machine(self, patience: u32) -> Command {
        let mut command = Command::new("timeout");
        command.arg(patience.to_string());
        match self {
            Self::RiscvVirt => command.args(["qemu-system-riscv32", "-M", "virt", "-bios", "none"]),
            _ => command.args(["qemu-system-arm", "-M", self.name()]),
        };
        command.args(["-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=6"]);
        command.args(["-semihosting-config", "enable=on,target=native"]);
        command
    }
}

/// A program of the firmware example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// Prints and logs, and decodes nothing: the baseline of the others.
    Empty,
    /// Compares the core's loops with the portable ones; decodes nothing.
    Kernels,
    Lexicon,
    /// Tables that learn, without a model.
    Tables,
    Pico,
    /// Texts of a string table, with pico.
    Strings,
    /// Encodes with pico.
    Telemetry,
    Nano,
    Micro,
    /// Measures functions one by one, with a model or without.
    FunctionsPico,
    FunctionsNano,
    FunctionsMicro,
    FunctionsTables,
}

impl Decoder {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Kernels => "kernels",
            Self::Lexicon => "lexicon",
            Self::Tables => "tables",
            Self::Pico => "pico",
            Self::Strings => "strings",
            Self::Telemetry => "telemetry",
            Self::Nano => "nano",
            Self::Micro => "micro",
            Self::FunctionsPico => "functions-pico",
            Self::FunctionsNano => "functions-nano",
            Self::FunctionsMicro => "functions-micro",
            Self::FunctionsTables => "functions-tables",
        }
    }

    /// The model that its functions are measured with; `None` if it takes none.
    pub fn model(self) -> Option<&'static str> {
        match self {
            Self::FunctionsPico => Some("pico"),
            Self::FunctionsNano => Some("nano"),
            Self::FunctionsMicro => Some("micro"),
            _ => None,
        }
    }

    /// The profile the program is built with.
    pub fn profile(self) -> &'static str {
        if self == Self::Lexicon { "small" } else { "release" }
    }

    /// The stream that the program decodes on `board`; empty if it decodes none.
    pub fn stream(self, board: Board) -> &'static str {
        match self {
            Self::Lexicon => "lexicon.eqi",
            Self::Tables => "tables.eqi",
            Self::Pico if board == Board::Microbit => "pico-small.eqi",
            Self::Pico => "pico.eqi",
            Self::Nano => "nano.eqi",
            Self::Micro => "micro.eqi",
            _ => "",
        }
    }

    /// The file that holds its model or lexicon; empty if it has neither.
    pub fn image(self) -> &'static str {
        match self {
            Self::Lexicon => "nano.lex",
            Self::Pico | Self::Strings | Self::Telemetry => "pico.m1q",
            Self::Nano => "nano.m1q",
            Self::Micro => "micro.m1q",
            _ => "",
        }
    }
}
