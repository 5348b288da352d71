// Stores rows of bf16 from a warp's accumulators to memory, 16 bytes per store.
//
// mma.sync leaves each lane two columns of each block of 8: four bytes in bf16, so the four lanes of a group would fill
// half a sector. Therefore four lanes first exchange words among four blocks; each then holds 8 columns of one, and the
// group writes 64 bytes of a row. That takes one shuffle per word and no shared memory, which the operands' stages
// fill.
#pragma once

#include "device.cuh"

// Lane `member` of four gives word `j` of its part and receives part `member`: word [j] of lane i becomes word [i] of
// lane j.
DEVICE void exchange_among_four(u32 (&words)[4]) {
    const int member = lane_index() % 4;
#pragma unroll
    for (int bit = 1; bit <= 2; bit *= 2) {
        const bool high = member & bit;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            if (j & bit) continue;
            const u32 received = __shfl_xor_sync(ALL_LANES, high ? words[j] : words[j | bit], bit);
            if (high) words[j] = received;
            else words[j | bit] = received;
        }
    }
}

// Stores one row of words [block] to a row of the matrix. All lanes of the warp call it; `inside` says whether the row
// exists.
template <int BLOCKS>
DEVICE void store_row_bf16(const bf16x2 (&row)[BLOCKS], bf16 *target, int column, int columns, bool inside) {
    const int member = lane_index() % 4;
#pragma unroll
    for (int first = 0; first < BLOCKS; first += 4) {
        u32 words[4] = {row[first], row[first + 1], row[first + 2], row[first + 3]};
        exchange_among_four(words);
        const int own = column + 8 * (first + member);
        if (inside && own < columns)
            *reinterpret_cast<uint4 *>(target + own) = make_uint4(words[0], words[1], words[2], words[3]);
    }
}
