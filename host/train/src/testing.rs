//! What the trainer's tests share.

use equalinfo::random::Random;

/// `count` values, uniform in -1..1.
pub fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut generator = Random::new(seed);
    (0..count).map(|_| 2.0 * generator.uniform() - 1.0).collect()
}
