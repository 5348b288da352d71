//! `reglu.cu`: the rectified gated linear unit of the feed-forward layer.

use half::bf16;

use crate::{Driver, Kernel, Launch, View, arguments};

const FORWARD: Kernel = Kernel { unit: "reglu", name: "reglu" };
const BACKWARD: Kernel = Kernel { unit: "reglu", name: "reglu_backward" };
const VALUES_A_BLOCK: usize = 2048;

fn shape(tokens: usize, width: usize) -> Launch {
    assert!(width.is_multiple_of(8), "halves of {width} values");
    Launch::linear((tokens * width).div_ceil(VALUES_A_BLOCK) as u32, 256)
}

/// `h = max(gate, 0) * linear` for rows of `[gate | linear]`, `width` values each (a multiple of 8), all bf16.
pub fn reglu<D: Driver>(
    driver: &D,
    tokens: usize,
    width: usize,
    gate_linear: View<D::Buffer>,
    h: View<D::Buffer>,
) -> Result<(), D::Error> {
    let shape = shape(tokens, width);
    if tokens == 0 {
        return Ok(());
    }
    let gate_linear = gate_linear.expect::<bf16>("gate_linear", 2 * tokens * width);
    let h = h.expect::<bf16>("h", tokens * width);
    // SAFETY: the kernel touches `tokens` rows of each.
    unsafe { driver.launch(FORWARD, shape, arguments![gate_linear, h, tokens, width]) }
}

/// The gradient of [`reglu`] for `dh`, all bf16.
pub fn reglu_backward<D: Driver>(
    driver: &D,
    tokens: usize,
    width: usize,
    gate_linear: View<D::Buffer>,
    dh: View<D::Buffer>,
    dgate_linear: View<D::Buffer>,
) -> Result<(), D::Error> {
    let shape = shape(tokens, width);
    if tokens == 0 {
        return Ok(());
    }
    let gate_linear = gate_linear.expect::<bf16>("gate_linear", 2 * tokens * width);
    let dh = dh.expect::<bf16>("dh", tokens * width);
    let dgate_linear = dgate_linear.expect::<bf16>("dgate_linear", 2 * tokens * width);
    // SAFETY: the kernel touches `tokens` rows of each.
    unsafe { driver.launch(BACKWARD, shape, arguments![gate_linear, dh, dgate_linear, tokens, width]) }
}
