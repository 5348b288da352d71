//! `norm.cu`: RMSNorm without gain.

use half::bf16;

use crate::{Driver, Kernel, Launch, View, arguments};

const FORWARD: Kernel = Kernel { unit: "norm", name: "rms_norm" };
const BACKWARD: Kernel = Kernel { unit: "norm", name: "rms_norm_backward" };
const ROWS_A_BLOCK: usize = 8;

fn shape(tokens: usize) -> Launch {
    Launch::linear(tokens.div_ceil(ROWS_A_BLOCK) as u32, 256)
}

/// `a = x / sqrt(mean(x^2) + 1e-6)` over rows of `width` values (a multiple of 4), x in f32 and `a` in bf16; `inverse`
/// receives each row's reciprocal root.
pub fn rms_norm<D: Driver>(
    driver: &D,
    tokens: usize,
    width: usize,
    x: View<D::Buffer>,
    a: View<D::Buffer>,
    inverse: View<D::Buffer>,
) -> Result<(), D::Error> {
    assert!(width.is_multiple_of(4), "rows of {width} values");
    if tokens == 0 {
        return Ok(());
    }
    let x = x.expect::<f32>("x", tokens * width);
    let a = a.expect::<bf16>("a", tokens * width);
    let inverse = inverse.expect::<f32>("inverse", tokens);
    // SAFETY: the kernel touches `tokens` rows of each.
    unsafe { driver.launch(FORWARD, shape(tokens), arguments![x, a, inverse, tokens, width]) }
}

/// The gradient of [`rms_norm`] for `da` (bf16): `dx =`, or `dx +=` with `accumulate`; `dx_rounded` receives a bf16
/// copy of the new dx.
#[allow(clippy::too_many_arguments)]
pub fn rms_norm_backward<D: Driver>(
    driver: &D,
    tokens: usize,
    width: usize,
    x: View<D::Buffer>,
    inverse: View<D::Buffer>,
    da: View<D::Buffer>,
    dx: View<D::Buffer>,
    dx_rounded: Option<View<D::Buffer>>,
    accumulate: bool,
) -> Result<(), D::Error> {
    assert!(width.is_multiple_of(4), "rows of {width} values");
    if tokens == 0 {
        return Ok(());
    }
    let values = tokens * width;
    let (x, inverse) = (x.expect::<f32>("x", values), inverse.expect::<f32>("inverse", tokens));
    let (da, dx) = (da.expect::<bf16>("da", values), dx.expect::<f32>("dx", values));
    let dx_rounded = dx_rounded.map(|view| view.expect::<bf16>("dx_rounded", values));
    let arguments = arguments![x, inverse, da, dx, dx_rounded, tokens, width, i32::from(accumulate)];
    // SAFETY: the kernel touches `tokens` rows of each.
    unsafe { driver.launch(BACKWARD, shape(tokens), arguments) }
}
