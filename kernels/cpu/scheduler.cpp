#include "scheduler.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <sys/mman.h>
#include <thread>

namespace cuda_cpu {

thread_local Block *block;
thread_local Fiber *fiber;

namespace {

// An odd multiple of the cache line, so that the tops of a block's stacks fall into different cache sets.
constexpr size_t STACK_BYTES = 128 * 1024 + 832;
// Shared memory starts as noise in every block: NaN as f32 and as bf16, an unlikely value as an integer.
constexpr unsigned char SHARED_POISON = 0xff;
constexpr unsigned char GUARD = 0xaa;
constexpr size_t GUARD_BYTES = 256;
constexpr size_t SHARED_ALIGNMENT = 1024;

void give_way() { switch_to(fiber->context, block->scheduler); }

void finish_barrier() {
    if (block->at_barrier == 0 || block->at_barrier + block->exited != block->threads) return;
    block->at_barrier = 0;
    for (Fiber &waiting : block->fibers)
        if (waiting.state == State::at_barrier) waiting.state = State::ready;
}

void finish_meeting(Warp &warp, Meeting &meeting) {
    const unsigned missing = meeting.mask & ~warp.exited & ~meeting.arrived;
    if (meeting.arrived == 0 || missing != 0) return;
    meeting.present[meeting.generation & 1] = meeting.arrived;
    meeting.arrived = 0;
    meeting.generation++;
    Fiber *lanes = &block->fibers[(&warp - block->warps.data()) * LANES];
    for (unsigned lane = 0; lane < LANES; lane++) {
        if (!(meeting.mask & warp.valid & 1u << lane)) continue;
        if (lanes[lane].state == State::in_collective && lanes[lane].meeting == &meeting) lanes[lane].state = State::ready;
    }
}

[[noreturn]] void fiber_main() {
    block->kernel(block->parameters);
    fiber->state = State::done;
    block->exited++;
    fiber->warp->exited |= 1u << fiber->lane;
    finish_barrier();
    for (Meeting &meeting : fiber->warp->meetings)
        if (meeting.mask != 0) finish_meeting(*fiber->warp, meeting);
    give_way();
    std::abort();
}

[[noreturn]] void report_deadlock() {
    for (const Fiber &waiting : block->fibers) {
        if (waiting.state == State::done) continue;
        const char *what = waiting.state == State::at_barrier ? "block barrier"
                           : waiting.state == State::waiting  ? "barrier in shared memory"
                                                              : "warp collective";
        std::fprintf(stderr, "cuda_cpu: thread (%u, %u, %u) waits at a %s\n", waiting.thread.x, waiting.thread.y,
                     waiting.thread.z, what);
        fail("deadlock", waiting.where);
    }
    fail("deadlock", "?");
}

Meeting &meeting_of(Warp &warp, unsigned mask, const char *where) {
    for (Meeting &meeting : warp.meetings)
        if (meeting.mask == mask) return meeting;
    for (Meeting &meeting : warp.meetings) {
        if (meeting.mask != 0 && meeting.arrived != 0) continue;
        meeting.mask = mask;
        return meeting;
    }
    fail("too many different masks at once", where);
}

// Whether the fiber can continue, now that others may have brought about what it waits for.
bool is_ready(Fiber &next) {
    if (next.state == State::waiting && next.awaited(next.awaited_argument)) next.state = State::ready;
    return next.state == State::ready;
}

class Order {
public:
    explicit Order(uint32_t seed) : state(seed) {}
    // Seed 0 keeps the plain order.
    unsigned next() { return state == 0 ? 0 : (state = state * 1664525u + 1013904223u) >> 8; }

private:
    uint32_t state;
};

void run_warp(unsigned warp, Order &order) {
    const unsigned first = warp * LANES;
    const unsigned lanes = block->threads - first < LANES ? block->threads - first : LANES;
    bool progress = true;
    while (progress) {
        progress = false;
        const unsigned start = order.next();
        const bool backwards = start >> 20 & 1;
        for (unsigned i = 0; i < lanes; i++) {
            const unsigned lane = (start + (backwards ? lanes - 1 - i : i)) % lanes;
            Fiber &next = block->fibers[first + lane];
            if (!is_ready(next)) continue;
            fiber = &next;
            switch_to(block->scheduler, next.context);
            progress = true;
        }
    }
}

void run_block(char *stacks, Order &order) {
    Block &b = *block;
    b.at_barrier = b.exited = 0;
    for (size_t i = 0; i < b.warps.size(); i++) {
        Warp &warp = b.warps[i];
        const unsigned lanes = b.threads - static_cast<unsigned>(i) * LANES;
        warp.valid = lanes >= LANES ? ~0u : (1u << lanes) - 1;
        warp.exited = ~warp.valid;
        for (Meeting &meeting : warp.meetings) meeting.mask = meeting.arrived = meeting.generation = 0;
    }
    for (unsigned i = 0; i < b.threads; i++) {
        Fiber &next = b.fibers[i];
        next.thread = dim3(i % b.size.x, i / b.size.x % b.size.y, i / (b.size.x * b.size.y));
        next.lane = i % LANES;
        next.warp = &b.warps[i / LANES];
        next.state = State::ready;
        next.copies.clear();
        next.copy_group = 0;
        next.products.clear();
        next.product_group = 0;
        prepare(next.context, fiber_main, stacks + i * STACK_BYTES, STACK_BYTES);
    }
    std::memset(b.shared, SHARED_POISON, b.shared_bytes);
    std::memset(static_cast<char *>(b.shared) + b.shared_bytes, GUARD, GUARD_BYTES);
    while (b.exited < b.threads) {
        const unsigned before = b.exited;
        const unsigned warps = static_cast<unsigned>(b.warps.size());
        const unsigned first = order.next();
        bool ran = false;
        for (unsigned i = 0; i < warps; i++) {
            const unsigned warp = (first + i) % warps;
            for (unsigned lane = 0; lane < LANES && warp * LANES + lane < b.threads; lane++)
                ran |= is_ready(b.fibers[warp * LANES + lane]);
            run_warp(warp, order);
        }
        if (!ran && b.exited == before) report_deadlock();
    }
    for (size_t i = 0; i < GUARD_BYTES; i++)
        if (static_cast<unsigned char *>(b.shared)[b.shared_bytes + i] != GUARD)
            fail("a write behind the dynamic shared memory", "the end of the kernel");
}

} // namespace

void barrier(const char *where) {
    fiber->state = State::at_barrier;
    fiber->where = where;
    block->at_barrier++;
    finish_barrier();
    if (fiber->state != State::ready) give_way();
}

Exchange collective(unsigned mask, const void *value, size_t bytes, const char *where) {
    if (!(mask >> fiber->lane & 1)) fail("a lane is not in its own mask", where);
    Meeting &meeting = meeting_of(*fiber->warp, mask, where);
    const unsigned parity = meeting.generation & 1;
    std::memcpy(meeting.slots[parity][fiber->lane].bytes, value, bytes);
    meeting.arrived |= 1u << fiber->lane;
    fiber->state = State::in_collective;
    fiber->meeting = &meeting;
    fiber->where = where;
    finish_meeting(*fiber->warp, meeting);
    if (fiber->state != State::ready) give_way();
    return Exchange{meeting.slots[parity], meeting.present[parity]};
}

void finish_copies(unsigned pending) {
    std::vector<PendingCopy> &copies = fiber->copies;
    size_t done = 0;
    for (; done < copies.size() && copies[done].group + pending < fiber->copy_group; done++) {
        const PendingCopy &copy = copies[done];
        if (copy.valid) std::memcpy(copy.to, copy.from, copy.bytes);
        else std::memset(copy.to, 0, copy.bytes);
    }
    copies.erase(copies.begin(), copies.begin() + static_cast<std::ptrdiff_t>(done));
}

void finish_products(unsigned pending) {
    std::vector<PendingProduct> &products = fiber->products;
    size_t done = 0;
    for (; done < products.size() && products[done].group + pending < fiber->product_group; done++) {
        const PendingProduct &product = products[done];
        product.run(product.sums, product.a, product.b, product.accumulate);
    }
    products.erase(products.begin(), products.begin() + static_cast<std::ptrdiff_t>(done));
}

void wait_until(bool (*awaited)(const void *argument), const void *argument, const char *where) {
    // Always yields, so that other threads do everything they may do in the meantime.
    fiber->state = State::waiting;
    fiber->where = where;
    fiber->awaited = awaited;
    fiber->awaited_argument = argument;
    give_way();
}

[[noreturn]] void fail(const char *what, const char *where) {
    const Block &b = *block;
    std::fprintf(stderr, "cuda_cpu: %s, block (%u, %u, %u), at %s\n", what, b.index.x, b.index.y, b.index.z, where);
    std::abort();
}

void check_alignment(const void *address, size_t alignment, const char *where) {
    if (reinterpret_cast<uintptr_t>(address) % alignment != 0) fail("a misaligned address", where);
}

void launch(void (*kernel)(void **), void **parameters, dim3 grid, dim3 size, unsigned shared_bytes, uint32_t seed,
            unsigned os_threads) {
    const size_t blocks = static_cast<size_t>(grid.x) * grid.y * grid.z;
    const unsigned threads = size.x * size.y * size.z;
    std::atomic<size_t> next_block{0};
    auto work = [&](unsigned worker) {
        const size_t stack_bytes = threads * STACK_BYTES;
        void *stacks = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stacks == MAP_FAILED) {
            std::fprintf(stderr, "cuda_cpu: no memory for the stacks of %u threads\n", threads);
            std::abort();
        }
        Block own;
        own.size = size;
        own.grid = grid;
        own.threads = threads;
        own.kernel = kernel;
        own.parameters = parameters;
        own.fibers.resize(threads);
        own.warps.resize((threads + LANES - 1) / LANES);
        own.shared_bytes = shared_bytes;
        own.shared = ::operator new(shared_bytes + GUARD_BYTES, std::align_val_t(SHARED_ALIGNMENT));
        block = &own;
        Order order(seed == 0 ? 0 : seed + worker);
        for (size_t i; (i = next_block++) < blocks;) {
            // Seeds other than 0 run the blocks from last to first.
            const size_t index = seed == 0 ? i : blocks - 1 - i;
            own.index = dim3(index % grid.x, index / grid.x % grid.y, index / (static_cast<size_t>(grid.x) * grid.y));
            run_block(static_cast<char *>(stacks), order);
        }
        block = nullptr;
        ::operator delete(own.shared, std::align_val_t(SHARED_ALIGNMENT));
        munmap(stacks, stack_bytes);
    };
    if (os_threads <= 1) {
        work(0);
        return;
    }
    std::vector<std::thread> workers;
    for (unsigned i = 0; i < os_threads; i++) workers.emplace_back(work, i);
    for (std::thread &worker : workers) worker.join();
}

} // namespace cuda_cpu
