//! `convert.cu`: converts between f32 and bf16.

use half::bf16;

use crate::{Driver, Kernel, Launch, View, arguments};

const TO_BF16: Kernel = Kernel { unit: "convert", name: "convert_to_bf16" };
const TO_F32: Kernel = Kernel { unit: "convert", name: "convert_to_f32" };
const THREADS: usize = 256;

fn shape(length: usize) -> Launch {
    Launch::linear(length.div_ceil(THREADS) as u32, THREADS as u32)
}

/// `y = round(x)`: converts `length` values from f32 to bf16.
pub fn to_bf16<D: Driver>(driver: &D, length: usize, x: View<D::Buffer>, y: View<D::Buffer>) -> Result<(), D::Error> {
    if length == 0 {
        return Ok(());
    }
    let (x, y) = (x.expect::<f32>("x", length), y.expect::<bf16>("y", length));
    // SAFETY: the kernel touches `length` values of each, and both hold as many.
    unsafe { driver.launch(TO_BF16, shape(length), arguments![x, y, length]) }
}

/// `y = x`: converts `length` values from bf16 to f32.
pub fn to_f32<D: Driver>(driver: &D, length: usize, x: View<D::Buffer>, y: View<D::Buffer>) -> Result<(), D::Error> {
    if length == 0 {
        return Ok(());
    }
    let (x, y) = (x.expect::<bf16>("x", length), y.expect::<f32>("y", length));
    // SAFETY: the kernel touches `length` values of each, and both hold as many.
    unsafe { driver.launch(TO_F32, shape(length), arguments![x, y, length]) }
}
