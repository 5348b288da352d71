// Kernels by name, each behind a trampoline that takes its parameters like the driver's launch function: an array with
// the address of every parameter. The same host code can therefore launch kernels on a GPU and here.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace cuda_cpu {

struct Registration {
    const char *name;
    void (*trampoline)(void **parameters);
    // The size of each parameter, to check the caller's arguments.
    const size_t *parameter_bytes;
    size_t parameters;
    const Registration *next;

    Registration(const char *name, void (*trampoline)(void **), const size_t *parameter_bytes, size_t parameters);
};

template <auto kernel>
struct Trampoline;

template <class... Parameters, void (*kernel)(Parameters...)>
struct Trampoline<kernel> {
    static constexpr size_t count = sizeof...(Parameters);
    static constexpr size_t bytes[] = {sizeof(Parameters)...};

    static void call(void **parameters) { call(parameters, std::index_sequence_for<Parameters...>()); }

    template <size_t... index>
    static void call(void **parameters, std::index_sequence<index...>) {
        kernel(*static_cast<std::remove_cv_t<Parameters> *>(parameters[index])...);
    }
};

} // namespace cuda_cpu

#define REGISTER_KERNEL(name)                                                                                            \
    static const ::cuda_cpu::Registration registration_of_##name(#name, &::cuda_cpu::Trampoline<&name>::call,            \
                                                                 ::cuda_cpu::Trampoline<&name>::bytes,                   \
                                                                 ::cuda_cpu::Trampoline<&name>::count)
