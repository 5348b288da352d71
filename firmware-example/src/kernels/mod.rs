//! The model's inner loops for these cores: the same bits as the portable ones, in fewer instructions.
//!
//! Every number here is an instruction count under QEMU, which is what the checker measures; on a chip, loads cost more.

#[cfg(all(target_arch = "arm", feature = "mps2-an386"))]
mod dsp;
#[cfg(all(target_arch = "arm", any(feature = "mps2-an386", feature = "microbit")))]
mod rows;
#[cfg(all(target_arch = "arm", feature = "microbit"))]
mod small;
#[cfg(all(target_arch = "arm", not(feature = "microbit")))]
mod wide;

/// Cortex-M4: two multiplications an instruction.
#[cfg(feature = "mps2-an386")]
pub type Fastest = dsp::Dsp;
/// Cortex-M3: the high half of a product in one instruction.
#[cfg(any(feature = "lm3s6965evb", feature = "mps2-an385"))]
pub type Fastest = wide::Wide;
/// Cortex-M0: few registers, and no multiplication that adds.
#[cfg(feature = "microbit")]
pub type Fastest = small::Small;
/// Elsewhere the portable loops.
#[cfg(not(any(feature = "mps2-an386", feature = "lm3s6965evb", feature = "mps2-an385", feature = "microbit")))]
pub type Fastest = equalinfo_codec::m1::Portable;
