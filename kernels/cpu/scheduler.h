// A block's threads as fibers of one OS thread: barriers, warp collectives, shared memory.
//
// A fiber runs until it waits at a barrier or a collective. Which one runs next follows from the seed alone, so a failure
// repeats; other seeds give other orders, and results that differ between them betray a race. Waiting that can never end is
// reported with the source line and ends the process, as do writes behind the dynamic shared memory.
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
// What a lane hands to a collective, at most.
constexpr int SLOT_BYTES = 32;

struct Slot {
    alignas(16) unsigned char bytes[SLOT_BYTES];
};

// One set of lanes that meets in collectives. Slots are kept twice: a lane may hurry on to the next meeting while others still
// read this one, but not to the one after, because that takes everybody.
struct Meeting {
    unsigned mask = 0;
    unsigned arrived = 0;
    unsigned generation = 0;
    unsigned present[2] = {};
    Slot slots[2][LANES];
};

// Different masks in flight at once in a warp.
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

// A product of a warpgroup, the part of one thread.
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
    // Asynchronous copies not yet waited for: done at the wait and not before, so that a missing wait shows.
    std::vector<PendingCopy> copies;
    unsigned copy_group = 0;
    // Asynchronous products, likewise.
    std::vector<PendingProduct> products;
    unsigned product_group = 0;
    // What a waiting fiber waits for.
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

// What a collective brought: the slots of the lanes that took part.
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

// Carries out the running fiber's copies, all but those of its last `pending` groups.
void finish_copies(unsigned pending);
// Carries out the running fiber's products, all but those of its last `pending` groups.
void finish_products(unsigned pending);
// Waits until `awaited(argument)`, which other threads of the block must bring about.
void wait_until(bool (*awaited)(const void *argument), const void *argument, const char *where);
[[noreturn]] void fail(const char *what, const char *where);
// Ends the process if an instruction was given an address that the GPU would refuse.
void check_alignment(const void *address, size_t alignment, const char *where);

} // namespace cuda_cpu
