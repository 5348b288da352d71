//! The device boundary: what a backend provides for training.
//!
//! Buffers hold values in the device's memory, f32 unless they are [`Device::activations`]; a matrix is row-major and starts at an offset into a buffer ([`At`]), so that all
//! parameters can live in one buffer. `tokens` counts positions of all sequences of a batch, laid end to end: which positions see which is told to
//! [`Device::attention`] alone. A backend may compute products in bf16; sums are f32 or better.

use crate::graph::BadBatch;
use crate::ranks::RankError;

/// Relative-position buckets per head.
pub use equalinfo::quantize::BUCKETS;
/// Head width, fixed by the architecture.
pub use equalinfo_kernels::attention::HEAD;
/// A target that carries no loss.
pub use equalinfo_kernels::cross_entropy::IGNORED as IGNORE;
pub use equalinfo_kernels::cross_entropy::Objective;
pub use equalinfo_kernels::gemm::LinearShape;
pub use equalinfo_kernels::muon::Muon;
pub use equalinfo_kernels::optimizer::AdamW;

/// A matrix or vector inside a device buffer.
pub struct At<'a, B>(pub &'a B, pub usize);

/// The same, to be written.
pub struct AtMut<'a, B>(pub &'a mut B, pub usize);

impl<B> Clone for At<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for At<'_, B> {}

/// Sizes of one attention call.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Positions of all sequences, laid end to end.
    pub tokens: usize,
    /// Heads of 64 values each.
    pub heads: usize,
    /// Positions that a query sees at most, itself included.
    pub context: usize,
}

/// What attention reads: queries, keys and values as rows of `[q | k | v]` (`tokens x 3 * 64 heads`), the position bias as
/// `heads x 32` buckets, and for each position the first position it sees (never decreasing, at most `context - 1` back).
pub struct AttentionInput<'a, D: Device + ?Sized> {
    /// Rows of queries, keys and values.
    pub qkv: &'a D::Buffer,
    /// Position bias in nats.
    pub bias: At<'a, D::Buffer>,
    /// The first position that each position sees.
    pub starts: &'a D::Indices,
}

/// One Adafactor update with factored second moments, relative step sizes and update clipping (Shazeer and Stern 2018, as in T5X).
#[derive(Clone, Copy, Debug)]
pub struct Adafactor {
    /// Learning rate of this step, relative to the parameters.
    pub learning_rate: f32,
    /// Weight of the past in the second moment: `1 - step^-0.8` in T5X.
    pub decay: f32,
}

/// A tensor under Adafactor: factored second moments keep a value a row and a value a column, others one a parameter.
#[derive(Clone, Copy, Debug)]
pub struct AdafactorShape {
    /// Rows of the tensor.
    pub rows: usize,
    /// Its columns.
    pub columns: usize,
    /// Whether its second moments are factored.
    pub factored: bool,
}

/// Sums over the positions of a batch that carry a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// Cross-entropy in nats, summed.
    pub nats: f64,
    /// Positions counted.
    pub count: u64,
}

impl std::ops::AddAssign for Loss {
    fn add_assign(&mut self, other: Self) {
        self.nats += other.nats;
        self.count += other.count;
    }
}

/// What stops a run's arithmetic.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The GPU or what connects it to others failed.
    #[error("the GPU failed")]
    Gpu(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another rank cannot be reached.
    #[error(transparent)]
    Ranks(#[from] RankError),
    /// A batch names what the model does not have.
    #[error(transparent)]
    Batch(#[from] BadBatch),
}

impl DeviceError {
    /// For `map_err` on what a driver answers.
    pub(crate) fn gpu(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Gpu(error.into())
    }
}

/// What a device has counted since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Of all calls of [`Device::cross_entropy`].
    pub loss: Loss,
    /// Of the last call of [`Device::clip_gradients`], before clipping.
    pub gradient_norm: f64,
}

/// What a rank has of some values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of them, as every other rank.
    Whole,
    /// A piece, which no other rank has.
    Piece,
}

/// What each position of a batch costs; 0 where the target is ignored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenLosses {
    /// Cross-entropy in nats.
    pub nats: Vec<f32>,
    /// By how much the target's logit is below the largest: 0 where it is the likeliest.
    pub logit_gaps: Vec<f32>,
}

/// Operations of the training graph. All of them overwrite their output unless they say that they add to it. A device may still be at work on an
/// operation when the call returns; [`Device::read`] and [`Device::take_report`] wait.
pub trait Device {
    /// Values in the device's memory.
    type Buffer;
    /// Indices in the device's memory.
    type Indices;

    /// Zeros in f32.
    fn zeros(&self, length: usize) -> Self::Buffer;
    /// Zeros that products read or write, in their precision.
    fn activations(&self, length: usize) -> Self::Buffer {
        self.zeros(length)
    }
    /// Zeros in f32 that products read too: a device whose products are in another precision keeps a copy in that, which every operation that writes the buffer renews.
    fn paired(&self, length: usize) -> Self::Buffer {
        self.zeros(length)
    }
    /// Sets all values to zero.
    fn fill_zero(&mut self, buffer: &mut Self::Buffer);
    /// Replaces the values from an offset on.
    fn write(&mut self, buffer: AtMut<Self::Buffer>, values: &[f32]);
    /// The values from an offset on, once all work is done.
    fn read(&self, buffer: At<Self::Buffer>, length: usize) -> Vec<f32>;
    /// Copies indices to the device.
    fn indices(&self, values: &[u32]) -> Self::Indices;
    /// Indices that [`Device::embed_backward`] takes too.
    fn symbols(&self, values: &[u32]) -> Self::Indices {
        self.indices(values)
    }

    /// `y = x W^T`: x is `tokens x inputs`, W `outputs x inputs`.
    fn linear(&mut self, shape: LinearShape, x: &Self::Buffer, w: At<Self::Buffer>, y: &mut Self::Buffer);
    /// `y = residual + x W^T`.
    fn linear_residual(
        &mut self,
        shape: LinearShape,
        x: &Self::Buffer,
        w: At<Self::Buffer>,
        residual: &Self::Buffer,
        y: &mut Self::Buffer,
    );
    /// `[gate | linear] = x W^T` and [`Device::reglu`] of it; `shape.outputs` counts both halves.
    fn linear_reglu(
        &mut self,
        shape: LinearShape,
        x: &Self::Buffer,
        w: At<Self::Buffer>,
        gate_linear: &mut Self::Buffer,
        h: &mut Self::Buffer,
    ) {
        self.linear(shape, x, w, gate_linear);
        self.reglu(shape.outputs / 2, shape.tokens, gate_linear, h);
    }
    /// `dx = dy W`.
    fn linear_backward_input(
        &mut self,
        shape: LinearShape,
        dy: &Self::Buffer,
        w: At<Self::Buffer>,
        dx: &mut Self::Buffer,
    );
    /// [`Device::linear_backward_input`], then [`Device::reglu_backward`]; `dh` is room for what is between.
    fn linear_backward_reglu(
        &mut self,
        shape: LinearShape,
        dy: &Self::Buffer,
        w: At<Self::Buffer>,
        gate_linear: &Self::Buffer,
        dh: &mut Self::Buffer,
        dgate_linear: &mut Self::Buffer,
    ) {
        self.linear_backward_input(shape, dy, w, dh);
        self.reglu_backward(shape.inputs, shape.tokens, gate_linear, dh, dgate_linear);
    }
    /// `dW += dy^T x`.
    fn linear_backward_weight(
        &mut self,
        shape: LinearShape,
        dy: &Self::Buffer,
        x: &Self::Buffer,
        dw: AtMut<Self::Buffer>,
    );

    /// `x[t] = scale * table[symbols[t]]`, or `x[t] +=` if `accumulate`.
    #[allow(clippy::too_many_arguments)]
    fn embed(
        &mut self,
        width: usize,
        symbols: &Self::Indices,
        table: At<Self::Buffer>,
        scale: f32,
        x: &mut Self::Buffer,
        accumulate: bool,
    );
    /// `dtable[symbols[t]] += scale * dx[t]`.
    fn embed_backward(
        &mut self,
        width: usize,
        symbols: &Self::Indices,
        dx: &Self::Buffer,
        scale: f32,
        dtable: AtMut<Self::Buffer>,
    );

    /// RMSNorm without gain over rows of `width`: `y = x / sqrt(mean(x^2) + 1e-6)`; `inverse` keeps the reciprocal root of each row.
    fn rms_norm(
        &mut self,
        width: usize,
        tokens: usize,
        x: &Self::Buffer,
        y: &mut Self::Buffer,
        inverse: &mut Self::Buffer,
    );
    /// `dx += d(rms_norm)/dx * dy`, or `dx =` if not `accumulate`.
    #[allow(clippy::too_many_arguments)]
    fn rms_norm_backward(
        &mut self,
        width: usize,
        tokens: usize,
        x: &Self::Buffer,
        inverse: &Self::Buffer,
        dy: &Self::Buffer,
        dx: &mut Self::Buffer,
        accumulate: bool,
    );

    /// Softmax attention with score `q.k / 8 + bias[bucket(distance)]`; `lse` (`tokens x heads`) keeps the log of each softmax sum.
    fn attention(
        &mut self,
        shape: AttentionShape,
        input: AttentionInput<Self>,
        out: &mut Self::Buffer,
        lse: &mut Self::Buffer,
    );
    /// Gradients of [`Device::attention`]: `dqkv` is overwritten, `dbias` is added to. `out` is what the forward pass wrote, unless it has been changed since.
    #[allow(clippy::too_many_arguments)]
    fn attention_backward(
        &mut self,
        shape: AttentionShape,
        input: AttentionInput<Self>,
        out: Option<&Self::Buffer>,
        lse: &Self::Buffer,
        dout: &Self::Buffer,
        dqkv: &mut Self::Buffer,
        dbias: AtMut<Self::Buffer>,
    );

    /// `h = max(gate, 0) * linear` for rows of `[gate | linear]`, `width` values each.
    fn reglu(&mut self, width: usize, tokens: usize, gate_linear: &Self::Buffer, h: &mut Self::Buffer);
    /// Gradient of [`Device::reglu`] times `dh`.
    fn reglu_backward(
        &mut self,
        width: usize,
        tokens: usize,
        gate_linear: &Self::Buffer,
        dh: &Self::Buffer,
        dgate_linear: &mut Self::Buffer,
    );

    /// [`Objective`] of `softmax(x W^T)` (W is `outputs x width`) against `targets`, without keeping all logits at once.
    /// The loss is added to the report. With `gradient`: writes `dx` and adds to `dW`, both times `scale`.
    fn cross_entropy(
        &mut self,
        shape: LinearShape,
        x: &Self::Buffer,
        w: At<Self::Buffer>,
        targets: &Self::Indices,
        objective: Objective,
        gradient: Option<CrossEntropyGradient<Self::Buffer>>,
    );
    /// What every position costs.
    fn token_losses(
        &mut self,
        shape: LinearShape,
        x: &Self::Buffer,
        w: At<Self::Buffer>,
        targets: &Self::Indices,
    ) -> TokenLosses;

    /// Rounds columns `columns` of rows of `stride` values to multiples of `step`, clamped to 127 steps: what int8 activations hold.
    fn fake_quantize(
        &mut self,
        rows: usize,
        stride: usize,
        columns: std::ops::Range<usize>,
        step: f32,
        x: &mut Self::Buffer,
    );
    /// Straight-through gradient: zero where the forward value was clamped.
    fn fake_quantize_backward(
        &mut self,
        rows: usize,
        stride: usize,
        columns: std::ops::Range<usize>,
        step: f32,
        x: &Self::Buffer,
        dx: &mut Self::Buffer,
    );

    /// This device's rank in a run, and how many ranks there are.
    fn ranks(&self) -> (usize, usize) {
        (0, 1)
    }
    /// Replaces the first `length` values by their sums over all ranks.
    fn all_reduce(&mut self, values: &mut Self::Buffer, length: usize);
    /// Sums pieces of `piece` values, one a rank, over all ranks: rank `r` has the sums of piece `r` afterwards, and nothing of use in the others.
    fn reduce_scatter(&mut self, values: &mut Self::Buffer, piece: usize);
    /// Gives every rank all pieces of `piece` values, of which rank `r` has piece `r`.
    fn all_gather(&mut self, values: &mut Self::Buffer, piece: usize);

    /// Reports the norm of the gradients, of all ranks' where each has a `part` of them; the updates that follow take them times
    /// `min(1, clip / norm)`.
    fn clip_gradients(&mut self, gradients: At<Self::Buffer>, length: usize, part: Part, clip: f32);
    /// The sums so far, which begin anew.
    fn take_report(&mut self) -> Report;
    /// Moves `length` parameters and their first and second moments.
    fn adamw(
        &mut self,
        update: AdamW,
        length: usize,
        gradients: At<Self::Buffer>,
        parameters: AtMut<Self::Buffer>,
        moments: [AtMut<Self::Buffer>; 2],
    );
    /// Moves a matrix and its momentum.
    fn muon(
        &mut self,
        update: Muon,
        gradients: At<Self::Buffer>,
        parameters: AtMut<Self::Buffer>,
        momentum: AtMut<Self::Buffer>,
    );
    /// Moves a tensor and its moments.
    fn adafactor(
        &mut self,
        update: Adafactor,
        shape: AdafactorShape,
        gradients: At<Self::Buffer>,
        parameters: AtMut<Self::Buffer>,
        state: AtMut<Self::Buffer>,
    );
}

/// Where [`Device::cross_entropy`] leaves its gradients.
pub struct CrossEntropyGradient<'a, B> {
    /// Factor of both.
    pub scale: f32,
    /// Of x; overwritten.
    pub dx: &'a mut B,
    /// Of W; added to.
    pub dw: AtMut<'a, B>,
}
