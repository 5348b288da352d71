//! The loops of the byte model for Cortex-M: the same bits as the codec's portable ones, in fewer instructions.
//!
//! ```
//! # use equalinfo_codec::m1::{M1, Model, ModelError};
//! use equalinfo_cortex_m::Fastest;
//!
//! # fn set_up(image: &[u8], bytes: &mut [i8], words: &mut [i32]) -> Result<(), ModelError> {
//! let model = Model::load(image)?;
//! let m1 = M1::<Fastest>::with_kernels(&model, 64, bytes, words)?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Fastest`] is chosen by the target that a program is built for; on other machines it is [`Portable`](equalinfo_codec::m1::Portable). Numbers in the modules are
//! instruction counts under QEMU; on a chip, loads cost more. `firmware-example/src/bin/kernels.rs` compares the loops with the portable ones on the cores.
//!
//! Invariant: no loop reads or writes beyond what it is given, whatever that is; where something does not have the form that the assembly needs, portable code
//! takes its place.
#![no_std]

#[cfg(core = "dsp")]
mod dsp;
#[cfg(any(core = "mla", core = "small"))]
mod fours;
#[cfg(any(core = "dsp", core = "mla"))]
mod long;
#[cfg(any(core = "dsp", core = "mla", core = "small"))]
mod rows;

/// Cortex-M4 and M7: two multiplications an instruction.
#[cfg(core = "dsp")]
pub type Fastest = dsp::Dsp;
/// Cortex-M0, M0+, M3 and M33: four weights in two multiplications.
#[cfg(any(core = "mla", core = "small"))]
pub type Fastest = fours::Fours;
/// Elsewhere the portable loops.
#[cfg(not(any(core = "dsp", core = "mla", core = "small")))]
pub type Fastest = equalinfo_codec::m1::Portable;
