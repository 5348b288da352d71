// ReGLU over rows of [gate | linear], `width` values each, and its gradient.
//
//   h = max(gate, 0) * linear
//   dgate = dh * linear, dlinear = dh * gate where gate > 0, both 0 elsewhere
//
// All bf16. Forward moves 6 bytes per value of h, backward 10; nothing else matters. A thread has 8 neighbouring
// values, so that every access is 16 bytes wide and a warp's accesses are whole lines. Widths are multiples of 8.
//
// launch: ceil(tokens * width / 2048) blocks of 256 threads, 8 values of h per thread.
#include "device.cuh"

// The place of this thread's 8 values in h and in [gate | linear]; false if there are none.
DEVICE bool reglu_place(int tokens, int width, i64 &in_h, i64 &in_pair) {
    in_h = 8 * (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x);
    if (in_h >= static_cast<i64>(tokens) * width) return false;
    const i64 row = in_h / width;
    in_pair = in_h + row * width;
    return true;
}

DEVICE bf16x2 reglu_pair(bf16x2 gate, bf16x2 linear) {
    const float low = low_float(gate), high = high_float(gate);
    return to_bf16x2(low > 0.0f ? low * low_float(linear) : 0.0f, high > 0.0f ? high * high_float(linear) : 0.0f);
}

// The gradient of one factor where the gate is open.
DEVICE bf16x2 reglu_pair_backward(bf16x2 gate, bf16x2 other, bf16x2 dh) {
    return to_bf16x2(low_float(gate) > 0.0f ? low_float(dh) * low_float(other) : 0.0f,
                     high_float(gate) > 0.0f ? high_float(dh) * high_float(other) : 0.0f);
}

extern "C" __global__ void __launch_bounds__(256) reglu(const bf16 *gate_linear, bf16 *h, int tokens, int width) {
    i64 in_h, in_pair;
    if (!reglu_place(tokens, width, in_h, in_pair)) return;
    const uint4 gate = *reinterpret_cast<const uint4 *>(gate_linear + in_pair);
    const uint4 linear = *reinterpret_cast<const uint4 *>(gate_linear + in_pair + width);
    *reinterpret_cast<uint4 *>(h + in_h) = make_uint4(reglu_pair(gate.x, linear.x), reglu_pair(gate.y, linear.y),
                                                      reglu_pair(gate.z, linear.z), reglu_pair(gate.w, linear.w));
}
REGISTER_KERNEL(reglu);

extern "C" __global__ void __launch_bounds__(256)
    reglu_backward(const bf16 *gate_linear, const bf16 *dh, bf16 *dgate_linear, int tokens, int width) {
    i64 in_h, in_pair;
    if (!reglu_place(tokens, width, in_h, in_pair)) return;
    const uint4 gate = *reinterpret_cast<const uint4 *>(gate_linear + in_pair);
    const uint4 linear = *reinterpret_cast<const uint4 *>(gate_linear + in_pair + width);
    const uint4 d = *reinterpret_cast<const uint4 *>(dh + in_h);
    *reinterpret_cast<uint4 *>(dgate_linear + in_pair) =
        make_uint4(reglu_pair_backward(gate.x, linear.x, d.x), reglu_pair_backward(gate.y, linear.y, d.y),
                   reglu_pair_backward(gate.z, linear.z, d.z), reglu_pair_backward(gate.w, linear.w, d.w));
    *reinterpret_cast<uint4 *>(dgate_linear + in_pair + width) =
        make_uint4(reglu_pair_backward(gate.x, gate.x, d.x), reglu_pair_backward(gate.y, gate.y, d.y),
                   reglu_pair_backward(gate.z, gate.z, d.z), reglu_pair_backward(gate.w, gate.w, d.w));
}
REGISTER_KERNEL(reglu_backward);
