//! [`Progress`]: what one call of a push/pull decoder did.

/// How far a decoder came with the buffers it was lent. Both may be 0: then it needs more input, or more room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Progress {
    /// Bytes taken from the start of the input.
    pub consumed: usize,
    /// Bytes written to the start of the output.
    pub written: usize,
}
