#include "fiber.h"

#include <cstring>

#if defined(CUDA_CPU_UCONTEXT)

namespace cuda_cpu {

void prepare(Context &context, void (*entry)(), char *stack, unsigned long bytes) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = bytes;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}

void switch_to(Context &from, Context &to) { swapcontext(&from, &to); }

} // namespace cuda_cpu

#else

// Only the callee-saved registers of the System V ABI must be saved; swapcontext also asks the kernel for the signal
// mask, which makes it ten times slower.
extern "C" void cuda_cpu_switch(void **from, void *to);
asm(".text\n"
    ".globl cuda_cpu_switch\n"
    ".type cuda_cpu_switch, @function\n"
    "cuda_cpu_switch:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n"
    "  ret\n");

namespace cuda_cpu {

void prepare(Context &context, void (*entry)(), char *stack, unsigned long bytes) {
    void **top = reinterpret_cast<void **>(stack + bytes);
    *--top = nullptr; // the return address of `entry`, which leaves the stack aligned as after a call
    *--top = reinterpret_cast<void *>(entry);
    top -= 6;
    std::memset(top, 0, 6 * sizeof(void *));
    context = top;
}

void switch_to(Context &from, Context &to) { cuda_cpu_switch(&from, to); }

} // namespace cuda_cpu

#endif
