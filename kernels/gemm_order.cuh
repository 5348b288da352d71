// What both paths of products agree on: how operands lie in memory, and in which order the tiles of a result are computed.
#pragma once

#include "device.cuh"

// Which dimension of an operand runs fastest in memory: the depth that is summed over, or the rows (columns) of the result.
enum class Major { depth, outer };

struct TilePosition {
    int row;
    int column;
};

// Tiles in bands of eight rows of tiles, column by column within a band: blocks that run at the same time share rows of A and columns
// of B in the L2.
DEVICE TilePosition tile_position(int tile, int rows_of_tiles, int columns_of_tiles) {
    constexpr int band_rows = 8;
    const int band = tile / (band_rows * columns_of_tiles), within = tile % (band_rows * columns_of_tiles);
    const int rows = min(band_rows, rows_of_tiles - band * band_rows);
    return {band * band_rows + within % rows, within / rows};
}
