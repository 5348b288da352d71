//! `embedding.cu`: copies table rows to the residual stream, and sums gradients back in an order that the host fixes.

use crate::{Driver, Kernel, Launch, View, arguments};

const FORWARD: Kernel = Kernel { unit: "embedding", name: "embedding" };
const PIECES: Kernel = Kernel { unit: "embedding", name: "embedding_backward_pieces" };
const JOINS: Kernel = Kernel { unit: "embedding", name: "embedding_backward_joins" };
const VALUES_A_BLOCK: usize = 1024;
/// The most positions of one symbol that a block adds.
const PIECE: usize = 64;

/// A batch's positions by symbol, cut into pieces: the order in which the gradient is summed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Positions, sorted by symbol, then by place.
    pub positions: Vec<u32>,
    /// Symbol, first and end of its places in `positions`, and the piece's row in the workspace or -1.
    pub pieces: Vec<[i32; 4]>,
    /// Symbols of several pieces: symbol, first and end of its rows in the workspace, 0.
    pub joined: Vec<[i32; 4]>,
}

impl Order {
    /// Orders the positions that hold `symbols`, all of which are below `rows`.
    pub fn new(symbols: &[u32], rows: usize) -> Self {
        let mut ends = vec![0usize; rows + 1];
        for &symbol in symbols {
            ends[symbol as usize + 1] += 1;
        }
        for row in 0..rows {
            ends[row + 1] += ends[row];
        }
        let mut next = ends.clone();
        let mut order = Self { positions: vec![0; symbols.len()], ..Self::default() };
        for (position, &symbol) in (0..).zip(symbols) {
            let place = &mut next[symbol as usize];
            order.positions[*place] = position;
            *place += 1;
        }
        let mut used = 0;
        for (symbol, range) in ends.windows(2).enumerate() {
            let (first, end) = (range[0], range[1]);
            let alone = end - first <= PIECE;
            let first_row = used;
            for begin in (first..end).step_by(PIECE) {
                let row = if alone { -1 } else { used };
                used += i32::from(!alone);
                order.pieces.push([symbol as i32, begin as i32, end.min(begin + PIECE) as i32, row]);
            }
            if !alone {
                order.joined.push([symbol as i32, first_row, used, 0]);
            }
        }
        order
    }

    /// Rows of the workspace.
    pub fn workspace_rows(&self) -> usize {
        self.joined.last().map_or(0, |joined| joined[2] as usize)
    }

    /// The most workspace rows, pieces and joined symbols that any batch of `tokens` positions needs.
    pub fn limits(tokens: usize, rows: usize) -> (usize, usize, usize) {
        let joined = (tokens / (PIECE + 1)).min(rows);
        // Each joined symbol has at most one partial piece.
        let workspace = tokens / PIECE + joined;
        (workspace, workspace + tokens.min(rows), joined)
    }
}

/// An [`Order`] in the device's memory; `workspace` holds its workspace rows at the table's width, in f32.
#[derive(Debug)]
pub struct DeviceOrder<'a, B> {
    /// The positions, `u32`.
    pub positions: View<'a, B>,
    /// The pieces, 4 `i32` each.
    pub pieces: View<'a, B>,
    /// The number of pieces.
    pub piece_count: usize,
    /// The joined symbols, 4 `i32` each.
    pub joined: View<'a, B>,
    /// The number of joined symbols.
    pub joined_count: usize,
    /// Sums of pieces.
    pub workspace: View<'a, B>,
    /// The workspace rows in use.
    pub workspace_rows: usize,
}

/// `x[t] = scale * table[symbols[t]]`, or `x[t] +=` if `accumulate`: rows of `width` values (a multiple of 4), all f32.
/// A symbol that is not below the table's number of rows gives NaN.
#[allow(clippy::too_many_arguments)]
pub fn embedding<D: Driver>(
    driver: &D,
    tokens: usize,
    width: usize,
    scale: f32,
    symbols: View<D::Buffer>,
    table: View<D::Buffer>,
    x: View<D::Buffer>,
    accumulate: bool,
) -> Result<(), D::Error> {
    assert!(width.is_multiple_of(4), "rows of {width} values");
    if tokens == 0 {
        return Ok(());
    }
    let (symbols, x) = (symbols.expect::<u32>("symbols", tokens), x.expect::<f32>("x", tokens * width));
    let launch = Launch::linear((tokens * width).div_ceil(VALUES_A_BLOCK) as u32, 256);
    let rows = table.elements::<f32>() / width;
    // SAFETY: the kernel touches `tokens` rows of x, and those of the table's rows that the symbols name.
    unsafe {
        driver.launch(
            FORWARD,
            launch,
            arguments![symbols, table, x, tokens, width, rows, scale, usize::from(accumulate)],
        )
    }
}

/// `dtable[symbols[t]] += scale * dx[t]`, always in the same order, which `order` derives from the symbols.
pub fn embedding_backward<D: Driver>(
    driver: &D,
    width: usize,
    scale: f32,
    order: &DeviceOrder<D::Buffer>,
    dx: View<D::Buffer>,
    dtable: View<D::Buffer>,
) -> Result<(), D::Error> {
    assert!(width.is_multiple_of(4), "rows of {width} values");
    let pieces = order.pieces.expect::<i32>("pieces", 4 * order.piece_count);
    let joined = order.joined.expect::<i32>("joined", 4 * order.joined_count);
    let workspace = order.workspace.expect::<f32>("workspace", order.workspace_rows * width);
    if order.piece_count > 0 {
        let launch = Launch::linear(order.piece_count as u32, 256);
        let arguments = arguments![order.positions, pieces, dx, dtable, workspace, width, scale];
        // SAFETY: the pieces name positions of the batch, rows of the table and rows of the workspace, each once.
        unsafe { driver.launch(PIECES, launch, arguments)? };
    }
    if order.joined_count > 0 {
        let launch = Launch::linear(order.joined_count as u32, 256);
        // SAFETY: as above.
        unsafe { driver.launch(JOINS, launch, arguments![joined, workspace, dtable, width, scale])? };
    }
    Ok(())
}
