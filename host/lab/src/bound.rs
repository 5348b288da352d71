//! The bound on bytes per window: an ideal coder that spends exactly `-log2 P` bits on each byte.
//!
//! Definition. From an empty context, bytes are taken while the sum of their `-log2 P` under the model's own integer
//! frequencies stays at or below `b`, and while they fit the context. The byte that exceeds `b` is credited with the
//! share of its cost that still fitted, and begins the next window, with an empty context again. So the bound's windows
//! restart where the *bound's* window ended, not where ours did: both run over the same text, each with its own
//! restarts. That also counts what a code loses because its windows begin at harder places than the bound's; [`window`]
//! begun at each of the code's own windows leaves that out. The last window of a text is cut short by its end, for the
//! bound as for every code.
//!
//! Without the credit, whole bytes alone, this would be no bound: a code may give its last few values to the likeliest
//! bytes at less than their `-log2 P`, and the default code then holds up to 5% more than whole bytes at b = 16.

use std::sync::LazyLock;

use equalinfo_codec::ByteModel;

/// The cost of a count in bits: `16 - log2(count)`.
static COST: LazyLock<Vec<f64>> = LazyLock::new(|| {
    (0..=65536u32).map(|count| if count == 0 { f64::INFINITY } else { 16.0 - f64::from(count).log2() }).collect()
});

/// The windows of an ideal coder.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct IdealWindows {
    /// How many there are.
    pub windows: u64,
    /// Bytes in all of them, shares of bytes included.
    pub bytes: f64,
}

/// Cuts `text` into windows of `bits` bits as an ideal coder would.
pub fn windows(model: &mut impl ByteModel, bits: u32, context: usize, text: &[u8]) -> IdealWindows {
    let mut sum = IdealWindows::default();
    let mut rest = text;
    while !rest.is_empty() {
        let ideal = window(model, bits, context, rest);
        rest = &rest[ideal.whole..];
        sum.windows += 1;
        sum.bytes += ideal.bytes();
    }
    sum
}

/// One window of an ideal coder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IdealWindow {
    /// Bytes that fit whole.
    pub whole: usize,
    /// The share of the next one that still fitted.
    pub share: f64,
}

impl IdealWindow {
    /// Both.
    pub fn bytes(self) -> f64 {
        self.whole as f64 + self.share
    }
}

/// The window of an ideal coder that begins where `text` does.
pub fn window(model: &mut impl ByteModel, bits: u32, context: usize, text: &[u8]) -> IdealWindow {
    model.reset();
    let mut left = f64::from(bits);
    for (taken, &byte) in text.iter().enumerate().take(context) {
        let cost = COST[model.frequencies().count(byte) as usize];
        // Every count is at least 2, so a byte costs at most 15 bits and the first one always fits.
        if cost > left && taken > 0 {
            return IdealWindow { whole: taken, share: left / cost };
        }
        left -= cost;
        model.push(byte);
    }
    IdealWindow { whole: text.len().min(context), share: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use equalinfo_codec::Uniform;

    #[test]
    fn uniform_bytes_cost_eight_bits() {
        let text = [0u8; 100];
        let ideal = |bits, context| windows(&mut Uniform, bits, context, &text);
        assert_eq!(ideal(16, 64), IdealWindows { windows: 50, bytes: 100.0 });
        assert_eq!(ideal(24, 64), IdealWindows { windows: 34, bytes: 100.0 });
        assert_eq!(ideal(20, 64), IdealWindows { windows: 50, bytes: 2.5 * 49.0 + 2.0 });
        assert_eq!(ideal(128, 4), IdealWindows { windows: 25, bytes: 100.0 });
        assert_eq!(windows(&mut Uniform, 16, 64, &[]), IdealWindows::default());
    }
}
