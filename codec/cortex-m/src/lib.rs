//! The inner loops of the byte model for Cortex-M and RV32: the same bits as the codec's portable loops, in fewer instructions.
//!
//! [`Fastest`] follows from the target of the build; on other machines it is
//! [`Portable`](equalinfo_codec::m1::Portable). Numbers in the modules are instruction counts under QEMU; on a chip,
//! loads cost more. The program `kernels` of the firmware example compares these loops with the portable ones on every
//! core.
//!
//! Invariant: no loop reads or writes beyond the slices that it is given, whatever their contents. Where they do not
//! have the form that the assembly needs, portable code runs instead.
//!
#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(core = "dsp")]
mod dsp;
#[cfg(any(core = "mla", core = "small"))]
mod fours;
#[cfg(any(core = "dsp", core = "mla", core = "rv32"))]
mod long;
#[cfg(any(core = "dsp", core = "mla", core = "small"))]
mod rows;
#[cfg(core = "rv32")]
mod rv32;
#[cfg(any(core = "mla", core = "small", core = "rv32"))]
mod split;

/// Cortex-M4, M7, and M33 with DSP: two multiplications per instruction.
#[cfg(core = "dsp")]
pub type Fastest = dsp::Dsp;
/// Cortex-M0, M0+, M3, and M33 without DSP: four weights in two multiplications.
#[cfg(any(core = "mla", core = "small"))]
pub type Fastest = fours::Fours;
/// RISC-V of 32 bits with multiplication: four weights in two multiplications, four rows at a time.
#[cfg(core = "rv32")]
pub type Fastest = rv32::Rv32;
/// The portable loops, on all other machines.
#[cfg(not(any(core = "dsp", core = "mla", core = "small", core = "rv32")))]
pub type Fastest = equalinfo_codec::m1::Portable;
