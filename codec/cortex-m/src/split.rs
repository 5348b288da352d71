//! Activations as factors of whole words of weights, with what does not fit cut off.
//!
//! Invariant: the absolute values of a chunk's eight activations add up to at most [`MOST`], and what a chunk and the
//! list behind all of them hold of an activation adds up to it.

/// The largest sum of the absolute values of a chunk's activations: times 127 it is below 2^15.
const MOST: i32 = 258;

/// Activations that were split: the ends, in the scratch memory, of the chunks' words, of the parts cut off from odd
/// columns and of all parts; and 128 times the parts from even columns, negative.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code)] // Each core uses its own part.
pub struct Split {
    pub words: usize,
    pub odd: usize,
    pub all: usize,
    pub bias: i32,
}

/// Splits activations into chunks of five words, which `chunk` writes for eight of them, returning the sum of their
/// absolute values. A list of the parts cut off follows, each with its column, odd columns first. `None` if there is no
/// room.
#[inline]
pub fn split(
    activations: &[i8],
    scratch: &mut [i32],
    chunk_of: impl Fn(&[i8; 8], &mut [i32; 5]) -> i32,
) -> Option<Split> {
    let words = activations.len() / 8 * 5;
    let (chunks, rest) = scratch.split_at_mut_checked(words)?;
    let list = rest.as_chunks_mut::<2>().0;
    let (mut odd, mut all, mut bias) = (0usize, 0usize, 0);
    for (first, (words, chunk)) in
        (0i32..).step_by(8).zip(chunks.as_chunks_mut::<5>().0.iter_mut().zip(activations.as_chunks::<8>().0))
    {
        let mut excess = chunk_of(chunk, words).wrapping_sub(MOST);
        if excess <= 0 {
            continue;
        }
        let mut chunk = *chunk;
        while excess > 0 {
            // The first activation that is large enough, or half as large, and so on. Odd columns are tried first, as
            // they cost less.
            let mut wanted = excess;
            let column = loop {
                let mut columns = (0..8).map(|i: usize| (2 * i + 1).wrapping_sub(i >> 2) & 7);
                match columns.find(|&column| i32::from(chunk[column]).abs() >= wanted) {
                    Some(column) => break column,
                    None => wanted >>= 1,
                }
            };
            let size = excess.min(i32::from(chunk[column]).abs());
            let cut = if chunk[column] < 0 { size.wrapping_neg() } else { size };
            chunk[column] = chunk[column].wrapping_sub(cut as i8);
            excess = excess.wrapping_sub(size);
            let column = first.wrapping_add(column as i32);
            let place = if column % 2 == 0 { all } else { odd };
            if column % 2 == 0 {
                bias -= cut << 7;
            } else {
                odd = odd.wrapping_add(1);
            }
            // The entry of an odd column takes the place of one of an even column, which moves to the end.
            *list.get_mut(all)? = *list.get(place)?;
            *list.get_mut(place)? = [column, cut];
            all = all.wrapping_add(1);
        }
        chunk_of(&chunk, words);
    }
    let end = |entries: usize| words.wrapping_add(entries << 1);
    Some(Split { words, odd: end(odd), all: end(all), bias })
}
