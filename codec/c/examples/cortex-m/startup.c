/* An example on a Cortex-M in QEMU: start-up, and output through the debugger (semihosting). */
#include "../example.h"

extern uint32_t stack_top, data_begin, data_end, data_image, bss_begin, bss_end;

/* A request to the debugger. */
static uintptr_t semihosting(uintptr_t operation, const void *parameters)
{
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = parameters;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uintptr_t output;

void print(const uint8_t *text, size_t length)
{
    const uintptr_t parameters[] = {output, (uintptr_t)text, length};
    semihosting(0x05, parameters); /* SYS_WRITE */
}

static _Noreturn void end(int failed)
{
    const uintptr_t parameters[] = {0x20026, (uintptr_t)failed}; /* ADP_Stopped_ApplicationExit */
    for (;;) {
        semihosting(0x20, parameters); /* SYS_EXIT_EXTENDED */
    }
}

static _Noreturn void reset(void)
{
    for (uint32_t *to = &data_begin, *from = &data_image; to < &data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &bss_begin; to < &bss_end;) {
        *to++ = 0;
    }
    static const char console[] = ":tt";
    const uintptr_t parameters[] = {(uintptr_t)console, 4, sizeof console - 1}; /* mode 4, write: standard output */
    output = semihosting(0x01, parameters);                                      /* SYS_OPEN */

    const char *error = run();
    if (error != 0) {
        const char *end_of_name = error;
        while (*end_of_name != 0) {
            end_of_name++;
        }
        print((const uint8_t *)error, (size_t)(end_of_name - error));
    }
    end(error != 0);
}

static _Noreturn void fault(void)
{
    end(1);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    &stack_top, (const void *)reset, (const void *)fault, (const void *)fault,
};
