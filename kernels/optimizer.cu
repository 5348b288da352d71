// Parameter updates: gradient norm, AdamW, Adafactor. Parameters and moments are f32; every update also writes the bf16
// copy that products read, which saves a separate pass.
//
// Gradient norm, in two passes without the host: `sum_of_squares` writes one f64 per block; `clip_factor` adds them in
// order and leaves {norm, factor} on the device for the updates: factor = min(1, clip / norm). In between, the ranks of
// a sharded run exchange the results of `add_squares`. f32 sums cover at most 4,096 values, as on the CPU; sums of
// those are f64.
//
// AdamW (Loshchilov and Hutter 2019), with the bias corrections folded into `rate` and `inverse_second` by the host:
//   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p = keep p - rate m / (sqrt(v inverse_second) + epsilon)
// moves 30 bytes per parameter.
//
// Adafactor as in T5X (Shazeer and Stern 2018; eps 1e-30 and 1e-3, update clipping at RMS 1, no first moment):
//   s_ij = (factor g_ij)^2 + 1e-30;  r_i = decay r_i + (1 - decay) mean_j s_ij;  c_j likewise over i
//   u_ij = factor g_ij sqrt(mean(r) / r_i) / sqrt(c_j), or factor g / sqrt(v) where the moments are not factored
//   p -= rate max(rms(p), 1e-3) / max(rms(u), 1) u
// Both root mean squares need a pass over the tensor before the one that updates it: also 30 bytes per parameter, but
// only rows + columns values of state.
//
// launch: sum_of_squares: 256 threads, ceil(length / 4096) blocks, at most 1024; workspace: one f64 per block.
//         add_squares, clip_factor, adafactor_scale: one block of 256.
//         adamw, adafactor_apply: 256 threads, ceil(length / 1024) blocks (4 values per thread).
//         adafactor_sizes, adafactor_moments: 256 threads, ceil(length / 4096) blocks, at most 1024; workspace: two f64
//         per block.
//         adafactor_rows: a block of 256 per row.
//         adafactor_columns: 256 threads, ceil(columns / 256) x ceil(rows / 64) blocks; workspace: one f32 per column
//         and 64 rows.
//         adafactor_column_moments: 256 threads, ceil(columns / 256) blocks.
//         adafactor_row_mean: one block of 256.
// Lengths of AdamW are multiples of 4.
#include "device.cuh"

constexpr int PIECE = 4096;
constexpr float ADAFACTOR_SQUARE = 1e-30f;

// Sums f64 values in an order that depends only on their number; all threads of the block get the sum.
DEVICE double ordered_sum(const double *values, int count, int stride, double *scratch) {
    double sum = 0.0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) sum += values[static_cast<i64>(i) * stride];
    return block_sum(sum, scratch);
}

extern "C" __global__ void __launch_bounds__(256) sum_of_squares(const float *values, double *partials, i64 length) {
    __shared__ float scratch[256 / WARP];
    double total = 0.0;
    for (i64 first = static_cast<i64>(blockIdx.x) * PIECE; first < length; first += static_cast<i64>(gridDim.x) * PIECE) {
        const i64 end = first + PIECE < length ? first + PIECE : length;
        float squares = 0.0f;
        for (i64 i = first + threadIdx.x; i < end; i += blockDim.x) squares += values[i] * values[i];
        total += static_cast<double>(block_sum(squares, scratch));
    }
    if (threadIdx.x == 0) partials[blockIdx.x] = total;
}
REGISTER_KERNEL(sum_of_squares);

// total = the sum of the partial sums.
extern "C" __global__ void __launch_bounds__(256) add_squares(const double *partials, double *total, int count) {
    __shared__ double scratch[256 / WARP];
    const double sum = ordered_sum(partials, count, 1, scratch);
    if (threadIdx.x == 0) *total = sum;
}
REGISTER_KERNEL(add_squares);

// norm_and_factor = {sqrt(sum of partials), min(1, clip / norm)}.
extern "C" __global__ void __launch_bounds__(256)
    clip_factor(const double *partials, float *norm_and_factor, int count, float clip) {
    __shared__ double scratch[256 / WARP];
    const double norm = sqrt(ordered_sum(partials, count, 1, scratch));
    if (threadIdx.x == 0) {
        norm_and_factor[0] = static_cast<float>(norm);
        norm_and_factor[1] = norm > static_cast<double>(clip) ? static_cast<float>(static_cast<double>(clip) / norm) : 1.0f;
    }
}
REGISTER_KERNEL(clip_factor);

struct AdamwScalars {
    float rate, beta1, beta2, epsilon, keep, inverse_second;
};

DEVICE float adamw_value(const AdamwScalars &s, float g, float p, float &m, float &v) {
    m = s.beta1 * m + (1.0f - s.beta1) * g;
    v = s.beta2 * v + (1.0f - s.beta2) * g * g;
    return s.keep * p - s.rate * m / (__fsqrt_rn(v * s.inverse_second) + s.epsilon);
}

extern "C" __global__ void __launch_bounds__(256)
    adamw(const float *gradients, float *parameters, float *first, float *second, bf16 *product, const float *norm_and_factor,
          i64 length, float rate, float beta1, float beta2, float epsilon, float keep, float inverse_second) {
    const i64 i = 4 * (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x);
    if (i >= length) return;
    const AdamwScalars scalars = {rate, beta1, beta2, epsilon, keep, inverse_second};
    const float factor = norm_and_factor[1];
    const float4 g = *reinterpret_cast<const float4 *>(gradients + i);
    float4 p = *reinterpret_cast<const float4 *>(parameters + i);
    float4 m = *reinterpret_cast<const float4 *>(first + i), v = *reinterpret_cast<const float4 *>(second + i);
    p.x = adamw_value(scalars, g.x * factor, p.x, m.x, v.x);
    p.y = adamw_value(scalars, g.y * factor, p.y, m.y, v.y);
    p.z = adamw_value(scalars, g.z * factor, p.z, m.z, v.z);
    p.w = adamw_value(scalars, g.w * factor, p.w, m.w, v.w);
    *reinterpret_cast<float4 *>(parameters + i) = p;
    *reinterpret_cast<float4 *>(first + i) = m;
    *reinterpret_cast<float4 *>(second + i) = v;
    *reinterpret_cast<uint2 *>(product + i) = make_uint2(to_bf16x2(p.x, p.y), to_bf16x2(p.z, p.w));
}
REGISTER_KERNEL(adamw);

DEVICE float adafactor_square(float g, float factor) { return (g * factor) * (g * factor) + ADAFACTOR_SQUARE; }

// The row moments of a factored tensor.
extern "C" __global__ void __launch_bounds__(256) adafactor_rows(const float *gradients, float *row_moments,
                                                                 const float *norm_and_factor, int columns, float decay) {
    __shared__ float scratch[256 / WARP];
    const float *row = gradients + static_cast<i64>(blockIdx.x) * columns;
    float sum = 0.0f;
    for (int column = threadIdx.x; column < columns; column += blockDim.x) sum += adafactor_square(row[column], norm_and_factor[1]);
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) {
        float *const moment = row_moments + blockIdx.x;
        *moment = decay * *moment + (1.0f - decay) * sum / static_cast<float>(columns);
    }
}
REGISTER_KERNEL(adafactor_rows);

// mean = the mean of the row moments.
extern "C" __global__ void __launch_bounds__(256) adafactor_row_mean(const float *row_moments, float *mean, int rows) {
    __shared__ double scratch[256 / WARP];
    double sum = 0.0;
    for (int row = threadIdx.x; row < rows; row += blockDim.x) sum += static_cast<double>(row_moments[row]);
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) *mean = static_cast<float>(sum / rows);
}
REGISTER_KERNEL(adafactor_row_mean);

constexpr int ROWS_A_SUM = 64;

// The sums of squares of each column over 64 rows.
extern "C" __global__ void __launch_bounds__(256)
    adafactor_columns(const float *gradients, float *workspace, const float *norm_and_factor, int rows, int columns) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    const int first = blockIdx.y * ROWS_A_SUM, end = min(first + ROWS_A_SUM, rows);
    float sum = 0.0f;
    for (int row = first; row < end; row++)
        sum += adafactor_square(gradients[static_cast<i64>(row) * columns + column], norm_and_factor[1]);
    workspace[static_cast<i64>(blockIdx.y) * columns + column] = sum;
}
REGISTER_KERNEL(adafactor_columns);

extern "C" __global__ void __launch_bounds__(256)
    adafactor_column_moments(const float *workspace, float *column_moments, int rows, int columns, float decay) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    float sum = 0.0f;
    for (int piece = 0; piece < ceiling_divide(rows, ROWS_A_SUM); piece++)
        sum += workspace[static_cast<i64>(piece) * columns + column];
    column_moments[column] = decay * column_moments[column] + (1.0f - decay) * sum / static_cast<float>(rows);
}
REGISTER_KERNEL(adafactor_column_moments);

// The update of one value before its length is known. Factored: `state` holds row moments, then column moments.
DEVICE float adafactor_step(float g, float factor, const float *state, const float *row_mean, i64 i, int rows, int columns) {
    if (!row_mean) return g * factor / __fsqrt_rn(state[i]);
    const i64 row = i / columns;
    return g * factor * __fsqrt_rn(*row_mean / state[row]) / __fsqrt_rn(state[rows + (i - row * columns)]);
}

// Writes each block's sums of squares of the updates and of the parameters.
DEVICE void leave_sizes(double steps, double parameters, double *partials, double *scratch) {
    steps = block_sum(steps, scratch);
    parameters = block_sum(parameters, scratch);
    if (threadIdx.x == 0) {
        partials[2 * blockIdx.x] = steps;
        partials[2 * blockIdx.x + 1] = parameters;
    }
}

extern "C" __global__ void __launch_bounds__(256)
    adafactor_sizes(const float *gradients, const float *parameters, const float *state, const float *row_mean, double *partials,
                    const float *norm_and_factor, int rows, int columns) {
    __shared__ double scratch[256 / WARP];
    const i64 length = static_cast<i64>(rows) * columns;
    double steps = 0.0, values = 0.0;
    for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < length; i += static_cast<i64>(gridDim.x) * blockDim.x) {
        const float step = adafactor_step(gradients[i], norm_and_factor[1], state, row_mean, i, rows, columns);
        steps += static_cast<double>(step * step);
        values += static_cast<double>(parameters[i] * parameters[i]);
    }
    leave_sizes(steps, values, partials, scratch);
}
REGISTER_KERNEL(adafactor_sizes);

// For a tensor whose moments are not factored: updates them, and does the work of adafactor_sizes.
extern "C" __global__ void __launch_bounds__(256)
    adafactor_moments(const float *gradients, const float *parameters, float *moments, double *partials,
                      const float *norm_and_factor, i64 length, float decay) {
    __shared__ double scratch[256 / WARP];
    double steps = 0.0, values = 0.0;
    for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < length; i += static_cast<i64>(gridDim.x) * blockDim.x) {
        const float g = gradients[i], factor = norm_and_factor[1];
        moments[i] = decay * moments[i] + (1.0f - decay) * adafactor_square(g, factor);
        const float step = g * factor / __fsqrt_rn(moments[i]);
        steps += static_cast<double>(step * step);
        values += static_cast<double>(parameters[i] * parameters[i]);
    }
    leave_sizes(steps, values, partials, scratch);
}
REGISTER_KERNEL(adafactor_moments);

// scale = rate max(rms(p), 1e-3) / max(rms(u), 1).
extern "C" __global__ void __launch_bounds__(256)
    adafactor_scale(const double *partials, float *scale, int count, i64 length, float rate) {
    __shared__ double scratch[256 / WARP];
    const double steps = sqrt(ordered_sum(partials, count, 2, scratch) / static_cast<double>(length));
    const double values = sqrt(ordered_sum(partials + 1, count, 2, scratch) / static_cast<double>(length));
    if (threadIdx.x == 0) *scale = static_cast<float>(static_cast<double>(rate) * fmax(values, 1e-3) / fmax(steps, 1.0));
}
REGISTER_KERNEL(adafactor_scale);

extern "C" __global__ void __launch_bounds__(256)
    adafactor_apply(const float *gradients, float *parameters, const float *state, const float *row_mean, const float *scale,
                    bf16 *product, const float *norm_and_factor, int rows, int columns) {
    const i64 length = static_cast<i64>(rows) * columns;
    const i64 first = static_cast<i64>(blockIdx.x) * 4 * blockDim.x, end = min(first + 4 * blockDim.x, length);
    for (i64 i = first + threadIdx.x; i < end; i += blockDim.x) {
        const float step = adafactor_step(gradients[i], norm_and_factor[1], state, row_mean, i, rows, columns);
        const float value = parameters[i] - *scale * step;
        parameters[i] = value;
        product[i] = to_bf16(value);
    }
}
REGISTER_KERNEL(adafactor_apply);
