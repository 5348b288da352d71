//! The bound on bytes per window: an ideal coder that spends exactly `-log2 P` bits on each byte.
//!
//! Definition. From an empty context, bytes are taken while the sum of their `-log2 P` under the model's own
//! integer frequencies stays at or below `b`, and while they fit the context; the byte that exceeds `b` begins the
//! next window, with an empty context again. So the bound's windows restart where the *bound's* window ended, not
//! where ours did: both segmentations run over the same text, each with its own restarts. The last window of a
//! text is cut short by its end, for the bound as for every code.

use std::sync::LazyLock;

use equalinfo_codec::ByteModel;

/// The cost of a count in bits: `16 - log2(count)`.
static COST: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..=65536u32).map(|count| if count == 0 { f64::INFINITY } else { 16.0 - f64::from(count).log2() }).collect());

/// The ideal cost in bits of a byte that has `count` of 2^16.
pub fn cost(count: u32) -> f64 {
    COST[count as usize]
}

/// The number of windows of `bits` bits into which an ideal coder cuts `text`.
pub fn windows(model: &mut impl ByteModel, bits: u32, context: usize, text: &[u8]) -> u64 {
    let mut windows = 0;
    let mut rest = text;
    while !rest.is_empty() {
        rest = &rest[window(model, bits, context, rest)..];
        windows += 1;
    }
    windows
}

/// The bytes of `text` that fit in one window.
fn window(model: &mut impl ByteModel, bits: u32, context: usize, text: &[u8]) -> usize {
    model.reset();
    let mut spent = 0.0;
    for (taken, &byte) in text.iter().enumerate().take(context) {
        spent += cost(model.frequencies().count(byte));
        if spent > f64::from(bits) {
            // Every count is at least 2, so a byte costs at most 15 bits and the first one always fits.
            return taken.max(1);
        }
        model.push(byte);
    }
    text.len().min(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use equalinfo_codec::Uniform;

    #[test]
    fn uniform_bytes_cost_eight_bits() {
        let text = [0u8; 100];
        assert_eq!(windows(&mut Uniform, 16, 64, &text), 50);
        assert_eq!(windows(&mut Uniform, 24, 64, &text), 34);
        assert_eq!(windows(&mut Uniform, 128, 64, &text), 7);
        assert_eq!(windows(&mut Uniform, 128, 4, &text), 25);
        assert_eq!(windows(&mut Uniform, 16, 64, &[]), 0);
    }
}
