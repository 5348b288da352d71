//! The boards that QEMU knows, and the decoders that run on them.

use std::process::Command;

/// A board of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    Microbit,
    Lm3s6965evb,
    Mps2An385,
    /// The same with what is built for Cortex-M0, whose instructions its core has too: no board with a Cortex-M0 has as much flash.
    Mps2An385AsM0,
    Mps2An386,
    RiscvVirt,
}

impl Board {
    /// Its name, which is also the feature of the firmware.
    pub fn name(self) -> &'static str {
        match self {
            Self::Microbit => "microbit",
            Self::Lm3s6965evb => "lm3s6965evb",
            Self::Mps2An385 | Self::Mps2An385AsM0 => "mps2-an385",
            Self::Mps2An386 => "mps2-an386",
            Self::RiscvVirt => "riscv-virt",
        }
    }

    /// The core's name, for people.
    pub fn core(self) -> &'static str {
        match self {
            Self::Microbit | Self::Mps2An385AsM0 => "Cortex-M0",
            Self::Lm3s6965evb | Self::Mps2An385 => "Cortex-M3",
            Self::Mps2An386 => "Cortex-M4",
            Self::RiscvVirt => "RV32IMC",
        }
    }

    /// The compiler's name for the core.
    pub fn target(self) -> &'static str {
        match self {
            Self::Microbit | Self::Mps2An385AsM0 => "thumbv6m-none-eabi",
            Self::Lm3s6965evb | Self::Mps2An385 => "thumbv7m-none-eabi",
            Self::Mps2An386 => "thumbv7em-none-eabihf",
            Self::RiscvVirt => "riscv32imc-unknown-none-elf",
        }
    }

    /// The length of a tick of the system timer in nanoseconds, times two. RISC-V counts instructions, and QEMU
    /// counts them in nanoseconds.
    pub fn half_nanoseconds_per_tick(self) -> u64 {
        match self {
            Self::Microbit => 125,
            Self::Lm3s6965evb => 160,
            Self::Mps2An385 | Self::Mps2An385AsM0 | Self::Mps2An386 => 80,
            Self::RiscvVirt => 2,
        }
    }

    /// QEMU for this board, which gives each instruction 64 ns; a program that hangs is ended after some seconds.
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
    /// Prints and logs, and decodes nothing: what the others are compared with.
    Empty,
    /// Compares the core's loops with the portable ones, and decodes nothing.
    Kernels,
    Lexicon,
    Nano,
    Micro,
}

impl Decoder {
    /// The name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Kernels => "kernels",
            Self::Lexicon => "lexicon",
            Self::Nano => "nano",
            Self::Micro => "micro",
        }
    }

    /// The profile that it is built with.
    pub fn profile(self) -> &'static str {
        if self == Self::Lexicon { "small" } else { "release" }
    }

    /// The stream that it decodes on a board.
    pub fn stream(self, board: Board) -> &'static str {
        match self {
            Self::Empty | Self::Kernels => "",
            Self::Lexicon => "lexicon.eqi",
            Self::Nano if board == Board::Microbit => "nano-small.eqi",
            Self::Nano => "nano.eqi",
            Self::Micro => "micro.eqi",
        }
    }

    /// The file of its model or lexicon.
    pub fn image(self) -> &'static str {
        match self {
            Self::Empty | Self::Kernels => "",
            Self::Lexicon => "nano.lex",
            Self::Nano => "nano.m1q",
            Self::Micro => "micro.m1q",
        }
    }
}
