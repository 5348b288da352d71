//! The forward pass over packed weights for many streams in lockstep.
//!
//! A run reads every matrix once for all its items: an item is a symbol of a stream, and a run may hold symbols of
//! different streams or successive ones of the same stream. Items interact only in the attention, where each sees its
//! own stream's cache in order, so the frequencies do not depend on what was run together.

use std::sync::Arc;

use equalinfo_codec::Frequencies;
use equalinfo_codec::m1::Config;
use equalinfo_codec::m1::image::BOS;
use equalinfo_codec::m1::ngrams::{Hashes, History, MAX_ORDER};

use super::loops::{Head, Loops, Scratch};
use super::packed::{HeadCache, PackedLayer};
use super::packed_model::{PackedModel, qkv_of};

/// Symbols per run of a known text: enough to share each weight, few enough to stay in the first-level cache.
const RUN: usize = 32;

/// Streams that share the weights and run together.
pub struct Lanes<K> {
    kernels: K,
    model: Arc<PackedModel>,
    context: usize,
    /// For each layer and head: the bias of place `j` of the ring, if the newest is `n`, is at `context - 1 - n + j`.
    biases: Vec<Vec<i32>>,
    streams: Vec<Stream>,
    /// The frequencies of the first byte, once known.
    start: Option<Frequencies>,
    items: Vec<Item>,
    work: Work,
}

/// The state of one stream.
struct Stream {
    /// `[layers][heads]`.
    caches: Vec<HeadCache>,
    /// The number of cached positions.
    length: usize,
    /// The place of the newest position in the ring.
    newest: usize,
    /// The symbols in the places of the ring.
    symbols: Vec<u16>,
    /// The newest symbols that were run.
    history: History,
    /// A symbol that was read but not yet run.
    pending: Option<u16>,
    /// Whether place 0 holds the begin symbol.
    start_is_cached: bool,
    /// The output activations of the newest position.
    output: Vec<u8>,
    /// Whether `frequencies` are up to date with `output`.
    current: bool,
    frequencies: Frequencies,
}

/// A symbol in a run, with its stream's ring at that symbol.
#[derive(Clone, Copy)]
struct Item {
    stream: usize,
    symbol: u16,
    /// Of the symbols up to this one.
    hashes: Hashes,
    newest: usize,
    length: usize,
}

/// A run's buffers, `[items][..]` each.
#[derive(Default)]
struct Work {
    residual: Vec<i32>,
    activations: Vec<u8>,
    qkv: Vec<u8>,
    mixed: Vec<u8>,
    gates: Vec<i32>,
    hidden: Vec<u8>,
    logits: Vec<i32>,
    scratch: Scratch,
}

impl Work {
    fn resize(&mut self, items: usize, config: &Config) {
        let Config { d, ff, .. } = *config;
        self.residual.resize(items * d, 0);
        self.activations.resize(items * d, 0);
        self.qkv.resize(items * 3 * d, 0);
        self.mixed.resize(items * d, 0);
        self.gates.resize(items * ff, 0);
        self.hidden.resize(items * ff, 0);
    }
}

impl<K: Loops> Lanes<K> {
    /// Creates `streams` empty streams that see up to `context` positions, which must not exceed the model's.
    pub fn new(kernels: K, model: Arc<PackedModel>, streams: usize, context: usize) -> Self {
        let heads = model.layers.iter().flat_map(|layer| &layer.biases);
        let biases = heads.map(|bias| ring_biases(&bias[..context])).collect();
        let caches = model.config.layers * model.config.heads;
        let stream = || Stream {
            caches: vec![HeadCache::new(context); caches],
            length: 0,
            newest: 0,
            symbols: vec![BOS; context],
            history: History::new(),
            pending: Some(BOS),
            start_is_cached: false,
            output: vec![0; model.config.d],
            current: false,
            frequencies: Frequencies::uniform(),
        };
        let streams = (0..streams).map(|_| stream()).collect();
        Self { kernels, context, biases, streams, start: None, items: Vec::new(), work: Work::default(), model }
    }

    /// Empties a stream's context.
    pub fn reset(&mut self, stream: usize) {
        let stream = &mut self.streams[stream];
        match &self.start {
            Some(start) if stream.start_is_cached => {
                stream.pending = None;
                stream.length = 1;
                stream.newest = 0;
                stream.history = History::new();
                stream.frequencies.clone_from(start);
                stream.current = true;
            }
            _ => {
                stream.pending = Some(BOS);
                stream.length = 0;
                stream.newest = 0;
            }
        }
    }

    /// Forgets all but the first `kept` bytes of a stream and appends one; returns false, with nothing changed, unless
    /// these bytes are all cached in their places.
    pub fn branch(&mut self, stream: usize, kept: usize, byte: u8) -> bool {
        let stream = &mut self.streams[stream];
        // The begin symbol comes first.
        let can = stream.start_is_cached && kept < stream.length && stream.newest + 1 == stream.length;
        if can {
            (stream.length, stream.newest, stream.pending) = (kept + 1, kept, Some(byte.into()));
            stream.history = History::new();
            let newest = stream.symbols[..=kept].iter().skip((kept + 1).saturating_sub(MAX_ORDER));
            newest.for_each(|symbol| stream.history.push(*symbol));
        }
        can
    }

    /// Appends a byte to a stream.
    pub fn push(&mut self, stream: usize, byte: u8) {
        if self.streams[stream].pending.is_some() {
            self.run_pending();
        }
        self.streams[stream].pending = Some(byte.into());
    }

    /// The frequencies of a stream's next byte; also runs the symbols that other streams have pending.
    pub fn frequencies(&mut self, stream: usize) -> &Frequencies {
        if self.streams[stream].pending.is_some() {
            self.run_pending();
        }
        if !self.streams[stream].current {
            self.output();
        }
        &self.streams[stream].frequencies
    }

    /// Feeds `text` to a stream, without frequencies.
    pub fn feed(&mut self, stream: usize, text: &[u8]) {
        for chunk in text.chunks(RUN) {
            self.items.clear();
            if let Some(symbol) = self.streams[stream].pending.take() {
                self.enter(stream, symbol);
            }
            chunk.iter().for_each(|&byte| self.enter(stream, byte.into()));
            self.run();
        }
    }

    /// Feeds `text` to a stream and passes the frequencies ahead of each byte to `visit`, with the byte's position.
    pub fn trace(&mut self, stream: usize, text: &[u8], mut visit: impl FnMut(usize, &Frequencies)) {
        let Some((&last, body)) = text.split_last() else { return };
        visit(0, self.frequencies(stream));
        let mut position = 1;
        for chunk in body.chunks(RUN) {
            self.items.clear();
            for &byte in chunk {
                self.enter(stream, byte.into());
            }
            self.run();
            self.work.logits.resize(256 * chunk.len(), 0);
            self.kernels.logits(&self.model.logits, &self.work.activations, &mut self.work.logits);
            for logits in self.work.logits.as_chunks::<256>().0 {
                visit(position, &self.kernels.frequencies(logits, &self.model.powers));
                position += 1;
            }
        }
        self.push(stream, last);
    }

    /// Runs the pending symbol of every stream that has one.
    fn run_pending(&mut self) {
        self.items.clear();
        for stream in 0..self.streams.len() {
            if let Some(symbol) = self.streams[stream].pending.take() {
                self.enter(stream, symbol);
            }
        }
        self.run();
    }

    /// Advances a stream's ring for a symbol and adds the symbol to the run.
    fn enter(&mut self, index: usize, symbol: u16) {
        let stream = &mut self.streams[index];
        if stream.length > 0 {
            stream.newest = (stream.newest + 1) % self.context;
        }
        stream.length = self.context.min(stream.length + 1);
        stream.start_is_cached = symbol == BOS || (stream.start_is_cached && stream.newest != 0);
        stream.current = false;
        stream.symbols[stream.newest] = symbol;
        stream.history.push(symbol);
        let hashes = stream.history.hashes();
        self.items.push(Item { stream: index, symbol, hashes, newest: stream.newest, length: stream.length });
    }

    /// Runs the items through the layers and leaves output activations in `work` and in the streams.
    fn run(&mut self) {
        let Self { kernels, model, items, work, .. } = self;
        let (kernels, d) = (*kernels, model.config.d);
        work.resize(items.len(), &model.config);
        for (item, residual) in items.iter().zip(work.residual.chunks_exact_mut(d)) {
            residual.copy_from_slice(&model.embedding[usize::from(item.symbol) * d..][..d]);
        }
        for (index, layer) in self.model.clone().layers.iter().enumerate() {
            self.attention(layer, index);
            if index == 0 {
                for (item, residual) in self.items.iter().zip(self.work.residual.chunks_exact_mut(d)) {
                    self.model.ngrams.iter().for_each(|table| table.add(&item.hashes, residual));
                }
            }
            self.feed_forward(layer);
        }
        let Self { model, items, work, streams, .. } = self;
        for (item, (residual, output)) in
            items.iter().zip(work.residual.chunks_exact(d).zip(work.activations.chunks_exact_mut(d)))
        {
            kernels.norm(residual, model.output_norm, output);
            streams[item.stream].output.copy_from_slice(output);
        }
    }

    fn attention(&mut self, layer: &PackedLayer, index: usize) {
        let Self { kernels, model, context, biases, items, work, streams, .. } = self;
        let (kernels, Config { d, heads, .. }) = (*kernels, model.config);
        if index == 0 {
            for (item, qkv) in items.iter().zip(work.qkv.chunks_exact_mut(3 * d)) {
                qkv.copy_from_slice(&model.first_qkv[usize::from(item.symbol) * 3 * d..][..3 * d]);
            }
        } else {
            qkv_of(layer, kernels, &work.residual, &mut work.activations, &mut work.qkv);
        }
        for (item, (qkv, mixed)) in items.iter().zip(work.qkv.chunks_exact(3 * d).zip(work.mixed.chunks_exact_mut(d))) {
            let qkv = qkv.as_chunks::<64>().0;
            for (head, mixed) in mixed.as_chunks_mut::<64>().0.iter_mut().enumerate() {
                let at = index * heads + head;
                let cache = &mut streams[item.stream].caches[at];
                kernels.cache(cache, item.newest, &qkv[heads + head], &qkv[2 * heads + head]);
                let head_input = Head {
                    cache,
                    biases: &biases[at][*context - 1 - item.newest..],
                    length: item.length,
                    score: layer.score,
                    output: layer.output,
                    powers: &model.powers,
                };
                kernels.attend(&head_input, &qkv[head], &mut work.scratch, mixed);
            }
        }
        kernels.linear_add(&layer.out, &work.mixed, &mut work.residual);
    }

    fn feed_forward(&mut self, layer: &PackedLayer) {
        let Self { kernels, model, work, .. } = self;
        let d = model.config.d;
        for (residual, activations) in work.residual.chunks_exact(d).zip(work.activations.chunks_exact_mut(d)) {
            kernels.norm(residual, layer.feed_forward_norm, activations);
        }
        kernels.gated([&layer.gate, &layer.linear], layer.reglu, &work.activations, &mut work.gates, &mut work.hidden);
        kernels.linear_add(&layer.down, &work.hidden, &mut work.residual);
    }

    /// Brings every stream's frequencies up to date with its newest position.
    fn output(&mut self) {
        let Self { kernels, model, work, streams, start, .. } = self;
        work.activations.clear();
        for stream in streams.iter().filter(|stream| !stream.current) {
            work.activations.extend(&stream.output);
        }
        work.logits.resize(256 * (work.activations.len() / model.config.d), 0);
        kernels.logits(&model.logits, &work.activations, &mut work.logits);
        let stale = streams.iter_mut().filter(|stream| !stream.current);
        for (stream, logits) in stale.zip(work.logits.as_chunks::<256>().0) {
            stream.frequencies = kernels.frequencies(logits, &model.powers);
            stream.current = true;
            if start.is_none() && stream.start_is_cached && stream.length == 1 {
                *start = Some(stream.frequencies.clone());
            }
        }
    }
}

/// A head's biases by distance, arranged for every rotation of the ring and padded to whole vectors.
fn ring_biases(by_distance: &[i32]) -> Vec<i32> {
    let turn = by_distance.iter().rev();
    turn.clone().chain(turn).copied().chain([0; 16]).collect()
}
