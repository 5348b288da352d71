//! Random values, device memory and comparisons for all families.
#![allow(dead_code, reason = "families take what they need")]

use equalinfo_kernels::{Driver, Memory, View};

pub use crate::device::{TestBuffer, TestDriver, on_gpu};

/// Runs `check` under several orders of threads and blocks, of which `CUDA_CPU_SEED` picks one; a GPU has its own.
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

/// A generator of 64 bits (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `bound`, which isn't 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// In -1 .. 1.
    pub fn signed(&mut self) -> f32 {
        ((self.next() >> 40) as f32 / (1u64 << 23) as f32) - 1.0
    }

    /// `length` values in -scale .. scale.
    pub fn floats(&mut self, length: usize, scale: f32) -> Vec<f32> {
        (0..length).map(|_| self.signed() * scale).collect()
    }
}

/// bf16 bits of the nearest value, ties to even.
pub fn to_bf16(value: f32) -> u16 {
    if value.is_nan() {
        return 0x7fff;
    }
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

pub fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bf16 as f32.
pub fn round_bf16(value: f32) -> f32 {
    from_bf16(to_bf16(value))
}

/// Values that a device buffer holds.
pub trait Element: Copy + Default {
    fn bytes(self) -> Vec<u8>;
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($($type:ty),*) => {$(
        impl Element for $type {
            fn bytes(self) -> Vec<u8> {
                self.to_ne_bytes().to_vec()
            }
            fn read(bytes: &[u8]) -> Self {
                Self::from_ne_bytes(bytes.try_into().expect("as many bytes as the type has"))
            }
        }
    )*};
}
element!(u8, i8, u16, i16, u32, i32, u64, i64, f32);

/// Device memory with `values`.
pub fn upload<T: Element>(driver: &TestDriver, values: &[T]) -> TestBuffer {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.bytes()).collect();
    let buffer = driver.allocate(bytes.len()).unwrap();
    driver.upload(View::new(&buffer), &bytes).unwrap();
    buffer
}

/// `values` as bf16.
pub fn upload_bf16(driver: &TestDriver, values: &[f32]) -> TestBuffer {
    upload(driver, &values.iter().map(|&value| to_bf16(value)).collect::<Vec<u16>>())
}

/// Poisoned memory for `length` values of `T`.
pub fn poisoned<T: Element>(driver: &TestDriver, length: usize) -> TestBuffer {
    driver.allocate(length * size_of::<T>()).unwrap()
}

/// All values of `buffer`.
pub fn download<T: Element>(driver: &TestDriver, buffer: &TestBuffer) -> Vec<T> {
    let mut bytes = vec![0; buffer.bytes()];
    driver.download(View::new(buffer), &mut bytes).unwrap();
    bytes.chunks_exact(size_of::<T>()).map(T::read).collect()
}

pub fn download_bf16(driver: &TestDriver, buffer: &TestBuffer) -> Vec<f32> {
    download::<u16>(driver, buffer).into_iter().map(from_bf16).collect()
}

/// Every value is within `absolute + relative * |expected|` of the expected one; NaN never is.
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
