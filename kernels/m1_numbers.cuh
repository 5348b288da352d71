// The primitives of the numeric contract (codec/docs/numeric-contract.md) for the GPU: integers only, every result
// exact, so the bits equal the codec's whatever the order of sums.
//
// Rounding happens in `requantize` and in the norm's last step, nowhere else.
#pragma once

#include "device.cuh"

// 65,535 at 0, never rising: 2^(-f/256) in units of 2^-16.
typedef const u16 *PowerTable;

DEVICE int clamp_symmetric(int x, int limit) { return max(min(x, limit), -limit); }

// A multiplier in the low 16 bits and a shift in the next 8, as in an image.
typedef u32 Requantizer;

// (x * m + 2^(s-1)) >> s for 17 <= s <= 46, in 32 bits.
DEVICE int requantize(int x, Requantizer requantizer) {
    const int multiplier = static_cast<int>(requantizer & 0xffffu), shift = static_cast<int>(requantizer >> 16 & 0xffu) - 16;
    const int low = static_cast<int>((static_cast<u32>(x) & 0xffffu) * static_cast<u32>(multiplier) >> 16);
    const int product = (x >> 16) * multiplier + low;
    return (product + (1 << (shift - 1))) >> shift;
}

DEVICE int exp2_neg(PowerTable powers, int t) {
    const int whole = t >> 8;
    return whole >= 16 ? 0 : powers[t & 255] >> whole;
}

DEVICE int bit_length(u32 x) { return 32 - __clz(static_cast<int>(x)); }

// 1 / sum ~ r * 2^-(31 + n), for sum >= 1.
DEVICE u32 reciprocal(u32 sum, int &n) {
    n = bit_length(sum) - 16;
    return (1u << 31) / (n < 0 ? sum << -n : sum >> n);
}

// floor(sqrt(q)) for q < 2^42: a float's root is off by at most one, which integers correct.
DEVICE u32 integer_root(u64 q) {
    u64 root = static_cast<u64>(__fsqrt_rn(static_cast<float>(q)));
    while (root * root > q) root--;
    while ((root + 1) * (root + 1) <= q) root++;
    return static_cast<u32>(root);
}

// Turns two rows of four i8 into (first, second) pairs of the lower and the upper two columns.
DEVICE void interleave(u32 first, u32 second, u32 &lower, u32 &upper) {
#if ON_GPU
    lower = __byte_perm(first, second, 0x5140);
    upper = __byte_perm(first, second, 0x7362);
#else
    lower = upper = 0;
    for (int i = 0; i < 2; i++) {
        lower |= (first >> 8 * i & 0xff) << 16 * i | (second >> 8 * i & 0xff) << (16 * i + 8);
        upper |= (first >> (16 + 8 * i) & 0xff) << 16 * i | (second >> (16 + 8 * i) & 0xff) << (16 * i + 8);
    }
#endif
}

// sum + two signed 16-bit weights times the first (LOWER) or last two of four i8.
template <bool LOWER>
DEVICE int add_weighted_pair(u32 weights, u32 values, int sum) {
#if ON_GPU
    return LOWER ? __dp2a_lo(static_cast<int>(weights), static_cast<int>(values), sum)
                 : __dp2a_hi(static_cast<int>(weights), static_cast<int>(values), sum);
#else
    const u32 pair = LOWER ? values : values >> 16;
    return sum + static_cast<i16>(weights) * static_cast<i8>(pair) + static_cast<i16>(weights >> 16) * static_cast<i8>(pair >> 8);
#endif
}

DEVICE u32 pack_i8(int a, int b) { return (static_cast<u32>(a) & 0xffu) | (static_cast<u32>(b) & 0xffu) << 8; }

DEVICE u32 pack_i8(int a, int b, int c, int d) { return pack_i8(a, b) | pack_i8(c, d) << 16; }
