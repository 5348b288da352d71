// The integer M1 in batches, bit for bit as in the codec: texts to frequencies, to windows and back.
//
//   m1_trace_*           the model's prediction of each byte of known texts: {start, count} in 32 bits, for the range
//                        encoder, and on request all 256 starts. A block has one text and runs 16 or 64 of its
//                        positions at once.
//   m1_encode_windows_*  documents to Equal-Info windows. Each row of a block has a document; where the next window
//                        starts is known only when this one is full, so rows advance one byte per pass.
//   m1_decode_windows_*  windows to texts, one window per row.
//   m1_range_decode_*    code strings to texts, one string per row, with a sliding context.
//   range_encode         {start, count} pairs to code strings, one string per thread.
//
// Blocks are persistent and take texts, documents, windows or strings from a counter until none is left (integer
// atomics: which block codes which item changes no bit), so one launch does it all and no row waits for the slowest of
// its batch. Rows that start a window find the frequencies after the begin symbol ready, and its keys and values in the
// first place of their cache, which windows never overwrite: a window has at most as many bytes as the context has
// positions.
// A pass reads the model's weights from the L2 once per tile (3.2 MB for the 3m preset: 50 KB per byte at 64 rows). Per
// byte and row it also takes the products on tensor cores, and the cache: 2 layers d bytes per context position.
//
// launch: blocks of 256 threads, 16 or 64 rows by the kernel's name, with the tile's dynamic shared memory
//         (kernels/src/integer_m1.rs); as many blocks as the caller has caches for, at one cache per row (trace: per
//         block). Caches have `ring` places: the context, or for trace the context plus a tile. `taken` starts at 0.
#include "m1_forward.cuh"
#include "window_code.cuh"

// The next of `count` items for the calling warp; -1 if none is left.
DEVICE i64 take(u64 *taken, i64 count) {
    u64 item = 0;
    if (lane_index() == 0) item = atomicAdd(taken, static_cast<u64>(1));
    item = __shfl_sync(ALL_LANES, item, 0);
    return item < static_cast<u64>(count) ? static_cast<i64>(item) : -1;
}

struct TraceArguments {
    const unsigned char *model;
    i8 *cache;
    const u8 *texts;
    const i64 *ends;
    u32 *coded;
    u16 *starts;
    u64 *taken;
    i64 count;
    int context, ring;
};

// Text i is texts[ends[i - 1] .. ends[i]]; `starts` may be null.
template <int ROWS>
DEVICE void trace(const TraceArguments &arguments) {
    typedef M1Tile<ROWS> Tile;
    DYNAMIC_SHARED(unsigned char, shared);
    __shared__ typename Tile::Scratch scratch;
    __shared__ typename Tile::Rows rows;
    __shared__ i64 text;
    Tile tile(arguments.model, shared, scratch, rows, arguments.context, arguments.ring);
    for (;;) {
        if (warp_index() == 0) {
            const i64 taken = take(arguments.taken, arguments.count);
            if (lane_index() == 0) text = taken;
        }
        __syncthreads();
        if (text < 0) return;
        const i64 begin = text == 0 ? 0 : arguments.ends[text - 1], length = arguments.ends[text] - begin;
        for (i64 first = 0; first < length; first += ROWS) {
            for (int row = threadIdx.x; row < ROWS; row += M1_THREADS) {
                const i64 position = first + row;
                rows.symbol[row] = position >= length ? IDLE : position == 0 ? BEGIN_SYMBOL : arguments.texts[begin + position - 1];
                rows.position[row] = static_cast<int>(position);
                u64 history = BEGIN_HISTORY;
                for (i64 at = position - 6; at < position; at++)
                    if (at >= 0 && at < length) history = with_symbol(history, arguments.texts[begin + at]);
                rows.history[row] = history;
                rows.cache[row] = arguments.cache + blockIdx.x * tile.cache_bytes();
            }
            tile.forward();
            for (int row = warp_index(); row < ROWS && first + row < length; row += M1_WARPS) {
                const i64 at = begin + first + row;
                const u16 *const found = tile.frequencies(row);
                const int byte = arguments.texts[at];
                if (lane_index() == 0) arguments.coded[at] = start_of(found, byte) | count_of(found, byte) << 16;
                if (arguments.starts)
                    reinterpret_cast<uint4 *>(arguments.starts + BYTES * at)[lane_index()] =
                        reinterpret_cast<const uint4 *>(found)[lane_index()];
            }
            __syncthreads();
        }
        // All threads have read `text`.
        __syncthreads();
    }
}

// Runs the begin symbol in all rows, which leaves its keys and values in the first place of every cache, and keeps its
// frequencies.
template <int ROWS>
DEVICE void begin_contexts(M1Tile<ROWS> &tile, typename M1Tile<ROWS>::Rows &rows, i8 *cache, u16 *first_starts) {
    for (int row = threadIdx.x; row < ROWS; row += M1_THREADS) {
        rows.symbol[row] = BEGIN_SYMBOL;
        rows.position[row] = 0;
        rows.history[row] = BEGIN_HISTORY;
        rows.cache[row] = cache + (static_cast<i64>(blockIdx.x) * ROWS + row) * tile.cache_bytes();
    }
    tile.forward();
    if (warp_index() == 0)
        reinterpret_cast<uint4 *>(first_starts)[lane_index()] = reinterpret_cast<const uint4 *>(tile.frequencies(0))[lane_index()];
    __syncthreads();
}

// Lets every row's coder continue with the frequencies of its last symbol until it needs those of the next, then runs
// the model. `advance(row, starts)` returns the symbol to run and its position, or IDLE when the row has nothing left
// to do.
template <int ROWS, class Advance>
DEVICE void run_rows(M1Tile<ROWS> &tile, typename M1Tile<ROWS>::Rows &rows, Advance advance) {
    __shared__ int running;
    for (;;) {
        if (threadIdx.x == 0) running = 0;
        __syncthreads();
        for (int row = warp_index(); row < ROWS; row += M1_WARPS) {
            if (rows.symbol[row] == IDLE) continue;
            int position = 0;
            const int symbol = advance(row, tile.starts_of(row), position);
            __syncwarp();
            if (lane_index() == 0) {
                rows.symbol[row] = symbol;
                rows.position[row] = position;
                // The begin symbol of a window has not been run anew.
                rows.history[row] = with_symbol(position == 1 ? BEGIN_HISTORY : rows.history[row], symbol);
                if (symbol != IDLE) atomicOr(&running, 1);
            }
        }
        __syncthreads();
        if (!running) return;
        tile.forward();
        for (int row = warp_index(); row < ROWS; row += M1_WARPS)
            if (rows.symbol[row] != IDLE) tile.frequencies(row);
        // All threads read `running` before it is cleared: `forward` has barriers.
    }
}

struct EncodeArguments {
    const unsigned char *model;
    i8 *cache;
    const u8 *texts;
    const i64 *ends;
    const i64 *first_windows;
    u8 *windows;
    u16 *lengths;
    i64 *counts;
    u64 *taken;
    i64 count;
    int bits, context;
};

// A row's document and its window so far.
struct EncoderRow {
    Node node;
    i64 document, cursor, end, windows;
    int consumed;
};

// Closes a row's window: writes its value, most significant byte first, and how many bytes it holds.
DEVICE void write_window(const EncodeArguments &arguments, EncoderRow &row) {
    const int bytes = arguments.bits / 8;
    const i64 window = arguments.first_windows[row.document] + row.windows;
    if (lane_index() < bytes) {
        const int from = 8 * (bytes - 1 - lane_index());
        const u64 half = from >= 64 ? row.node.low.high : row.node.low.low;
        arguments.windows[window * bytes + lane_index()] = static_cast<u8>(half >> (from & 63));
    }
    if (arguments.lengths && lane_index() == 0) arguments.lengths[window] = static_cast<u16>(row.consumed);
    row.windows++;
    row.consumed = 0;
    row.node = {wide(0), largest_of(arguments.bits)};
}

// Document i is texts[ends[i - 1] .. ends[i]]; its windows start at first_windows[i], and counts[i] of them are
// written. `lengths` (bytes of text per window) may be null.
template <int ROWS>
DEVICE void encode_windows(const EncodeArguments &arguments) {
    typedef M1Tile<ROWS> Tile;
    DYNAMIC_SHARED(unsigned char, shared);
    __shared__ typename Tile::Scratch scratch;
    __shared__ typename Tile::Rows rows;
    alignas(16) __shared__ u16 first_starts[BYTES];
    __shared__ EncoderRow states[ROWS];
    Tile tile(arguments.model, shared, scratch, rows, arguments.context, arguments.context);
    begin_contexts<ROWS>(tile, rows, arguments.cache, first_starts);
    for (int row = threadIdx.x; row < ROWS; row += M1_THREADS) states[row].document = -1;
    run_rows<ROWS>(tile, rows, [&](int index, const u16 *starts, int &position) {
        EncoderRow row = states[index];
        int symbol = IDLE;
        for (;;) {
            if (row.document < 0) {
                row.document = take(arguments.taken, arguments.count);
                if (row.document < 0) break;
                row.cursor = row.document == 0 ? 0 : arguments.ends[row.document - 1];
                row.end = arguments.ends[row.document];
                row.windows = 0;
                row.consumed = 0;
                row.node = {wide(0), largest_of(arguments.bits)};
            }
            if (row.cursor == row.end) {
                if (row.consumed > 0) write_window(arguments, row);
                if (lane_index() == 0) arguments.counts[row.document] = row.windows;
                row.document = -1;
                continue;
            }
            const int byte = arguments.texts[row.cursor];
            const bool full = row.consumed >= arguments.context || is_zero(row.node.span);
            if (full || !descend_to(row.node, row.consumed == 0 ? first_starts : starts, byte)) {
                write_window(arguments, row);
                continue;
            }
            row.cursor++;
            row.consumed++;
            // The byte's own frequencies matter only if another byte may follow it.
            if (row.cursor == row.end || row.consumed >= arguments.context || is_zero(row.node.span)) continue;
            symbol = byte;
            position = row.consumed;
            break;
        }
        __syncwarp();
        if (lane_index() == 0) states[index] = row;
        return symbol;
    });
}

struct DecodeArguments {
    const unsigned char *model;
    i8 *cache;
    const u8 *windows;
    u8 *texts;
    u16 *lengths;
    u8 *canonical;
    u64 *taken;
    i64 count;
    int bits, context;
};

struct DecoderRow {
    Offset place;
    i64 window;
    int length;
};

DEVICE Wide read_window(const u8 *bytes, int count) {
    Wide value = wide(0);
    for (int i = 0; i < count; i++) value = {value.low << 8 | bytes[i], value.high << 8 | value.low >> 56};
    return value;
}

// Window i's text goes to texts[i * context ..], its length to lengths[i]; canonical[i] says whether an encoder writes
// this value.
template <int ROWS>
DEVICE void decode_windows(const DecodeArguments &arguments) {
    typedef M1Tile<ROWS> Tile;
    DYNAMIC_SHARED(unsigned char, shared);
    __shared__ typename Tile::Scratch scratch;
    __shared__ typename Tile::Rows rows;
    alignas(16) __shared__ u16 first_starts[BYTES];
    __shared__ DecoderRow states[ROWS];
    Tile tile(arguments.model, shared, scratch, rows, arguments.context, arguments.context);
    begin_contexts<ROWS>(tile, rows, arguments.cache, first_starts);
    for (int row = threadIdx.x; row < ROWS; row += M1_THREADS) states[row].window = -1;
    run_rows<ROWS>(tile, rows, [&](int index, const u16 *starts, int &position) {
        DecoderRow row = states[index];
        int symbol = IDLE;
        for (;;) {
            if (row.window < 0) {
                row.window = take(arguments.taken, arguments.count);
                if (row.window < 0) break;
                const int bytes = arguments.bits / 8;
                row.place = {read_window(arguments.windows + row.window * bytes, bytes), largest_of(arguments.bits)};
                row.length = 0;
            }
            const bool ended = is_zero(row.place.offset) || row.length >= arguments.context;
            const int byte = ended ? -1 : descend(row.place, row.length == 0 ? first_starts : starts);
            if (byte < 0) {
                if (lane_index() == 0) {
                    arguments.lengths[row.window] = static_cast<u16>(row.length);
                    arguments.canonical[row.window] = is_zero(row.place.offset);
                }
                row.window = -1;
                continue;
            }
            if (lane_index() == 0) arguments.texts[row.window * arguments.context + row.length] = static_cast<u8>(byte);
            row.length++;
            if (is_zero(row.place.offset) || row.length >= arguments.context) continue;
            symbol = byte;
            position = row.length;
            break;
        }
        __syncwarp();
        if (lane_index() == 0) states[index] = row;
        return symbol;
    });
}

struct RangeDecodeArguments {
    const unsigned char *model;
    i8 *cache;
    const u8 *codes;
    const i64 *code_ends;
    u8 *texts;
    const i64 *text_ends;
    u8 *intact;
    u64 *taken;
    i64 count;
    int context;
};

struct RangeRow {
    RangeDecoder decoder;
    i64 string, code, code_end, text, text_end;
    int position;
};

// String i is codes[code_ends[i - 1] .. code_ends[i]], its text texts[text_ends[i - 1] .. text_ends[i]]; intact[i] says
// whether a text has this code.
template <int ROWS>
DEVICE void range_decode(const RangeDecodeArguments &arguments) {
    typedef M1Tile<ROWS> Tile;
    DYNAMIC_SHARED(unsigned char, shared);
    __shared__ typename Tile::Scratch scratch;
    __shared__ typename Tile::Rows rows;
    __shared__ RangeRow states[ROWS];
    Tile tile(arguments.model, shared, scratch, rows, arguments.context, arguments.context);
    for (int row = threadIdx.x; row < ROWS; row += M1_THREADS) {
        states[row].string = -1;
        rows.symbol[row] = BEGIN_SYMBOL;
        rows.cache[row] = arguments.cache + (static_cast<i64>(blockIdx.x) * ROWS + row) * tile.cache_bytes();
    }
    __syncthreads();
    run_rows<ROWS>(tile, rows, [&](int index, const u16 *starts, int &position) {
        RangeRow row = states[index];
        int symbol = IDLE;
        if (row.string >= 0) {
            for (; row.decoder.missing > 0; row.decoder.missing--)
                row.decoder.distance = row.decoder.distance << 8 | (row.code < row.code_end ? arguments.codes[row.code++] : 0);
            const int byte = decode(row.decoder, starts);
            if (byte >= 0 && lane_index() == 0) arguments.texts[row.text] = static_cast<u8>(byte);
            row.text++;
            if (byte >= 0 && row.text < row.text_end) {
                symbol = byte;
                position = ++row.position;
            } else {
                if (lane_index() == 0) arguments.intact[row.string] = byte >= 0;
                row.string = -1;
            }
        }
        while (row.string < 0) {
            row.string = take(arguments.taken, arguments.count);
            if (row.string < 0) break;
            row.code = row.string == 0 ? 0 : arguments.code_ends[row.string - 1];
            row.code_end = arguments.code_ends[row.string];
            row.text = row.string == 0 ? 0 : arguments.text_ends[row.string - 1];
            row.text_end = arguments.text_ends[row.string];
            row.decoder = new_range_decoder();
            row.position = 0;
            symbol = BEGIN_SYMBOL;
            position = 0;
            if (row.text == row.text_end) {
                // The empty text has the empty code.
                if (lane_index() == 0) arguments.intact[row.string] = 1;
                row.string = -1;
                symbol = IDLE;
            }
        }
        __syncwarp();
        if (lane_index() == 0) states[index] = row;
        return symbol;
    });
}

extern "C" __global__ void __launch_bounds__(M1_THREADS, 1)
    m1_trace_16(const unsigned char *model, i8 *cache, const u8 *texts, const i64 *ends, u32 *coded, u16 *starts, u64 *taken,
                i64 count, int context, int ring) {
    trace<16>({model, cache, texts, ends, coded, starts, taken, count, context, ring});
}
REGISTER_KERNEL(m1_trace_16);

extern "C" __global__ void __launch_bounds__(M1_THREADS, 1)
    m1_trace_64(const unsigned char *model, i8 *cache, const u8 *texts, const i64 *ends, u32 *coded, u16 *starts, u64 *taken,
                i64 count, int context, int ring) {
    trace<64>({model, cache, texts, ends, coded, starts, taken, count, context, ring});
}
REGISTER_KERNEL(m1_trace_64);

extern "C" __global__ void __launch_bounds__(M1_THREADS, 1)
    m1_encode_windows_16(const unsigned char *model, i8 *cache, const u8 *texts, const i64 *ends, const i64 *first_windows,
                         u8 *windows, u16 *lengths, i64 *counts, u64 *taken, i64 count, int bits, int context) {
    encode_windows<16>({model, cache, texts, ends, first_windows, windows, lengths, counts, taken, count, bits, context});
}
REGISTER_KERNEL(m1_encode_windows_16);

extern "C" __global__ void __launch_bounds__(M1_THREADS, 1)
    m1_encode_windows_64(const unsigned char *model, i8 *cache, const u8 *texts, const i64 *ends, const i64 *first_windows,
                         u8 *windows, u16 *lengths, i64 *counts, u64 *taken, i64 count, int bits, int context) {
    encode_windows<64>({model, cache, texts, ends, first_windows, windows, lengths, counts, taken, count, bits, context});
}
REGISTER_KERNEL(m1_encode_windows_64);

extern "C" __global__ void __launch_bounds__(M1_THREADS, 1)
    m1_decode_windows_16(const unsigned char *model, i8 *cache, const u8 *windows, u8 *texts, u16 *lengths, u8 *canonical, u64 *taken,
                         i64 count, int bits, int context) {
    decode_windows<16>({model, cache, windows, texts, lengths, canonical, taken, count, bits, context});
}
REGISTER_KERNEL(m1_decode_windows_16);

extern "C" __global__ void __launch_bounds__(M1_THREADS, 1)
    m1_decode_windows_64(const unsigned char *model, i8 *cache, const u8 *windows, u8 *texts, u16 *lengths, u8 *canonical, u64 *taken,
                         i64 count, int bits, int context) {
    decode_windows<64>({model, cache, windows, texts, lengths, canonical, taken, count, bits, context});
}
REGISTER_KERNEL(m1_decode_windows_64);

extern "C" __global__ void __launch_bounds__(M1_THREADS, 1)
    m1_range_decode_16(const unsigned char *model, i8 *cache, const u8 *codes, const i64 *code_ends, u8 *texts, const i64 *text_ends,
                       u8 *intact, u64 *taken, i64 count, int context) {
    range_decode<16>({model, cache, codes, code_ends, texts, text_ends, intact, taken, count, context});
}
REGISTER_KERNEL(m1_range_decode_16);

extern "C" __global__ void __launch_bounds__(M1_THREADS, 1)
    m1_range_decode_64(const unsigned char *model, i8 *cache, const u8 *codes, const i64 *code_ends, u8 *texts, const i64 *text_ends,
                       u8 *intact, u64 *taken, i64 count, int context) {
    range_decode<64>({model, cache, codes, code_ends, texts, text_ends, intact, taken, count, context});
}
REGISTER_KERNEL(m1_range_decode_64);

// A thread's code string: bytes written so far and the interval.
struct RangeEncoder {
    u8 *output;
    u64 low, range;
    i64 length, capacity;

    // Adds to `low`, carrying into the bytes already written.
    __device__ __forceinline__ void advance(u64 distance) {
        low += distance;
        if (low >= distance) return;
        for (i64 i = min(length, capacity) - 1; i >= 0 && ++output[i] == 0; i--) {}
    }

    __device__ __forceinline__ void write_top_byte() {
        if (length < capacity) output[length] = static_cast<u8>(low >> 56);
        length++;
        low <<= 8;
    }

    // The shortest string inside the interval, read as if zeros followed it.
    __device__ __forceinline__ void finish() {
        const u64 last = low + (range - 1);
        const bool beyond = last < low;
        int kept = 0;
        if (beyond || low == 0) {
            // The empty string: zero, or a carry into the bytes already written.
            advance(0 - low);
        } else {
            u64 value, dropped;
            do {
                kept++;
                dropped = kept == 8 ? 0 : ~static_cast<u64>(0) >> 8 * kept;
                value = (low + dropped) & ~dropped;
            } while (value < low || value > last);
            advance(value - low);
        }
        for (; kept > 0; kept--) write_top_byte();
        if (length <= capacity)
            while (length > 0 && output[length - 1] == 0) length--;
    }
};

// String i codes coded[ends[i - 1] .. ends[i]] into codes[code_begins[i] .. code_begins[i + 1]]; lengths[i] is the
// length written, or -1 if the space is too small. A thread walks its string alone: the stream format's block size
// makes strings numerous and short enough.
extern "C" __global__ void __launch_bounds__(128)
    range_encode(const u32 *coded, const i64 *ends, u8 *codes, const i64 *code_begins, i64 *lengths, i64 count) {
    const i64 string = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (string >= count) return;
    const i64 begin = code_begins[string];
    RangeEncoder encoder = {codes + begin, 0, ~static_cast<u64>(0), 0, code_begins[string + 1] - begin};
    for (i64 i = string == 0 ? 0 : ends[string - 1]; i < ends[string]; i++) {
        const u32 pair = coded[i];
        const u64 unit = encoder.range >> 16;
        encoder.advance(unit * (pair & 0xffffu));
        for (encoder.range = unit * (pair >> 16); encoder.range < SMALLEST_RANGE; encoder.range <<= 8) encoder.write_top_byte();
    }
    encoder.finish();
    lengths[string] = encoder.length <= encoder.capacity ? encoder.length : -1;
}
REGISTER_KERNEL(range_encode);
