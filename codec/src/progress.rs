//! [`Progress`]: what one call of a decoder did.
//!
//! Invariant: a decoder that makes no progress needs more input or more room in the output, or has reached the end.

/// How far one call of a decoder came with the buffers it was given. If both numbers are 0, the decoder needs more input
/// or more room, or has reached the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Progress {
    /// Bytes taken from the start of the input.
    pub consumed: usize,
    /// Bytes written to the start of the output.
    pub written: usize,
}

/// Copies as much as there is room for.
pub(crate) fn copy(input: &[u8], output: &mut [u8]) -> Progress {
    let mut length = 0;
    for (place, &byte) in output.iter_mut().zip(input) {
        *place = byte;
        length += 1;
    }
    Progress { consumed: length, written: length }
}
