//! The CPU backend: one value of [`Cpu`] serves one thread; data parallelism over threads stands above it.
//!
//! Buffers are plain f32 vectors. Loops are written so that the compiler vectorises them, and are compiled for the vector units found at run time
//! through `multiversion`.

mod attention;
#[cfg(target_arch = "x86_64")]
pub mod bf16;
mod elementwise;
mod loss;
pub mod matmul;
mod muon;
#[cfg(test)]
mod tests;
mod updates;
pub(crate) mod vector;

use std::ops::Range;
use std::sync::Arc;

use super::device::*;
use crate::ranks::{RankError, Ranks};
use matmul::{Multiplier, Operand, Precision};

/// One thread of the CPU.
pub struct Cpu {
    multiplier: Multiplier,
    scratch: attention::Scratch,
    logits: Vec<f32>,
    report: Report,
    /// What clipping leaves of the gradients.
    gradient_scale: f32,
    ranks: Arc<Ranks>,
    /// Why an exchange with other ranks failed.
    failure: Option<RankError>,
}

impl Cpu {
    /// To be made on the thread that uses it.
    pub fn new(precision: Precision) -> Self {
        Self {
            multiplier: Multiplier::new(precision),
            scratch: attention::Scratch::default(),
            logits: Vec::new(),
            report: Report::default(),
            gradient_scale: 1.0,
            ranks: Arc::new(Ranks::alone()),
            failure: None,
        }
    }

    /// As one of the ranks of a run.
    pub fn with_ranks(self, ranks: Arc<Ranks>) -> Self {
        Self { ranks, ..self }
    }

    /// Whether all went well.
    ///
    /// # Errors
    /// The first failure of an exchange with other ranks so far.
    pub fn check(&mut self) -> Result<(), DeviceError> {
        self.failure.take().map_or(Ok(()), |error| Err(error.into()))
    }

    fn exchange(&mut self, operation: impl FnOnce(&Ranks) -> Result<(), RankError>) {
        if self.failure.is_none() {
            self.failure = operation(&self.ranks).err();
        }
    }

    fn forward(&mut self, s: LinearShape, x: &[f32], w: At<Vec<f32>>, y: &mut [f32], accumulate: bool) {
        let w = Operand::rows(&w.0[w.1..], s.inputs).transposed();
        let shape = (s.tokens, s.outputs, s.inputs);
        self.multiplier.multiply(shape, Operand::rows(x, s.inputs), w, y, s.outputs, accumulate);
    }
}

impl Device for Cpu {
    type Buffer = Vec<f32>;
    type Indices = Vec<u32>;

    fn zeros(&self, length: usize) -> Vec<f32> {
        let buffer = vec![0.0; length];
        advise_huge_pages(&buffer);
        buffer
    }

    fn fill_zero(&mut self, buffer: &mut Vec<f32>) {
        buffer.fill(0.0);
    }

    fn write(&mut self, buffer: AtMut<Vec<f32>>, values: &[f32]) {
        buffer.0[buffer.1..buffer.1 + values.len()].copy_from_slice(values);
    }

    fn read(&self, buffer: At<Vec<f32>>, length: usize) -> Vec<f32> {
        buffer.0[buffer.1..buffer.1 + length].to_vec()
    }

    fn indices(&self, values: &[u32]) -> Vec<u32> {
        values.to_vec()
    }

    fn linear(&mut self, s: LinearShape, x: &Vec<f32>, w: At<Vec<f32>>, y: &mut Vec<f32>) {
        self.forward(s, x, w, y, false);
    }

    fn linear_residual(
        &mut self,
        s: LinearShape,
        x: &Vec<f32>,
        w: At<Vec<f32>>,
        residual: &Vec<f32>,
        y: &mut Vec<f32>,
    ) {
        y[..s.tokens * s.outputs].copy_from_slice(&residual[..s.tokens * s.outputs]);
        self.forward(s, x, w, y, true);
    }

    fn linear_backward_input(&mut self, s: LinearShape, dy: &Vec<f32>, w: At<Vec<f32>>, dx: &mut Vec<f32>) {
        let w = Operand::rows(&w.0[w.1..], s.inputs);
        self.multiplier.multiply((s.tokens, s.inputs, s.outputs), Operand::rows(dy, s.outputs), w, dx, s.inputs, false);
    }

    fn linear_backward_weight(&mut self, s: LinearShape, dy: &Vec<f32>, x: &Vec<f32>, dw: AtMut<Vec<f32>>) {
        let dy = Operand::rows(dy, s.outputs).transposed();
        let dw = &mut dw.0[dw.1..];
        self.multiplier.multiply((s.outputs, s.inputs, s.tokens), dy, Operand::rows(x, s.inputs), dw, s.inputs, true);
    }

    fn embed(
        &mut self,
        width: usize,
        symbols: &Vec<u32>,
        table: At<Vec<f32>>,
        scale: f32,
        x: &mut Vec<f32>,
        accumulate: bool,
    ) {
        elementwise::embed(width, symbols, &table.0[table.1..], scale, x, accumulate);
    }

    fn embed_backward(&mut self, width: usize, symbols: &Vec<u32>, dx: &Vec<f32>, scale: f32, dtable: AtMut<Vec<f32>>) {
        elementwise::embed_backward(width, symbols, dx, scale, &mut dtable.0[dtable.1..]);
    }

    fn rms_norm(&mut self, width: usize, tokens: usize, x: &Vec<f32>, y: &mut Vec<f32>, inverse: &mut Vec<f32>) {
        elementwise::rms_norm(width, &x[..tokens * width], y, inverse);
    }

    fn rms_norm_backward(
        &mut self,
        width: usize,
        tokens: usize,
        x: &Vec<f32>,
        inverse: &Vec<f32>,
        dy: &Vec<f32>,
        dx: &mut Vec<f32>,
        accumulate: bool,
    ) {
        elementwise::rms_norm_backward(width, &x[..tokens * width], inverse, dy, dx, accumulate);
    }

    fn attention(
        &mut self,
        shape: AttentionShape,
        input: AttentionInput<Self>,
        out: &mut Vec<f32>,
        lse: &mut Vec<f32>,
    ) {
        attention::forward(&mut self.multiplier, &mut self.scratch, shape, &input, out, lse);
    }

    fn attention_backward(
        &mut self,
        shape: AttentionShape,
        input: AttentionInput<Self>,
        _out: Option<&Vec<f32>>,
        lse: &Vec<f32>,
        dout: &Vec<f32>,
        dqkv: &mut Vec<f32>,
        dbias: AtMut<Vec<f32>>,
    ) {
        let dbias = &mut dbias.0[dbias.1..][..shape.heads * BUCKETS];
        attention::backward(&mut self.multiplier, &mut self.scratch, shape, &input, lse, dout, dqkv, dbias);
    }

    fn reglu(&mut self, width: usize, tokens: usize, gate_linear: &Vec<f32>, h: &mut Vec<f32>) {
        elementwise::reglu(width, &gate_linear[..tokens * 2 * width], h);
    }

    fn reglu_backward(
        &mut self,
        width: usize,
        tokens: usize,
        gate_linear: &Vec<f32>,
        dh: &Vec<f32>,
        dgate_linear: &mut Vec<f32>,
    ) {
        elementwise::reglu_backward(width, &gate_linear[..tokens * 2 * width], dh, dgate_linear);
    }

    fn cross_entropy(
        &mut self,
        shape: LinearShape,
        x: &Vec<f32>,
        w: At<Vec<f32>>,
        targets: &Vec<u32>,
        objective: Objective,
        gradient: Option<CrossEntropyGradient<Vec<f32>>>,
    ) {
        let w = &w.0[w.1..][..shape.outputs * shape.inputs];
        self.report.loss +=
            loss::cross_entropy(&mut self.multiplier, &mut self.logits, shape, x, w, targets, objective, gradient);
    }

    fn token_losses(&mut self, shape: LinearShape, x: &Vec<f32>, w: At<Vec<f32>>, targets: &Vec<u32>) -> TokenLosses {
        let w = &w.0[w.1..][..shape.outputs * shape.inputs];
        loss::token_losses(&mut self.multiplier, &mut self.logits, shape, x, w, targets)
    }

    fn fake_quantize(&mut self, rows: usize, stride: usize, columns: Range<usize>, step: f32, x: &mut Vec<f32>) {
        elementwise::fake_quantize(&mut x[..rows * stride], stride, columns, step);
    }

    fn fake_quantize_backward(
        &mut self,
        rows: usize,
        stride: usize,
        columns: Range<usize>,
        step: f32,
        x: &Vec<f32>,
        dx: &mut Vec<f32>,
    ) {
        elementwise::fake_quantize_backward(&x[..rows * stride], stride, columns, step, dx);
    }

    fn ranks(&self) -> (usize, usize) {
        (self.ranks.rank(), self.ranks.count())
    }

    fn all_reduce(&mut self, values: &mut Vec<f32>, length: usize) {
        self.exchange(|ranks| ranks.all_reduce(&mut values[..length]));
    }

    fn reduce_scatter(&mut self, values: &mut Vec<f32>, piece: usize) {
        self.exchange(|ranks| ranks.reduce_scatter(values, piece));
    }

    fn all_gather(&mut self, values: &mut Vec<f32>, piece: usize) {
        self.exchange(|ranks| ranks.all_gather(values, piece));
    }

    fn clip_gradients(&mut self, gradients: At<Vec<f32>>, length: usize, part: Part, clip: f32) {
        let mut squares = [updates::sum_of_squares(&gradients.0[gradients.1..][..length])];
        if part == Part::Piece {
            self.exchange(|ranks| ranks.all_reduce(&mut squares));
        }
        let norm = squares[0].sqrt();
        self.report.gradient_norm = norm;
        self.gradient_scale = if norm > f64::from(clip) { (f64::from(clip) / norm) as f32 } else { 1.0 };
    }

    fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    fn adamw(
        &mut self,
        update: AdamW,
        length: usize,
        gradients: At<Vec<f32>>,
        parameters: AtMut<Vec<f32>>,
        moments: [AtMut<Vec<f32>>; 2],
    ) {
        let [first, second] = moments.map(|m| &mut m.0[m.1..][..length]);
        let (gradients, parameters) =
            (&gradients.0[gradients.1..][..length], &mut parameters.0[parameters.1..][..length]);
        updates::adamw(update, self.gradient_scale, gradients, parameters, first, second);
    }

    fn muon(&mut self, update: Muon, gradients: At<Vec<f32>>, parameters: AtMut<Vec<f32>>, momentum: AtMut<Vec<f32>>) {
        let length = update.length();
        let momentum = &mut momentum.0[momentum.1..][..length];
        let (gradients, parameters) =
            (&gradients.0[gradients.1..][..length], &mut parameters.0[parameters.1..][..length]);
        muon::update(&mut self.multiplier, update, self.gradient_scale, gradients, parameters, momentum);
    }

    fn adafactor(
        &mut self,
        update: Adafactor,
        shape: AdafactorShape,
        gradients: At<Vec<f32>>,
        parameters: AtMut<Vec<f32>>,
        state: AtMut<Vec<f32>>,
    ) {
        let length = shape.rows * shape.columns;
        let (gradients, parameters) =
            (&gradients.0[gradients.1..][..length], &mut parameters.0[parameters.1..][..length]);
        updates::adafactor(update, self.gradient_scale, shape, gradients, parameters, &mut state.0[state.1..]);
    }
}

/// Activations are swept again and again: with 4 KiB pages the misses of the address translation cost as much as the arithmetic.
fn advise_huge_pages(buffer: &[f32]) {
    #[cfg(target_os = "linux")]
    {
        const HUGE: usize = 2 << 20;
        let range = buffer.as_ptr_range();
        let (start, end) = ((range.start as usize).next_multiple_of(4096), range.end as usize & !4095);
        if end.saturating_sub(start) >= HUGE {
            // SAFETY: whole pages of a live allocation; the advice changes neither their content nor their protection.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = buffer;
}
