//! The bound on bytes per window: an ideal coder that spends exactly `-log2 P` bits on each byte and fills every window to
//! its last bit.
//!
//! Definition. The text is cut by the default code, and every byte costs the `-log2 P` that the model's own integer
//! frequencies give it in the context of its window: contexts restart where the default code's windows end. With a cost
//! of `s` bits in all, an ideal coder needs `s / b` windows of `b` bits for the same text, and the bound is the length of
//! the text over that.
//!
//! A bound by whole bytes, as many as stay within `b` bits from each restart, would be none: a code may give its last few
//! values to the likeliest bytes at less than their `-log2 P`, and the default code then holds up to 5% more at b = 16.

use std::sync::LazyLock;

use equalinfo_codec::{ByteModel, WindowBits, WindowCode, encode_window};

/// The cost of a count in bits: `16 - log2(count)`.
static COST: LazyLock<Vec<f64>> = LazyLock::new(|| {
    (0..=65536u32).map(|count| if count == 0 { f64::INFINITY } else { 16.0 - f64::from(count).log2() }).collect()
});

/// The `-log2 P` of all bytes of `text` in bits, contexts restarting with the windows of the default code.
pub fn information(model: &mut impl ByteModel, bits: WindowBits, context: usize, text: &[u8]) -> f64 {
    let mut sum = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        // An empty window would be a fault of the code; it still must not hang the evaluation.
        let taken = encode_window(model, bits, WindowCode::Default, context, rest).consumed.max(1);
        let (window, after) = rest.split_at(taken);
        model.reset();
        for &byte in window {
            sum += COST[model.frequencies().count(byte) as usize];
            model.push(byte);
        }
        rest = after;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use equalinfo_codec::Uniform;

    #[test]
    fn uniform_bytes_cost_eight_bits() {
        for bits in WindowBits::STANDARD {
            assert_eq!(information(&mut Uniform, bits, 64, &[7; 100]), 800.0);
        }
        assert_eq!(information(&mut Uniform, WindowBits::B16, 64, &[]), 0.0);
    }
}
