// Steps of the coders, performed by a warp, under the 256 cumulative starts of a model's frequencies: the window code's
// tree (codec/docs/window-code.md) and the range decoder (codec/docs/range-coder.md). All lanes hold the same state and
// get the same answer.
//
// A narrow node's multiplier m is the largest with sum_i floor(m f_i / 2^24) <= span. Each lane has 8 counts, so a
// probe takes 8 products and one reduction, and 16 halvings of the 2^16 candidates find it; a probe that spends the
// whole span ends the search early, since equal sums mean equal shares.
#pragma once

#include "device.cuh"

// 128 bits, enough for every window.
struct Wide {
    u64 low, high;
};

DEVICE Wide wide(u64 low) { return {low, 0}; }
DEVICE bool is_zero(Wide a) { return (a.low | a.high) == 0; }
DEVICE bool is_narrow(Wide a) { return a.high == 0 && a.low >> 32 == 0; }
DEVICE bool less(Wide a, Wide b) { return a.high != b.high ? a.high < b.high : a.low < b.low; }

DEVICE Wide add(Wide a, Wide b) {
    const u64 low = a.low + b.low;
    return {low, a.high + b.high + (low < a.low)};
}

DEVICE Wide subtract(Wide a, Wide b) { return {a.low - b.low, a.high - b.high - (a.low < b.low)}; }
DEVICE Wide multiply(Wide a, u32 b) { return {a.low * b, a.high * b + __umul64hi(a.low, b)}; }
DEVICE Wide shift_right_16(Wide a) { return {a.low >> 16 | a.high << 48, a.high >> 16}; }

// 2^bits - 1 for 1 <= bits <= 128.
DEVICE Wide largest_of(int bits) {
    const u64 ones = ~static_cast<u64>(0);
    return bits > 64 ? Wide{ones, ones >> (128 - bits)} : Wide{ones >> (64 - bits), 0};
}

DEVICE u32 start_of(const u16 *starts, int byte) { return byte < 256 ? starts[byte] : 65536u; }
DEVICE u32 count_of(const u16 *starts, int byte) { return start_of(starts, byte + 1) - start_of(starts, byte); }

// The last byte whose start satisfies `holds`, which is true of 0.
template <class Predicate>
DEVICE int last_where(const u16 *starts, Predicate holds) {
    int byte = 0;
#pragma unroll
    for (int bit = 128; bit > 0; bit /= 2)
        if (holds(static_cast<u32>(starts[byte | bit]))) byte |= bit;
    return byte;
}

// How a narrow node's values are shared out; lane l has bytes 8 l .. 8 l + 7.
struct Shares {
    u32 counts[8];
    u64 multiplier;

    __device__ __forceinline__ u32 share(u32 count) const { return static_cast<u32>(multiplier * count >> 24); }

    __device__ __forceinline__ u32 sum_at(u64 probe) const {
        u32 sum = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) sum += static_cast<u32>(probe * counts[i] >> 24);
        return __reduce_add_sync(ALL_LANES, sum);
    }

    __device__ __forceinline__ Shares(const u16 *starts, u32 span) {
        u32 start = starts[8 * lane_index()];
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const u32 next = start_of(starts, 8 * lane_index() + i + 1);
            counts[i] = next - start;
            start = next;
        }
        multiplier = static_cast<u64>(span) << 8;
        // Sums near the solution differ from the span by at most 256, even if they wrap on the way.
        bool spent = sum_at(multiplier) == span;
        for (u64 step = 1 << 15; step > 0 && !spent; step /= 2) {
            const int excess = static_cast<int>(sum_at(multiplier + step) - span);
            if (excess <= 0) multiplier += step;
            spent = excess == 0;
        }
    }
};

// The encoder's place in the tree.
struct Node {
    Wide low, span;
};

// Moves to the child of `byte`; false, without moving, if it has no values.
DEVICE bool descend_to(Node &node, const u16 *starts, int byte) {
    Wide start, values;
    if (is_narrow(node.span)) {
        const Shares shares(starts, static_cast<u32>(node.span.low));
        u32 before = 0;
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (8 * lane_index() + i < byte) before += shares.share(shares.counts[i]);
        start = wide(__reduce_add_sync(ALL_LANES, before));
        values = wide(shares.share(count_of(starts, byte)));
    } else {
        const Wide unit = shift_right_16(node.span);
        start = multiply(unit, starts[byte]);
        values = multiply(unit, count_of(starts, byte));
    }
    if (is_zero(values)) return false;
    node.low = add(node.low, add(start, wide(1)));
    node.span = subtract(values, wide(1));
    return true;
}

// The decoder's place: how far the value lies above the node's own.
struct Offset {
    Wide offset, span;
};

// Moves to the child that holds the value and returns its byte; -1 if the value was left over. The offset isn't 0.
DEVICE int descend(Offset &place, const u16 *starts) {
    const Wide offset = subtract(place.offset, wide(1));
    int byte;
    Wide start, values;
    if (is_narrow(place.span)) {
        const Shares shares(starts, static_cast<u32>(place.span.low));
        u32 own = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) own += shares.share(shares.counts[i]);
        u32 through = own;
#pragma unroll
        for (int distance = 1; distance < WARP; distance *= 2) {
            const u32 below = __shfl_up_sync(ALL_LANES, through, distance);
            if (lane_index() >= distance) through += below;
        }
        u32 begin = through - own, found_begin = 0, found_share = 0;
        int found = -1;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const u32 share = shares.share(shares.counts[i]);
            if (static_cast<u32>(offset.low) - begin < share) found = 8 * lane_index() + i, found_begin = begin, found_share = share;
            begin += share;
        }
        const u32 holder = __ballot_sync(ALL_LANES, found >= 0);
        if (holder == 0) return -1;
        const int lane = __ffs(static_cast<int>(holder)) - 1;
        byte = __shfl_sync(ALL_LANES, found, lane);
        start = wide(__shfl_sync(ALL_LANES, found_begin, lane));
        values = wide(__shfl_sync(ALL_LANES, found_share, lane));
    } else {
        const Wide unit = shift_right_16(place.span);
        byte = last_where(starts, [&](u32 start) { return !less(offset, multiply(unit, start)); });
        start = multiply(unit, starts[byte]);
        values = multiply(unit, count_of(starts, byte));
        if (!less(subtract(offset, start), values)) return -1;
    }
    place.offset = subtract(offset, start);
    place.span = subtract(values, wide(1));
    return byte;
}

constexpr u64 SMALLEST_RANGE = static_cast<u64>(1) << 56;

// Reads a code string: `distance` is the code minus the interval's low end, of which `missing` bytes are still to come.
struct RangeDecoder {
    u64 distance, range;
    int missing;
};

DEVICE RangeDecoder new_range_decoder() { return {0, ~static_cast<u64>(0), 8}; }

// The next byte, with no input missing; -1 if no text has this code.
DEVICE int decode(RangeDecoder &decoder, const u16 *starts) {
    const u64 unit = decoder.range >> 16;
    const int byte = last_where(starts, [&](u32 start) { return unit * start <= decoder.distance; });
    decoder.distance -= unit * starts[byte];
    decoder.range = unit * count_of(starts, byte);
    if (decoder.distance >= decoder.range) return -1;
    for (; decoder.range < SMALLEST_RANGE; decoder.range <<= 8) decoder.missing++;
    return byte;
}
