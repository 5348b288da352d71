//! The inner loops of the byte model for Cortex-M: the same bits as the codec's portable loops, in fewer instructions.
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
#[cfg(any(core = "dsp", core = "mla"))]
mod long;
#[cfg(any(core = "dsp", core = "mla", core = "small"))]
mod rows;

/// Cortex-M4 and M7: two multiplications per instruction.
#[cfg(core = "dsp")]
pub type Fastest = dsp::Dsp;
/// Cortex-M0, M0+, M3 and M33: four weights in two multiplications.
#[cfg(any(core = "mla", core = "small"))]
pub type Fastest = fours::Fours;
/// The portable loops, on all other machines.
#[cfg(not(any(core = "dsp", core = "mla", core = "small")))]
pub type Fastest = equalinfo_codec::m1::Portable;
