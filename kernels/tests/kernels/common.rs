//! Random values, device memory and comparisons for all families.
#![allow(dead_code, reason = "families take what they need")]

use bytemuck::Pod;
use equalinfo_kernels::{Driver, Memory, View};
use half::bf16;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

pub use crate::device::{TestBuffer, TestDriver, on_gpu};

/// Runs `check` under several orders of threads and blocks, or the one that `CUDA_CPU_SEED` selects; a GPU has its own.
pub fn on_every_schedule(mut check: impl FnMut(&TestDriver)) {
    let seeds = match std::env::var("CUDA_CPU_SEED") {
        _ if on_gpu() => vec![0],
        Ok(seed) => vec![seed.parse().expect("CUDA_CPU_SEED is a number")],
        Err(_) => vec![0, 1, 7],
    };
    for seed in seeds {
        check(&TestDriver::new(seed, 1));
    }
}

/// Random values of a seed, the same in every run.
pub struct Random(SplitMix64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Below `bound`, which isn't 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    /// In -1 .. 1.
    pub fn signed(&mut self) -> f32 {
        ((self.bits() >> 40) as f32 / (1u64 << 23) as f32) - 1.0
    }

    /// `length` values in -scale .. scale.
    pub fn floats(&mut self, length: usize, scale: f32) -> Vec<f32> {
        (0..length).map(|_| self.signed() * scale).collect()
    }
}

/// bf16 bits of the nearest value, ties to even, and NaN as GPUs write it.
pub fn to_bf16(value: f32) -> u16 {
    if value.is_nan() { 0x7fff } else { bf16::from_f32(value).to_bits() }
}

pub fn from_bf16(bits: u16) -> f32 {
    bf16::from_bits(bits).to_f32()
}

/// The nearest bf16 as f32.
pub fn round_bf16(value: f32) -> f32 {
    from_bf16(to_bf16(value))
}

/// Device memory with `values`.
pub fn upload<T: Pod>(driver: &TestDriver, values: &[T]) -> TestBuffer {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    let buffer = driver.allocate(bytes.len()).unwrap();
    driver.upload(View::new(&buffer), bytes).unwrap();
    buffer
}

/// `values` as bf16.
pub fn upload_bf16(driver: &TestDriver, values: &[f32]) -> TestBuffer {
    upload(driver, &values.iter().map(|&value| to_bf16(value)).collect::<Vec<u16>>())
}

/// Poisoned memory for `length` values of `T`.
pub fn poisoned<T: Pod>(driver: &TestDriver, length: usize) -> TestBuffer {
    driver.allocate(length * size_of::<T>()).unwrap()
}

/// All values of `buffer`.
pub fn download<T: Pod>(driver: &TestDriver, buffer: &TestBuffer) -> Vec<T> {
    let mut values = vec![T::zeroed(); buffer.bytes() / size_of::<T>()];
    driver.download(View::new(buffer), bytemuck::cast_slice_mut(&mut values)).unwrap();
    values
}

pub fn download_bf16(driver: &TestDriver, buffer: &TestBuffer) -> Vec<f32> {
    download::<u16>(driver, buffer).into_iter().map(from_bf16).collect()
}

/// Checks that every value is within `absolute + relative * |expected|` of the expected one; NaN never is.
#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f64], relative: f64, absolute: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(found) - expected).abs();
        assert!(
            difference <= absolute + relative * expected.abs(),
            "{what}[{index}]: found {found}, expected {expected}, off by {difference:e}"
        );
    }
}
