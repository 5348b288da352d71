//! [`Observer`]: for tools that show where the bits went.

/// One decision as it was coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Whether a long match goes on for a whole byte: the probability in 2^-16 that it does, and whether it did.
    Echo {
        /// The probability.
        probability: u32,
        /// The outcome.
        came: bool,
    },
    /// A bit of a byte.
    Bit {
        /// The probability, in 2^-16, of a 1.
        probability: u32,
        /// The bit.
        bit: u32,
        /// The front's own probability, if there is a front.
        front: Option<u32>,
        /// What the front, the match, and the contexts added to the first set's stretched probability.
        contributions: [i32; 3],
    },
}

/// Sees every decision. The observer `()` sees nothing and costs nothing.
pub trait Observer {
    /// Whether [`Self::decision`] is to be called.
    const WATCHES: bool = true;

    /// Sees a decision.
    fn decision(&mut self, decision: &Decision);
}

impl Observer for () {
    const WATCHES: bool = false;

    fn decision(&mut self, _decision: &Decision) {}
}

impl<F: FnMut(&Decision)> Observer for F {
    fn decision(&mut self, decision: &Decision) {
        self(decision);
    }
}
