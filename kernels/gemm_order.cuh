// Shared by both paths of products: the layout of operands in memory, and the order in which a result's tiles are
// computed.
#pragma once

#include "device.cuh"

// The dimension of an operand that runs fastest in memory: the depth that is summed over, or the result's rows
// (columns).
enum class Major { depth, outer };

struct TilePosition {
    int row;
    int column;
};

// Orders tiles in bands of eight rows of tiles, column by column within a band: blocks that run at the same time share
// rows of A and columns of B in the L2.
DEVICE TilePosition tile_position(int tile, int rows_of_tiles, int columns_of_tiles) {
    constexpr int band_rows = 8;
    const int band = tile / (band_rows * columns_of_tiles), within = tile % (band_rows * columns_of_tiles);
    const int rows = min(band_rows, rows_of_tiles - band * band_rows);
    return {band * band_rows + within % rows, within / rows};
}
