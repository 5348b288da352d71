//! What no model makes smaller.

/// Whether all byte values are about equally frequent, as in compressed or encrypted data, which no model of text
/// makes smaller: asking one would take a thousand times longer than storing it.
///
/// Noise of `n` bytes has a sum of squared counts of `n^2 / 256 + n`; a quarter more than `n^2 / 256` is the limit. In
/// integers, so that every machine decides alike.
pub fn is_noise(text: &[u8]) -> bool {
    const ENOUGH: usize = 4096;
    if text.len() < ENOUGH {
        return false;
    }
    let mut counts = [0u64; 256];
    for &byte in text {
        counts[usize::from(byte)] += 1;
    }
    let squares: u64 = counts.iter().map(|&count| count * count).sum();
    let length = text.len() as u64;
    squares * 256 * 4 <= length * length * 5
}
