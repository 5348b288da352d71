//! [`M1`]: the integer transformer over the caller's memory.
//!
//! Invariant: after any sequence of calls the cache holds the keys and values of the newest positions, at most
//! `context` of them, each as it was computed when its byte was read. A byte that is pushed is only run through the
//! layers once its successor's frequencies are asked for or another byte follows it, so the last byte of a window costs nothing.
//!
//! What the first layer keeps of a byte depends on that byte alone, so it is copied from any place of the cache that
//! still holds it for the same byte, even if the place is from an earlier window.

use core::marker::PhantomData;

use super::error::ModelError;
use super::image::{
    BOS, BUCKETS, EMBEDDING_SHIFT, HEAD, LOGIT_SHIFT, Layer, Matrix, Model, RESIDUAL_SHIFT, SCORE_SHIFT, weight,
};
use super::kernels::{Kernels, Portable};
use super::ngrams::History;
use super::ops::{PowerTable, Requantizer, clamp_i8, exp2_neg, reciprocal};
use crate::byte_model::ByteModel;
use crate::container::ModelIdentity;
use crate::frequencies::Frequencies;

/// The integer M1 as a [`ByteModel`].
///
/// `K` is the implementation of the inner loop; whatever it is, the frequencies are the same.
#[derive(Debug)]
pub struct M1<'a, 'b, K = Portable> {
    model: Model<'a>,
    context: usize,
    memory: Memory<'b>,
    /// Cached positions.
    length: usize,
    /// Places of the ring that have ever been written.
    written: usize,
    /// The place of the newest position in the ring.
    newest: usize,
    /// A symbol that has been read but not yet run through the layers.
    pending: Option<u16>,
    /// The newest symbols that have been run.
    history: History,
    /// Whether place 0 of the ring still holds the begin symbol and `start` its output.
    start_is_cached: bool,
    /// Whether `frequencies` belong to the newest position.
    frequencies_are_current: bool,
    frequencies: Frequencies,
    kernels: PhantomData<K>,
}

/// The caller's memory, divided.
#[derive(Debug)]
struct Memory<'b> {
    /// `[layers][context][d]`.
    keys: &'b mut [i8],
    /// `[layers][context][d]`.
    values: &'b mut [i8],
    /// Normalized residual, `d`; after the last layer what the logits are computed from.
    activations: &'b mut [i8],
    /// `activations` after the last layer of the begin symbol, `d`.
    start: &'b mut [i8],
    /// Queries, keys and values of the newest position, `3d`.
    qkv: &'b mut [i8],
    /// Attention output, `d`.
    mixed: &'b mut [i8],
    /// Feed-forward activations, `ff`.
    hidden: &'b mut [i8],
    /// The symbol of each place of the ring: `[context]`, in its lower 8 bits.
    symbols: &'b mut [i8],
    /// The residual stream, `d`.
    residual: &'b mut [i32],
    /// Weighted sums of one head's values, or prepared activations: at least 64.
    sums: &'b mut [i32],
    /// Scores of the cached positions, or the logits: at least 256.
    scores: &'b mut [i32],
}

impl<'b> Memory<'b> {
    fn divide(model: &Model, context: usize, bytes: &'b mut [i8], words: &'b mut [i32]) -> Result<Self, ModelError> {
        let config = model.config();
        let (expected, found) = (config.byte_buffer(context), bytes.len());
        let too_small = ModelError::ByteBuffer { expected, found };
        let mut rest = bytes;
        let mut take = |count| {
            let (taken, remaining) = core::mem::take(&mut rest).split_at_mut_checked(count).ok_or(too_small)?;
            rest = remaining;
            Ok(taken)
        };
        let cache = config.layers * context * config.d;
        let (keys, values) = (take(cache)?, take(cache)?);
        let (activations, start, qkv) = (take(config.d)?, take(config.d)?, take(3 * config.d)?);
        let (mixed, hidden, symbols) = (take(config.d)?, take(config.ff)?, take(context)?);

        let (expected, found) = (config.word_buffer(context), words.len());
        let too_small = ModelError::WordBuffer { expected, found };
        let (residual, words) = words.split_at_mut_checked(config.d).ok_or(too_small)?;
        let (sums, scores) = words.split_at_mut_checked(config.scratch()).ok_or(too_small)?;
        let scores = scores.get_mut(..context.max(256)).ok_or(too_small)?;
        Ok(Self { keys, values, activations, start, qkv, mixed, hidden, symbols, residual, sums, scores })
    }
}

impl<'a, 'b> M1<'a, 'b> {
    /// Sets `model` up to run with `context` positions, with the portable inner loop.
    ///
    /// # Errors
    /// The context is zero or longer than the model's, or a buffer is smaller than
    /// [`Config::byte_buffer`](super::Config::byte_buffer) or [`Config::word_buffer`](super::Config::word_buffer).
    pub fn new(
        model: &Model<'a>,
        context: usize,
        bytes: &'b mut [i8],
        words: &'b mut [i32],
    ) -> Result<Self, ModelError> {
        Self::with_kernels(model, context, bytes, words)
    }
}

impl<'a, 'b, K: Kernels> M1<'a, 'b, K> {
    /// As [`M1::new`], with another implementation of the inner loop.
    ///
    /// # Errors
    /// As [`M1::new`].
    pub fn with_kernels(
        model: &Model<'a>,
        context: usize,
        bytes: &'b mut [i8],
        words: &'b mut [i32],
    ) -> Result<Self, ModelError> {
        let expected = model.config().context;
        if context == 0 || context > expected {
            return Err(ModelError::Context { expected, found: context });
        }
        Ok(Self {
            model: *model,
            context,
            memory: Memory::divide(model, context, bytes, words)?,
            length: 0,
            written: 0,
            newest: 0,
            pending: Some(BOS),
            history: History::new(),
            start_is_cached: false,
            frequencies_are_current: false,
            frequencies: Frequencies::uniform(),
            kernels: PhantomData,
        })
    }

    /// The model's view of its image.
    pub const fn model(&self) -> &Model<'a> {
        &self.model
    }

    /// What streams of this model with this context name.
    pub const fn identity(&self) -> ModelIdentity {
        ModelIdentity::new(self.model.id(), self.context)
    }

    /// Runs the pending symbol, if any, through the layers.
    fn run_pending(&mut self) {
        let Some(symbol) = self.pending.take() else { return };
        self.history.push(symbol);
        let mut same = self.place_of(symbol);
        if self.length > 0 {
            self.newest += 1;
            if self.newest >= self.context {
                self.newest = 0;
            }
        }
        self.length = self.context.min(self.length + 1);
        self.start_is_cached &= self.newest != 0;
        self.frequencies_are_current = false;

        embed(&self.model.embedding(), symbol, self.memory.residual);
        let cached = (self.context * self.model.config().d).max(1);
        let mut first = 0;
        for layer in self.model.layers() {
            self.attention(&layer, first, same.take());
            if first == 0 {
                self.model.ngrams().add(&self.history.hashes(), self.memory.residual);
            }
            self.feed_forward(&layer);
            first += cached;
        }
        if let Some(place) = self.memory.symbols.get_mut(self.newest) {
            *place = symbol as i8;
        }
        self.written = self.written.max(self.newest + 1);
        K::norm(self.memory.residual, self.model.output_norm(), self.memory.activations);
        if symbol == BOS {
            copy(self.memory.activations, self.memory.start);
            self.start_is_cached = true;
        }
    }

    /// A place of the ring whose keys and values in the first layer are those of this symbol.
    fn place_of(&self, symbol: u16) -> Option<usize> {
        // The begin symbol's place is not that of byte 0.
        let begin = usize::from(self.start_is_cached);
        let known = self.memory.symbols.get(begin..self.written)?;
        let place = known.iter().position(|&known| known == symbol as i8)?;
        (symbol != BOS).then_some(place.wrapping_add(begin))
    }

    /// Steps 2.1 to 2.4 of the contract; the layer's cache begins at `first`. What is to be cached is that of the place `same`, if there is one.
    fn attention(&mut self, layer: &Layer, first: usize, same: Option<usize>) {
        let memory = &mut self.memory;
        let (d, heads) = (memory.activations.len().max(1), self.model.config().heads.max(1));
        K::norm(memory.residual, layer.attention_norm, memory.activations);
        let activations = K::prepare(memory.activations, memory.sums);
        let unknown = if same.is_some() { d } else { memory.qkv.len() };
        matvec::<0, K, _>(
            &layer.qkv,
            activations,
            memory.scores,
            memory.qkv.get_mut(..unknown).unwrap_or_default(),
            K::clamp,
        );

        let length = self.context * d;
        let keys = memory.keys.get_mut(first..first.wrapping_add(length)).unwrap_or_default();
        let values = memory.values.get_mut(first..first.wrapping_add(length)).unwrap_or_default();
        let (queries, rest) = memory.qkv.split_at_mut(d.min(memory.qkv.len()));
        let (key, value) = rest.split_at_mut(d.min(rest.len()));
        for (cache, new) in [(&mut *keys, key), (&mut *values, value)] {
            if let Some(known) = same.and_then(|place| cache.chunks_exact(d).nth(place)) {
                copy(known, new);
            }
            if let Some(place) = cache.chunks_exact_mut(d).nth(self.newest) {
                copy(new, place);
            }
        }

        let (keys, values) = (keys.as_chunks::<HEAD>().0, values.as_chunks::<HEAD>().0);
        let heads_of = |cache| <[[i8; HEAD]]>::iter(cache).step_by(heads);
        for (head, ((query, mixed), bias)) in queries
            .as_chunks::<HEAD>()
            .0
            .iter()
            .zip(memory.mixed.as_chunks_mut::<HEAD>().0)
            .zip(layer.bias.as_chunks::<BUCKETS>().0)
            .enumerate()
        {
            let scores = memory.scores.get_mut(..self.length).unwrap_or_default();
            let mut largest = i32::MIN;
            for (place, (score, key)) in
                scores.iter_mut().zip(heads_of(keys.get(head..).unwrap_or_default())).enumerate()
            {
                // Places up to the newest were written in this turn of the ring, those after it in the last.
                let turn = if place > self.newest { self.length } else { 0 };
                let distance = (self.newest + turn).wrapping_sub(place).min(127);
                let bucket = self.model.bucket_table()[distance & 127] as usize % BUCKETS;
                *score = K::requantize(layer.score, K::dot(query, key) << SCORE_SHIFT)
                    .wrapping_add(i16::from_le_bytes(bias[bucket]).into());
                largest = largest.max(*score);
            }
            mix::<K>(
                layer,
                self.model.power_table(),
                scores,
                largest,
                heads_of(values.get(head..).unwrap_or_default()),
                memory.sums.get_mut(..HEAD).unwrap_or_default(),
                mixed,
            );
        }
        let activations = K::prepare(memory.mixed, memory.sums);
        matvec::<RESIDUAL_SHIFT, K, _>(&layer.out, activations, memory.scores, memory.residual, add);
    }

    /// Steps 2.5 to 2.7 of the contract.
    fn feed_forward(&mut self, layer: &Layer) {
        let memory = &mut self.memory;
        K::norm(memory.residual, layer.feed_forward_norm, memory.activations);
        let activations = K::prepare(memory.activations, memory.sums);
        let (gates, rest) = memory.scores.split_at_mut(BLOCK.min(memory.scores.len()));
        let linears = rest.get_mut(..BLOCK).unwrap_or_default();
        let rows = blocks(&layer.gate).zip(blocks(&layer.linear));
        for ((gate, linear), hidden) in rows.zip(memory.hidden.as_chunks_mut::<BLOCK>().0) {
            K::project_gates(&gate, &activations, gates);
            K::project_gated(&linear, &activations, gates, linears);
            K::reglu(layer.reglu, gates, linears, hidden);
        }
        let (products, prepared) = memory.scores.split_at_mut(BLOCK.min(memory.scores.len()));
        let activations = K::prepare_sparse(memory.hidden, prepared);
        matvec::<RESIDUAL_SHIFT, K, _>(&layer.down, activations, products, memory.residual, add);
    }

    /// Steps 3 and 4 of the contract.
    fn output(&mut self) {
        let memory = &mut self.memory;
        let Some(logits) = memory.scores.first_chunk_mut::<256>() else { return };
        let activations = K::prepare(memory.activations, memory.sums);
        K::project(&self.model.logits(), &activations, LOGIT_SHIFT, logits);
        let largest = logits.iter().copied().max().unwrap_or(0);
        let table = self.model.power_table();
        // Logits become weights.
        let mut sum = 0u32;
        for logit in logits.iter_mut() {
            let weight = exp2_neg(table, largest.wrapping_sub(*logit));
            sum = sum.wrapping_add(weight.into());
            *logit = weight.into();
        }
        self.frequencies.set_weights_of(sum, |byte| logits[usize::from(byte)] as u16);
    }
}

impl<K: Kernels> ByteModel for M1<'_, '_, K> {
    fn reset(&mut self) {
        self.pending = None;
        if !self.start_is_cached {
            self.length = 0;
            self.newest = 0;
            self.pending = Some(BOS);
        } else if self.length > 1 {
            // The begin symbol's keys and values are where they were; only its output has to come back.
            self.length = 1;
            self.newest = 0;
            self.history = History::new();
            copy(self.memory.start, self.memory.activations);
            self.frequencies_are_current = false;
        }
    }

    fn frequencies(&mut self) -> &Frequencies {
        self.run_pending();
        if !self.frequencies_are_current {
            self.output();
            self.frequencies_are_current = true;
        }
        &self.frequencies
    }

    fn push(&mut self, byte: u8) {
        self.run_pending();
        self.pending = Some(byte.into());
    }
}

/// Copies slices of equal length; `copy_from_slice` would bring its panic along.
fn copy(from: &[i8], to: &mut [i8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// Rows that are projected at a time. Every matrix has a multiple of them.
const BLOCK: usize = 64;

/// The rows of a matrix, a block at a time.
fn blocks<'a>(matrix: &Matrix<'a>) -> impl Iterator<Item = Matrix<'a>> {
    let width = matrix.width;
    let weights = matrix.weights.chunks_exact(width.wrapping_mul(BLOCK).max(1));
    let blocks = weights.zip(matrix.requantizers.chunks_exact(BLOCK));
    blocks.map(move |(weights, requantizers)| Matrix { weights, requantizers, width })
}

/// Hands the rows' requantized products with `activations` to `store`, a block at a time; `products` has room for one.
fn matvec<const SCALE: u32, K: Kernels, T>(
    matrix: &Matrix,
    activations: K::Prepared<'_>,
    products: &mut [i32],
    out: &mut [T],
    store: impl Fn(&[i32], &mut [T]),
) {
    let products = products.get_mut(..BLOCK).unwrap_or_default();
    for (rows, out) in blocks(matrix).zip(out.as_chunks_mut::<BLOCK>().0) {
        K::project(&rows, &activations, SCALE, products);
        store(products, out);
    }
}

/// What adds to the residual stream.
fn add(products: &[i32], residual: &mut [i32]) {
    residual.iter_mut().zip(products).for_each(|(residual, &product)| *residual = residual.wrapping_add(product));
}

/// Step 1 of the contract.
fn embed(embedding: &Matrix, symbol: u16, residual: &mut [i32]) {
    let rows = embedding.weights.chunks_exact(embedding.width.max(1));
    if let Some((row, requantizer)) = rows.zip(embedding.requantizers).nth(symbol.into()) {
        let requantizer = Requantizer::from_image(*requantizer);
        let columns = residual.as_chunks_mut::<2>().0.iter_mut().zip(row.as_chunks::<2>().0);
        for (x, &[even, odd]) in columns {
            *x =
                [weight(0, even), weight(1, odd)].map(|weight| requantizer.apply(i32::from(weight) << EMBEDDING_SHIFT));
        }
    }
}

/// The rest of step 2.3: one head's softmax over `scores` and the mean of its values.
fn mix<'c, K: Kernels>(
    layer: &Layer,
    table: &PowerTable,
    scores: &[i32],
    largest: i32,
    values: impl Iterator<Item = &'c [i8; HEAD]>,
    sums: &mut [i32],
    mixed: &mut [i8; HEAD],
) {
    sums.fill(0);
    let mut total = 0u32;
    for (&score, value) in scores.iter().zip(values) {
        let weight = i32::from(exp2_neg(table, largest.wrapping_sub(score)) >> 1);
        total = total.wrapping_add(weight as u32);
        K::accumulate(weight, value, sums);
    }
    let (r, n) = reciprocal(total);
    let (factor, shift) = layer.output;
    let multiplier = (r.wrapping_mul(factor.into()) >> 16) as u16;
    // Between 17 and 46 for every model that loads, so the default is never taken.
    let shift = (15 + n).wrapping_add(shift.into()) as u8;
    let requantizer =
        Requantizer::new(multiplier, shift).unwrap_or(Requantizer::from_image([0, 0, Requantizer::MIN_SHIFT, 0]));
    for (mixed, &sum) in mixed.iter_mut().zip(sums.iter()) {
        *mixed = clamp_i8(K::requantize(requantizer, sum));
    }
}
