//! A model's sizes, its tensors in the parameter buffer and their initial values.

use equalinfo_codec::m1::ngrams::{MAX_ORDER, MAX_ROWS, MIN_ORDER};

use crate::bounds::{OutOfBounds, within};
use crate::device::{BUCKETS, HEAD};
use equalinfo::quantize::{MOST, TABLE_MOST};
use equalinfo::random::Random;

/// Sizes of a model. Width is `64 * heads`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelConfig {
    /// Layers of attention and feed-forward.
    pub layers: usize,
    /// Heads of 64 values.
    pub heads: usize,
    /// Hidden values of the feed-forward half of a layer.
    pub feed_forward: usize,
    /// Positions that attention reaches back, the current one included.
    pub context: usize,
    /// Output symbols; the embedding has one row more, the start symbol.
    pub vocabulary: usize,
    /// N-gram tables, in rising order; none in the paper's architecture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ngrams: Vec<NgramTable>,
}

/// A table whose rows are looked up by a hash of the last `order` symbols ([`equalinfo_codec::m1::ngrams`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NgramTable {
    /// Symbols of its n-grams.
    pub order: usize,
    /// Its rows, each as wide as the model.
    pub rows: usize,
}

/// The most layers of a model.
const MOST_LAYERS: usize = 256;
/// The most heads.
const MOST_HEADS: usize = 256;
/// The most hidden values of a layer.
const MOST_FEED_FORWARD: usize = 1 << 17;
/// The longest context.
const MOST_TOKENS: usize = 1 << 16;
/// The most output symbols: tokens of 16 bits, and the end of a document.
const MOST_OUTPUTS: usize = (1 << 16) + 1;

impl ModelConfig {
    /// Checks sizes that a file may say: within these bounds no size overflows.
    ///
    /// # Errors
    /// One of them is beyond what a model has.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        within("layers", self.layers, 1, MOST_LAYERS)?;
        within("heads", self.heads, 1, MOST_HEADS)?;
        within("feed-forward width", self.feed_forward, 1, MOST_FEED_FORWARD)?;
        within("context", self.context, 1, MOST_TOKENS)?;
        within("vocabulary", self.vocabulary, 1, MOST_OUTPUTS)?;
        let orders: Vec<usize> = self.ngrams.iter().map(|table| table.order).collect();
        let allowed = MIN_ORDER..=MAX_ORDER;
        if !orders.is_sorted_by(|a, b| a < b) || !orders.iter().all(|order| allowed.contains(order)) {
            let expected = format!("rising numbers from {MIN_ORDER} to {MAX_ORDER}");
            return Err(OutOfBounds::new("orders of n-gram tables", format!("{orders:?}"), expected));
        }
        self.ngrams.iter().try_for_each(|table| within("rows of an n-gram table", table.rows, 1, MAX_ROWS))
    }

    /// The named sizes of M1 without n-gram tables: layers, heads, feed-forward width, context in bytes.
    pub fn preset(name: &str) -> Option<Self> {
        let (layers, heads, feed_forward, context) = match name {
            "pico" => (1, 1, 128, 128),
            "nano" => (2, 1, 192, 128),
            "micro" => (3, 2, 384, 256),
            "3m" => (3, 4, 1024, 256),
            _ => return None,
        };
        Some(Self { layers, heads, feed_forward, context, vocabulary: 256, ngrams: Vec::new() })
    }

    /// Values of a position in the residual stream.
    pub fn width(&self) -> usize {
        self.heads * HEAD
    }

    /// The embedding row that starts a context.
    pub fn start_symbol(&self) -> u32 {
        self.vocabulary as u32
    }

    /// Every tensor with its place in the parameter buffer, in file order.
    pub fn tensors(&self) -> Vec<Tensor> {
        let (d, ff) = (self.width(), self.feed_forward);
        let mut tensors = Vec::new();
        let mut offset = 0;
        let mut add = |name: String, (blocks, rows): (usize, usize), columns: usize, kind: TensorKind| {
            tensors.push(Tensor { name, offset, rows: blocks * rows, columns, kind, blocks });
            offset += blocks * rows * columns;
        };
        add("embedding".into(), (1, self.vocabulary + 1), d, TensorKind::Embedding);
        for layer in 0..self.layers {
            add(format!("layers.{layer}.qkv"), (3, d), d, TensorKind::Matrix);
            add(format!("layers.{layer}.bias"), (1, self.heads), BUCKETS, TensorKind::Bias);
            add(format!("layers.{layer}.out"), (1, d), d, TensorKind::Matrix);
            add(format!("layers.{layer}.gate_linear"), (2, ff), d, TensorKind::Matrix);
            add(format!("layers.{layer}.down"), (1, d), ff, TensorKind::Matrix);
        }
        if !self.ngrams.is_empty() {
            // One tensor for all tables, so that what follows the embedding and is not a whole layer is this.
            let rows = self.ngrams.iter().map(|table| table.rows).sum();
            add("ngrams".into(), (1, rows), d, TensorKind::Table);
        }
        tensors
    }

    /// Values of all tensors.
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(Tensor::len).sum()
    }

    /// Floating-point operations of training per token: 6 a weight in a product, and attention at full context.
    pub fn flops_per_token(&self) -> f64 {
        self.flops(1, self.context as u64)
    }

    /// Floating-point operations of training on so many tokens, which see so many positions in all: an addition is one, a
    /// multiplication another; what is computed twice counts once.
    pub fn flops(&self, tokens: u64, seen: u64) -> f64 {
        let embedding = self.vocabulary * self.width();
        let matrices: usize = self.tensors().iter().filter(|t| t.kind == TensorKind::Matrix).map(Tensor::len).sum();
        let attention = 2 * self.layers * self.width();
        6.0 * ((embedding + matrices) as f64 * tokens as f64 + attention as f64 * seen as f64)
    }
}

/// After the embedding, each layer has: qkv, bias, out, gate and linear, down.
pub const TENSORS_PER_LAYER: usize = 5;

/// What a tensor is, which decides its initial values and its updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// The tied embedding: a row per output, and one for the start symbol.
    Embedding,
    /// A weight matrix, with weight decay.
    Matrix,
    /// Position biases.
    Bias,
    /// N-gram tables, one after the other.
    Table,
}

impl TensorKind {
    /// Most steps that the integer model has for one of its values, if it rounds them by rows.
    pub fn most(self) -> Option<f32> {
        match self {
            Self::Embedding | Self::Matrix => Some(MOST),
            Self::Table => Some(TABLE_MOST),
            Self::Bias => None,
        }
    }
}

/// One matrix in the parameter buffer, row-major.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its name in checkpoints.
    pub name: String,
    /// Where it begins in the parameter buffer.
    pub offset: usize,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// What it is.
    pub kind: TensorKind,
    /// Matrices of as many rows that lie in it one after the other: queries, keys and values; gate and linear half.
    pub blocks: usize,
}

impl Tensor {
    /// Values in it.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its place in the parameter buffer.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// Initial parameters: normal with deviation `1/sqrt(columns)`, smaller by `1/sqrt(2 layers)` for what adds to the
/// residual; biases and n-gram tables zero.
pub fn initial_parameters(config: &ModelConfig, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let mut parameters = vec![0.0; config.parameters()];
    let residual = 1.0 / (2.0 * config.layers as f32).sqrt();
    for tensor in config.tensors() {
        let deviation = match tensor.kind {
            TensorKind::Bias | TensorKind::Table => continue,
            _ if tensor.name.ends_with("out") || tensor.name.ends_with("down") => residual,
            _ => 1.0,
        } / (tensor.columns as f32).sqrt();
        parameters[tensor.range()].iter_mut().for_each(|p| *p = deviation * random.normal());
    }
    parameters
}
