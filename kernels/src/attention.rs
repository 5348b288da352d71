//! Causal attention over sliding or restarting contexts and its gradients (`attention.cu`, `attention_backward.cu`).

use half::bf16;

use crate::{Driver, Kernel, Launch, View, arguments};

const FORWARD: Kernel = Kernel { unit: "attention", name: "attention_forward" };
const BACKWARD_QUERY: Kernel = Kernel { unit: "attention_backward", name: "attention_backward_query" };
const BACKWARD_KEY: Kernel = Kernel { unit: "attention_backward", name: "attention_backward_key" };
const BACKWARD_BIAS: Kernel = Kernel { unit: "attention_backward", name: "attention_backward_bias" };

/// Positions per block of queries or keys.
const BLOCK: usize = 64;
const THREADS: u32 = 128;
const BIAS_THREADS: u32 = 1024;

/// The width of a head.
pub const HEAD: usize = 64;
/// Relative-position buckets per head.
pub const BUCKETS: usize = 32;

/// The sizes of one attention call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Positions of all sequences, laid end to end.
    pub tokens: usize,
    /// Heads of 64 values each; at most 65,535.
    pub heads: usize,
}

impl AttentionShape {
    /// Values in `out`; qkv has three times as many.
    fn width(&self) -> usize {
        self.tokens * self.heads * HEAD
    }

    /// Values in lse.
    fn rows(&self) -> usize {
        self.tokens * self.heads
    }

    fn blocks(&self) -> usize {
        self.tokens.div_ceil(BLOCK)
    }

    fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    #[track_caller]
    fn launch(&self) -> Launch {
        let heads = u16::try_from(self.heads).unwrap_or_else(|_| panic!("{} heads", self.heads));
        Launch { grid: [self.blocks() as u32, heads.into(), 1], block: [THREADS, 1, 1], shared_bytes: 0 }
    }

    /// The size in f32 values of the workspace that [`attention_backward`] needs.
    pub fn backward_workspace(&self) -> usize {
        self.rows() + self.blocks() * self.heads * BUCKETS
    }
}

/// The input of attention.
pub struct AttentionInput<'a, B> {
    /// Rows of `[q | k | v]` in bf16, `3 * 64 * heads` values each.
    pub qkv: View<'a, B>,
    /// Position bias in f32, `heads x 32` buckets.
    pub bias: View<'a, B>,
    /// For each position, the first position it sees (at most itself, never decreasing), as `int`.
    pub starts: View<'a, B>,
}

impl<B> Clone for AttentionInput<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for AttentionInput<'_, B> {}

impl<B: crate::Memory> AttentionInput<'_, B> {
    #[track_caller]
    fn expect(self, shape: AttentionShape) -> Self {
        Self {
            qkv: self.qkv.expect::<bf16>("qkv", 3 * shape.width()),
            bias: self.bias.expect::<f32>("bias", shape.heads * BUCKETS),
            starts: self.starts.expect::<i32>("starts", shape.tokens),
        }
    }
}

/// `out = softmax(q k^T / 8 + bias[bucket(distance)]) v` over the visible positions of each head, in bf16; `lse` (f32,
/// `tokens x heads`) receives the log of each softmax's sum.
pub fn attention_forward<D: Driver>(
    driver: &D,
    shape: AttentionShape,
    input: AttentionInput<D::Buffer>,
    out: View<D::Buffer>,
    lse: View<D::Buffer>,
) -> Result<(), D::Error> {
    if shape.is_empty() {
        return Ok(());
    }
    let AttentionInput { qkv, bias, starts } = input.expect(shape);
    let (out, lse) = (out.expect::<bf16>("out", shape.width()), lse.expect::<f32>("lse", shape.rows()));
    let arguments = arguments![qkv, bias, starts, out, lse, shape.tokens, shape.heads];
    // SAFETY: the kernel reads the input and writes out and lse, of the sizes checked above; no value in starts leads
    // out of bounds.
    unsafe { driver.launch(FORWARD, shape.launch(), arguments) }
}

/// The forward pass's results that the backward pass needs.
pub struct AttentionOutput<'a, B> {
    /// bf16, as written by [`attention_forward`]: a copy that was rounded further gives wrong gradients.
    pub out: View<'a, B>,
    /// f32.
    pub lse: View<'a, B>,
}

/// Gradients of [`attention_forward`] for `dout` (bf16): `dqkv` (bf16) is overwritten, `dbias` (f32) is added to.
/// `workspace` holds [`AttentionShape::backward_workspace`] values. The same input gives the same bits in every run.
#[allow(clippy::too_many_arguments)]
pub fn attention_backward<D: Driver>(
    driver: &D,
    shape: AttentionShape,
    input: AttentionInput<D::Buffer>,
    output: AttentionOutput<D::Buffer>,
    dout: View<D::Buffer>,
    workspace: View<D::Buffer>,
    dqkv: View<D::Buffer>,
    dbias: View<D::Buffer>,
) -> Result<(), D::Error> {
    if shape.is_empty() {
        return Ok(());
    }
    let AttentionShape { tokens, heads } = shape;
    let AttentionInput { qkv, bias, starts } = input.expect(shape);
    let out = output.out.expect::<bf16>("out", shape.width());
    let lse = output.lse.expect::<f32>("lse", shape.rows());
    let dout = dout.expect::<bf16>("dout", shape.width());
    let delta = workspace.expect::<f32>("workspace", shape.backward_workspace());
    let partials = delta.skip::<f32>(shape.rows());
    let (dqkv, dbias) = (dqkv.expect::<bf16>("dqkv", 3 * shape.width()), dbias.expect::<f32>("dbias", heads * BUCKETS));
    let query = arguments![qkv, bias, starts, out, lse, dout, dqkv, delta, partials, tokens, heads];
    // SAFETY: reads input, out, lse and dout; writes the queries' part of dqkv and the workspace; sizes were checked
    // above.
    unsafe { driver.launch(BACKWARD_QUERY, shape.launch(), query)? };
    let key = arguments![qkv, bias, starts, lse, delta, dout, dqkv, tokens, heads];
    // SAFETY: reads input, lse, delta and dout; writes the other parts of dqkv.
    unsafe { driver.launch(BACKWARD_KEY, shape.launch(), key)? };
    let launch = Launch::linear(heads as u32, BIAS_THREADS);
    // SAFETY: reads a share of dbias from each block and head and adds it to dbias.
    unsafe { driver.launch(BACKWARD_BIAS, launch, arguments![partials, dbias, shape.blocks(), heads]) }
}
