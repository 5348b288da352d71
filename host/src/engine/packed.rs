//! Weights and caches in the order in which SIMD kernels read them.
//!
//! A kernel works on [`Packing::lanes`] rows at once, one per 32-bit lane, and multiplies [`Packing::group`]
//! neighbouring inputs in one instruction. So a matrix becomes
//! `[rows / lanes / blocks][width / group][blocks][lanes][group]`, and a lane's accumulator is a finished dot product:
//! no horizontal sums. Keys are packed alike, with positions as rows, one block at a time.

use equalinfo_codec::m1::image::row_weights;
use equalinfo_codec::m1::{Config, Layer, Matrix, Model, Requantizer};

/// A cache line, the unit of all packed storage.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Line(pub [i8; 64]);

impl Line {
    pub const ZERO: Self = Self([0; 64]);
}

/// Views lines as parts of `BYTES` bytes.
#[inline]
pub fn parts<const BYTES: usize>(lines: &[Line]) -> &[[i8; BYTES]] {
    const { assert!(64 % BYTES == 0) };
    // SAFETY: a line is exactly that many arrays, without padding, and aligned more strictly than they are.
    unsafe { core::slice::from_raw_parts(lines.as_ptr().cast(), 64 / BYTES * lines.len()) }
}

/// A kernel's operand layout; `lanes * group` divides 64.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    /// The 32-bit lanes per vector.
    pub lanes: usize,
    /// The inputs that one lane multiplies at a time.
    pub group: usize,
    /// The blocks of rows of a matrix that a kernel goes through together: their lines alternate, so that it reads all
    /// weights in order.
    pub blocks: usize,
}

impl Packing {
    /// Writes a row to its places, a group at a time. Inlined so that the packing is a constant where it is known.
    #[inline(always)]
    fn scatter(self, values: &[i8], row: usize, lines: &mut [Line]) {
        let first = self.place(values.len(), row, 0);
        for (i, group) in values.chunks_exact(self.group).enumerate() {
            let place = first + i * self.blocks * self.lanes * self.group;
            lines[place / 64].0[place % 64..][..self.group].copy_from_slice(group);
        }
    }

    /// The offset in bytes of the weight at `row` and `column`.
    pub fn place(self, width: usize, row: usize, column: usize) -> usize {
        let (block, lane) = (row / self.lanes, row % self.lanes);
        let (first, block) = (block / self.blocks, block % self.blocks);
        let line = (first * (width / self.group) + column / self.group) * self.blocks + block;
        (line * self.lanes + lane) * self.group + column % self.group
    }
}

/// Zeroed lines that hold `bytes` bytes.
pub fn lines(bytes: usize) -> Vec<Line> {
    vec![Line::ZERO; bytes.div_ceil(64)]
}

/// A matrix with its requantizers, one array per field.
pub struct PackedMatrix {
    pub weights: Vec<Line>,
    /// `-128 * sum` of each row, which cancels the bias of 128 on activations.
    pub offsets: Vec<i32>,
    /// Multiplier of each row.
    pub multipliers: Vec<i32>,
    /// Shift of each row, minus 16.
    pub shifts: Vec<i32>,
    pub width: usize,
    pub rows: usize,
}

impl PackedMatrix {
    pub fn new(matrix: &Matrix, packing: Packing) -> Self {
        let (width, rows) = (matrix.width, matrix.requantizers.len());
        let mut weights = lines(rows * width);
        let mut offsets = Vec::with_capacity(rows);
        let mut values = vec![0; width];
        for (row, source) in matrix.weights.chunks_exact(width).take(rows).enumerate() {
            values.iter_mut().zip(row_weights(source)).for_each(|(value, weight)| *value = weight);
            offsets.push(-128 * values.iter().map(|value| i32::from(*value)).sum::<i32>());
            // A model is packed whenever the tool starts; a group of known length is copied in one instruction.
            match packing.group {
                2 => Packing { group: 2, ..packing }.scatter(&values, row, &mut weights),
                4 => Packing { group: 4, ..packing }.scatter(&values, row, &mut weights),
                _ => packing.scatter(&values, row, &mut weights),
            }
        }
        let requantizers = matrix.requantizers.iter().map(|bytes| Requantizer::from_image(*bytes));
        let (multipliers, shifts) =
            requantizers.map(|r| (i32::from(r.multiplier()), i32::from(r.shift()) - 16)).unzip();
        Self { weights, offsets, multipliers, shifts, width, rows }
    }
}

/// One layer, packed.
pub struct PackedLayer {
    pub attention_norm: u32,
    pub qkv: PackedMatrix,
    pub score: Requantizer,
    pub output: (u16, u8),
    /// Position bias by distance, `[heads][context of the image]`.
    pub biases: Vec<Vec<i32>>,
    pub out: PackedMatrix,
    pub feed_forward_norm: u32,
    pub gate: PackedMatrix,
    pub linear: PackedMatrix,
    pub reglu: Requantizer,
    pub down: PackedMatrix,
}

impl PackedLayer {
    pub fn new(model: &Model, layer: &Layer, packing: Packing) -> Self {
        let bias = |head: usize, distance: usize| {
            let bucket = usize::from(model.bucket_table()[distance.min(127)]);
            i32::from(i16::from_le_bytes(layer.bias[32 * head + bucket]))
        };
        let Config { heads, context, .. } = model.config();
        Self {
            attention_norm: layer.attention_norm,
            qkv: PackedMatrix::new(&layer.qkv, packing),
            score: layer.score,
            output: layer.output,
            biases: (0..heads).map(|head| (0..context).map(|distance| bias(head, distance)).collect()).collect(),
            out: PackedMatrix::new(&layer.out, packing),
            feed_forward_norm: layer.feed_forward_norm,
            gate: PackedMatrix::new(&layer.gate, packing),
            linear: PackedMatrix::new(&layer.linear, packing),
            reglu: layer.reglu,
            down: PackedMatrix::new(&layer.down, packing),
        }
    }
}

/// The cached keys and values of one head of one layer, packed.
#[derive(Clone)]
pub struct HeadCache {
    /// `[positions / lanes][64 / group][lanes][group]`.
    pub keys: Vec<Line>,
    /// `-128 * sum` of each key.
    pub key_offsets: Vec<i32>,
    /// `[positions / group][64 / lanes][lanes][group]`: the roles of position and dimension swapped.
    pub values: Vec<Line>,
}

impl HeadCache {
    pub fn new(context: usize) -> Self {
        // Whole blocks of 16 positions for every packing; places beyond the newest position get weight zero.
        let positions = context.next_multiple_of(16);
        Self { keys: lines(64 * positions), key_offsets: vec![0; positions], values: lines(64 * positions) }
    }

    /// Caches one position. Inlined so that the packing is a constant.
    #[inline(always)]
    pub fn store(&mut self, packing: Packing, position: usize, key: &[i8; 64], value: &[i8; 64]) {
        let group = packing.group;
        packing.scatter(key, position, &mut self.keys);
        self.key_offsets[position] = -128 * key.iter().map(|&k| i32::from(k)).sum::<i32>();
        // A position has one byte in each group.
        let (groups, phase) = (position / group * group, position % group);
        for (line, values) in self.values[groups..][..group].iter_mut().zip(value.chunks_exact(64 / group)) {
            for (group, &v) in line.0.chunks_exact_mut(group).zip(values) {
                group[phase] = v;
            }
        }
    }
}
