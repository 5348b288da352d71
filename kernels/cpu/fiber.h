// Switches stacks within one OS thread. A fiber runs until it yields; nothing preempts it.
#pragma once

#if !defined(__x86_64__)
#define CUDA_CPU_UCONTEXT 1
#include <ucontext.h>
#endif

namespace cuda_cpu {

#if defined(CUDA_CPU_UCONTEXT)
using Context = ucontext_t;
#else
// A suspended stack: its pointer, with the callee-saved registers pushed below the return address.
using Context = void *;
#endif

// Prepares `context` to run `entry`, which must never return, on a stack of `bytes` at `stack`.
void prepare(Context &context, void (*entry)(), char *stack, unsigned long bytes);
// Suspends the running code in `from` and resumes `to`.
void switch_to(Context &from, Context &to);

} // namespace cuda_cpu
