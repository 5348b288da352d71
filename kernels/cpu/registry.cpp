#include "registry.h"

#include <cstdint>
#include <cstring>

#include "scheduler.h"

namespace cuda_cpu {

namespace {
// Initialised before any constructor runs; a list, because constructors of different files run in no particular order.
const Registration *first = nullptr;

const Registration *find(const char *name) {
    for (const Registration *at = first; at != nullptr; at = at->next)
        if (std::strcmp(at->name, name) == 0) return at;
    return nullptr;
}
} // namespace

Registration::Registration(const char *name, void (*trampoline)(void **), const size_t *parameter_bytes, size_t parameters)
    : name(name), trampoline(trampoline), parameter_bytes(parameter_bytes), parameters(parameters), next(first) {
    first = this;
}

} // namespace cuda_cpu

// The interface to Rust. `kernel_parameters` gives the size of each parameter in bytes and returns their number, or -1
// for an unknown name; `launch` then takes that number of parameters.
extern "C" long cuda_cpu_kernel_parameters(const char *name, const size_t **bytes) {
    const cuda_cpu::Registration *kernel = cuda_cpu::find(name);
    if (kernel == nullptr) return -1;
    *bytes = kernel->parameter_bytes;
    return static_cast<long>(kernel->parameters);
}

extern "C" void cuda_cpu_launch(const char *name, const unsigned *grid, const unsigned *block, unsigned shared_bytes,
                                void **parameters, uint32_t seed, unsigned os_threads) {
    const cuda_cpu::Registration *kernel = cuda_cpu::find(name);
    if (kernel == nullptr) return;
    cuda_cpu::launch(kernel->trampoline, parameters, dim3(grid[0], grid[1], grid[2]), dim3(block[0], block[1], block[2]),
                     shared_bytes, seed, os_threads);
}
