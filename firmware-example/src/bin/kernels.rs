//! Compares this core's loops with the codec's portable ones, bit for bit, on numbers of all sizes.
#![no_std]
#![no_main]

use equalinfo_codec::m1::image::{HEAD, weight_byte};
use equalinfo_codec::m1::{Kernels, Matrix, Portable, Requantizer};
use equalinfo_cortex_m::Fastest;
use equalinfo_firmware_example::{Failure, entry, run};

/// How often each loop is compared.
const ROUNDS: u32 = 40;
/// The rows of a matrix, and its possible widths; the last exceed what the assembly loops handle.
const ROWS: usize = 4;
const WIDTHS: [usize; 6] = [64, 128, 192, 384, 512, 1024];
const WIDEST: usize = 1024;
/// The words of scratch space that a kernel gets, as in a model beside a block of 64 numbers.
const SCRATCH: usize = 192;

#[entry]
fn main() -> ! {
    run(compare)
}

fn compare() -> Result<(), Failure> {
    let mut random = Random(1);
    let mut differences = Differences::default();
    for _ in 0..ROUNDS {
        for width in WIDTHS {
            products(&mut random, width, &mut differences);
        }
        attention(&mut random, &mut differences);
        elements(&mut random, &mut differences);
    }
    let Differences { compared, differing } = differences;
    if differing == 0 {
        defmt::info!("all of {=u32} results agree", compared);
    } else {
        defmt::error!("{=u32} of {=u32} results differ", differing, compared);
    }
    Ok(())
}

/// Counts the compared results, and those that differ.
#[derive(Default)]
struct Differences {
    compared: u32,
    differing: u32,
}

impl Differences {
    fn count<T: PartialEq>(&mut self, what: &str, found: &[T], expected: &[T]) {
        self.compared = self.compared.wrapping_add(1);
        if found != expected {
            self.differing = self.differing.wrapping_add(1);
            defmt::error!("{=str} differs", what);
        }
    }
}

/// Rows times activations, of which none, half, most or all are zeros.
#[inline(never)]
fn products(random: &mut Random, width: usize, differences: &mut Differences) {
    // An image, and the data in it, may start at any address.
    let (mut image, begin) = ([0; ROWS * (WIDEST + 4) + 3], random.below(4) as usize);
    let mut activations = [0; WIDEST];
    let (Some(image), Some(activations)) = (image.get_mut(begin..), activations.get_mut(..width)) else { return };
    let Some((requantizers, weights)) = image.split_at_mut_checked(4 * ROWS) else { return };
    let (requantizers, Some(weights)) = (requantizers.as_chunks_mut().0, weights.get_mut(..ROWS * width)) else {
        return;
    };
    requantizers.iter_mut().for_each(|requantizer| *requantizer = random.requantizer());
    weights.iter_mut().enumerate().for_each(|(column, byte)| *byte = weight_byte(column, random.i8()));
    let (zeros, smaller) = (random.below(4), random.below(5));
    activations.iter_mut().for_each(|activation| {
        // Some are large among smaller ones.
        let shift = if random.below(8) == 0 { 0 } else { smaller };
        *activation = if random.below(3) < zeros { 0 } else { random.i8() >> shift };
    });
    let gates: [i32; ROWS] = core::array::from_fn(|_| random.number());
    let matrix = Matrix { weights, requantizers, width };
    let scale = random.below(5);

    let found = |scratch: &mut [i32]| projected::<Fastest>(&matrix, activations, scratch, scale, &gates);
    let expected = |scratch: &mut [i32]| projected::<Portable>(&matrix, activations, scratch, scale, &gates);
    for length in [SCRATCH, 64] {
        let (mut first, mut second) = ([0; SCRATCH], [0; SCRATCH]);
        let (Some(first), Some(second)) = (first.get_mut(..length), second.get_mut(..length)) else { return };
        differences.count("a product", &found(first), &expected(second));
    }
}

/// Rows times activations in both forms, gates, and the rows whose gate is open.
fn projected<K: Kernels>(
    matrix: &Matrix,
    activations: &[i8],
    scratch: &mut [i32],
    scale: u32,
    gates: &[i32; ROWS],
) -> [[i32; ROWS]; 4] {
    let mut out = [[0; ROWS]; 4];
    let [dense, opening, gated, sparse] = &mut out;
    K::project(matrix, &K::prepare(activations, scratch), scale, dense);
    K::project_gates(matrix, &K::prepare(activations, scratch), opening);
    K::project_gated(matrix, &K::prepare(activations, scratch), gates, gated);
    K::project(matrix, &K::prepare_sparse(activations, scratch), scale, sparse);
    // A closed gate's value does not matter, nor does the number behind it.
    opening.iter_mut().for_each(|gate| *gate = (*gate).max(0));
    gated.iter_mut().zip(gates).filter(|(_, gate)| **gate <= 0).for_each(|(out, _)| *out = 0);
    out
}

/// The dot product of two heads, and a weighted sum.
#[inline(never)]
fn attention(random: &mut Random, differences: &mut Differences) {
    let [a, b]: [[i8; HEAD]; 2] = core::array::from_fn(|_| core::array::from_fn(|_| random.i8()));
    differences.count("a dot product", &[Fastest::dot(&a, &b)], &[Portable::dot(&a, &b)]);
    let weight = random.below(1 << 15) as i32;
    let mut found: [i32; HEAD] = core::array::from_fn(|_| random.number() >> 2);
    let mut expected = found;
    Fastest::accumulate(weight, &a, &mut found);
    Portable::accumulate(weight, &a, &mut expected);
    differences.count("a weighted sum", &found, &expected);
}

/// Elementwise operations, and the norm.
#[inline(never)]
fn elements(random: &mut Random, differences: &mut Differences) {
    let [numbers, gates]: [[i32; HEAD]; 2] = core::array::from_fn(|_| core::array::from_fn(|_| random.number()));
    let requantizer = Requantizer::from_image(random.requantizer());
    let each = numbers.map(|number| Fastest::requantize(requantizer, number));
    differences.count("a requantized number", &each, &numbers.map(|number| requantizer.apply(number)));

    let (mut found, mut expected) = ([0; HEAD], [0; HEAD]);
    Fastest::clamp(&numbers, &mut found);
    Portable::clamp(&numbers, &mut expected);
    differences.count("a clamped number", &found, &expected);
    Fastest::reglu(requantizer, &gates, &numbers, &mut found);
    Portable::reglu(requantizer, &gates, &numbers, &mut expected);
    differences.count("a rectified product", &found, &expected);

    // A residual stays below 2^31; its numbers are all of one size, or all zero.
    let size = random.below(33);
    let residual = numbers.map(|number| if size == 32 { 0 } else { (number >> size).max(-i32::MAX) });
    let constant = random.next() >> random.below(16);
    Fastest::norm(&residual, constant, &mut found);
    Portable::norm(&residual, constant, &mut expected);
    differences.count("a norm", &found, &expected);
}

/// Xorshift: the same numbers in every run.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0.wrapping_mul(0x9e37_79b1)
    }

    fn below(&mut self, limit: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(limit)) >> 32) as u32
    }

    /// A number of any size, often the smallest or the largest.
    fn number(&mut self) -> i32 {
        match self.below(16) {
            0 => i32::MAX,
            1 => i32::MIN,
            2 => 0,
            _ => self.next() as i32 >> self.below(32),
        }
    }

    /// An activation or weight, often the smallest or the largest.
    fn i8(&mut self) -> i8 {
        match self.below(8) {
            0 => 127,
            1 => -127,
            _ => (self.next() as i8).max(-127),
        }
    }

    fn requantizer(&mut self) -> [u8; 4] {
        let [low, high] = (self.below(1 << 15) as u16).to_le_bytes();
        [low, high, self.below(30) as u8 + 17, 0]
    }
}
