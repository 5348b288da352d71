// A block's threads as fibers of one OS thread: barriers, warp collectives, shared memory.
//
// A fiber runs until it waits at a barrier or a collective. The seed alone decides which one runs next, so a failure is
// repeatable; other seeds give other orders, and results that differ between them reveal a race. A deadlock, or a write
// past the dynamic shared memory, is reported and ends the process; the report of a deadlock names the source line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "fiber.h"

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace cuda_cpu {

constexpr int LANES = 32;
// The most that a lane passes to a collective.
constexpr int SLOT_BYTES = 32;

struct Slot {
    alignas(16) unsigned char bytes[SLOT_BYTES];
};

// A set of lanes that meets in collectives. Slots are double-buffered: a lane may proceed to the next meeting while
// others still read this one, but not to the one after, because that requires all lanes.
struct Meeting {
    unsigned mask = 0;
    unsigned arrived = 0;
    unsigned generation = 0;
    unsigned present[2] = {};
    Slot slots[2][LANES];
};

// The number of different masks that may be in flight in a warp.
constexpr int MEETINGS = 8;

struct Warp {
    Meeting meetings[MEETINGS];
    unsigned exited = 0;
    unsigned valid = 0;
};

enum class State : uint8_t { ready, at_barrier, in_collective, waiting, done };

struct PendingCopy {
    void *to;
    const void *from;
    unsigned bytes;
    bool valid;
    unsigned group;
};

// One thread's part of a warpgroup product.
struct PendingProduct {
    void (*run)(void *sums, unsigned long long a, unsigned long long b, bool accumulate);
    void *sums;
    unsigned long long a, b;
    bool accumulate;
    unsigned group;
};

struct Fiber {
    Context context;
    dim3 thread;
    unsigned lane = 0;
    Warp *warp = nullptr;
    Meeting *meeting = nullptr;
    State state = State::ready;
    const char *where = "";
    // Asynchronous copies not yet waited for: performed at the wait and no earlier, so that a missing wait shows.
    std::vector<PendingCopy> copies;
    unsigned copy_group = 0;
    // Asynchronous products, likewise.
    std::vector<PendingProduct> products;
    unsigned product_group = 0;
    // The condition that a waiting fiber waits for.
    bool (*awaited)(const void *argument) = nullptr;
    const void *awaited_argument = nullptr;
};

struct Block {
    dim3 index, size, grid;
    unsigned threads = 0;
    unsigned at_barrier = 0;
    unsigned exited = 0;
    void (*kernel)(void **parameters) = nullptr;
    void **parameters = nullptr;
    Context scheduler;
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    void *shared = nullptr;
    unsigned shared_bytes = 0;
};

extern thread_local Block *block;
extern thread_local Fiber *fiber;

// Runs the whole grid on `os_threads` threads, one block at a time on each.
void launch(void (*kernel)(void **), void **parameters, dim3 grid, dim3 block, unsigned shared_bytes, uint32_t seed,
            unsigned os_threads);

void barrier(const char *where);

// The result of a collective: the slots of the lanes that took part.
struct Exchange {
    const Slot *slots;
    unsigned present;

    template <class T>
    T get(unsigned lane) const {
        T value;
        std::memcpy(&value, slots[lane].bytes, sizeof value);
        return value;
    }
};

Exchange collective(unsigned mask, const void *value, size_t bytes, const char *where);

template <class T>
Exchange exchange(unsigned mask, const T &value, const char *where) {
    static_assert(std::is_trivially_copyable<T>::value && sizeof(T) <= SLOT_BYTES, "too much for a slot");
    return collective(mask, &value, sizeof value, where);
}

inline void *dynamic_shared() { return block->shared; }

// Performs the running fiber's copies, all but those of its last `pending` groups.
void finish_copies(unsigned pending);
// Performs the running fiber's products, all but those of its last `pending` groups.
void finish_products(unsigned pending);
// Waits until `awaited(argument)` holds, which other threads of the block must bring about.
void wait_until(bool (*awaited)(const void *argument), const void *argument, const char *where);
[[noreturn]] void fail(const char *what, const char *where);
// Ends the process if an instruction is given an address that the GPU would reject.
void check_alignment(const void *address, size_t alignment, const char *where);

} // namespace cuda_cpu
