// bfloat16: the upper half of an f32. Rounds to nearest, ties to even; every NaN becomes 0x7fff, as in the GPU's own
// conversion, so that both compilers give the same bits.
#pragma once

struct bf16 {
    u16 bits;
};

// Two values as tensor-core registers hold them, the first in the low half.
typedef u32 bf16x2;

DEVICE float to_float(bf16 value) { return __uint_as_float(static_cast<u32>(value.bits) << 16); }
DEVICE float low_float(bf16x2 pair) { return __uint_as_float(pair << 16); }
DEVICE float high_float(bf16x2 pair) { return __uint_as_float(pair & 0xffff0000u); }

#if ON_GPU
DEVICE bf16 to_bf16(float value) {
    bf16 result;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
    return result;
}

DEVICE bf16x2 to_bf16x2(float low, float high) {
    bf16x2 result;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
    return result;
}
#else
DEVICE bf16 to_bf16(float value) {
    const u32 bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return bf16{0x7fff};
    return bf16{static_cast<u16>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}

DEVICE bf16x2 to_bf16x2(float low, float high) {
    return to_bf16(low).bits | static_cast<u32>(to_bf16(high).bits) << 16;
}
#endif
