//! The order of rows in the passes over token shards.
//!
//! Invariant: a pass is a function of the numbers of rows, the weights, the seed and the pass's number, so a run that
//! resumes goes on with the rows that it would have had.

use equalinfo::random::Random;

/// Rows of one directory of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its rows.
    pub rows: u64,
    /// How many of them come in a pass, those that come twice counted twice.
    pub taken: u64,
}

impl Share {
    /// `rows` rows of which each comes `weight` times in a pass; at least one of them comes.
    pub fn new(rows: usize, weight: f64) -> Self {
        Self { rows: rows as u64, taken: ((rows as f64 * weight).round() as u64).max(1) }
    }

    /// A number of rows, tokens or bytes of the directory, as a pass has them.
    pub fn of(self, count: u64) -> u64 {
        (u128::from(count) * u128::from(self.taken) / u128::from(self.rows.max(1))) as u64
    }
}

/// The rows of a pass in their random order, counted through all directories.
///
/// Each directory has an endless sequence, all of its rows in one order after the other, of which every pass takes the
/// next [`Share::taken`].
pub fn of_pass(shares: &[Share], seed: u64, pass: u64) -> Vec<u32> {
    let mut order = Vec::new();
    let mut first = 0;
    for (number, &Share { rows, taken }) in (1..).zip(shares) {
        let (begin, end) = (pass * taken, (pass + 1) * taken);
        for cycle in begin / rows..end.div_ceil(rows) {
            let (from, to) = (begin.max(cycle * rows) - cycle * rows, end.min((cycle + 1) * rows) - cycle * rows);
            if to - from == rows {
                order.extend(first..first + rows as u32);
            } else {
                let mut cut: Vec<u32> = (first..first + rows as u32).collect();
                random(seed.wrapping_add(number), cycle).shuffle(&mut cut);
                order.extend_from_slice(&cut[from as usize..to as usize]);
            }
        }
        first += rows as u32;
    }
    random(seed, pass).shuffle(&mut order);
    order
}

fn random(seed: u64, pass: u64) -> Random {
    Random::new(seed ^ pass.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(order: &[u32], rows: usize) -> Vec<u32> {
        let mut counts = vec![0; rows];
        order.iter().for_each(|&row| counts[row as usize] += 1);
        counts
    }

    #[test]
    fn every_pass_has_every_row_once() {
        let shares = [Share::new(100, 1.0)];
        let (first, second) = (of_pass(&shares, 5, 0), of_pass(&shares, 5, 1));
        assert_eq!(counts(&first, 100), [1; 100]);
        assert_eq!(counts(&second, 100), [1; 100]);
        assert_ne!(first, second);
        assert_eq!(first, of_pass(&shares, 5, 0));
        // Two directories are as one that has the rows of both.
        assert_eq!(first, of_pass(&[Share::new(60, 1.0), Share::new(40, 1.0)], 5, 0));
    }

    #[test]
    fn rows_come_as_often_as_their_weight_says() {
        let shares = [Share::new(10, 2.0), Share::new(20, 0.25), Share::new(30, 1.5), Share::new(3, 0.01)];
        assert_eq!(shares.map(|share| share.taken), [20, 5, 45, 1]);
        let passes: Vec<Vec<u32>> = (0..12).map(|pass| of_pass(&shares, 7, pass)).collect();
        assert!(passes.iter().all(|order| order.len() == 71));
        for order in &passes {
            assert_eq!(counts(order, 63)[..10], [2; 10]);
            assert!(counts(order, 63)[30..60].iter().all(|count| [1, 2].contains(count)));
        }
        for (passes, expected) in [(&passes[..4], 1), (&passes[4..8], 1), (&passes[..], 3)] {
            assert_eq!(counts(&passes.concat(), 63)[10..30], [expected; 20]);
        }
        assert_eq!(counts(&passes[2..4].concat(), 63)[30..60], [3; 30]);
        assert_eq!(counts(&passes[3..6].concat(), 63)[60..], [1; 3]);
        assert_ne!(passes[0], passes[4]);
        assert_eq!(shares.map(|share| share.of(60)), [120, 15, 90, 20]);
    }
}
