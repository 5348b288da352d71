//! [`PackedModel`]: a model in the order in which SIMD kernels read it.

use equalinfo_codec::m1::image::{EMBEDDING_SHIFT, row_weights};
use equalinfo_codec::m1::ngrams::{self, Hashes};
use equalinfo_codec::m1::ngrams::{Table, add_row};
use equalinfo_codec::m1::{Config, Model, Requantizer};

use super::loops::{Loops, Powers};
use super::packed::{PackedLayer, PackedMatrix};

/// An n-gram table, as it is in the image: four bits a value are fewer lines to fetch than sums ready to be added.
pub struct PackedTable {
    order: usize,
    /// Bytes of a row, of two values each.
    width: usize,
    values: Vec<u8>,
    factors: Vec<u16>,
}

impl PackedTable {
    fn new(table: &Table) -> Self {
        let Table { order, width, values, factors } = *table;
        let factors = factors.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect();
        Self { order, width, values: values.to_vec(), factors }
    }

    /// Adds the row that hashes look up to a residual.
    pub fn add(&self, hashes: &Hashes, residual: &mut [i32]) {
        let row = ngrams::row(hashes.of(self.order), self.factors.len() as u32);
        add_row(&self.values[row * self.width..][..self.width], self.factors[row], residual);
    }
}

/// The whole model, packed.
pub struct PackedModel {
    pub config: Config,
    /// The residual of every symbol, `[257][d]`: the embedding with its requantizers applied.
    pub embedding: Vec<i32>,
    /// The first layer's queries, keys and values of every symbol, `[257][3d]` in the kernel's form: they depend only
    /// on the symbol.
    pub first_qkv: Vec<u8>,
    pub layers: Vec<PackedLayer>,
    /// N-gram tables, orders rising.
    pub ngrams: Vec<PackedTable>,
    pub output_norm: u32,
    pub logits: PackedMatrix,
    pub powers: Box<Powers>,
}

impl PackedModel {
    pub fn new<K: Loops>(model: &Model, kernels: K) -> Self {
        let packing = K::PACKING;
        let embedding = model.embedding();
        let residuals = embedding.weights.chunks_exact(embedding.width).zip(embedding.requantizers).flat_map(
            |(row, requantizer)| {
                let requantizer = Requantizer::from_image(*requantizer);
                row_weights(row).map(move |weight| requantizer.apply(i32::from(weight) << EMBEDDING_SHIFT))
            },
        );
        let embedding: Vec<i32> = residuals.collect();
        let layers: Vec<_> = model.layers().map(|layer| PackedLayer::new(model, &layer, packing)).collect();
        let mut first_qkv = vec![0; 3 * embedding.len()];
        if let Some(first) = layers.first() {
            qkv_of(first, kernels, &embedding, &mut vec![0; embedding.len()], &mut first_qkv);
        }
        Self {
            config: model.config(),
            first_qkv,
            embedding,
            layers,
            ngrams: model.ngrams().tables().map(|table| PackedTable::new(&table)).collect(),
            output_norm: model.output_norm(),
            logits: PackedMatrix::new(&model.logits(), packing),
            powers: Box::new(Powers::new(model.power_table().map(u16::from_le_bytes))),
        }
    }
}

/// Queries, keys and values, `[items][3d]`, of residuals, `[items][d]`; `activations` is `[items][d]` too.
pub fn qkv_of<K: Loops>(layer: &PackedLayer, kernels: K, residuals: &[i32], activations: &mut [u8], out: &mut [u8]) {
    let d = layer.qkv.width;
    for (residual, activations) in residuals.chunks_exact(d).zip(activations.chunks_exact_mut(d)) {
        kernels.norm(residual, layer.attention_norm, activations);
    }
    kernels.linear(&layer.qkv, activations, out);
}
