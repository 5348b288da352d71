/* A Cortex-M in QEMU: start-up, output through the debugger, the timer, the stack's depth, and the functions of the C
 * library that the decoders call. */
#include "peer.h"

extern uint32_t stack_top, data_begin, data_end, data_image, bss_begin, bss_end;

#define PAINT 0xcccccccc
#define TIMER ((volatile uint32_t *)0xe000e010) /* control, reload, value */

static uintptr_t output;
static uint32_t total, begun;

static uintptr_t semihosting(uintptr_t operation, const void *parameters) {
  register uintptr_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = parameters;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

void print(const void *text, size_t length) {
  const uintptr_t parameters[] = {output, (uintptr_t)text, length};
  semihosting(0x05, parameters); /* SYS_WRITE */
}

/* The timer counts down 24 bits: enough for ten million instructions. */
void begin(void) { begun = TIMER[2]; }
void end(void) { total += (begun - TIMER[2]) & 0xffffff; }

static void print_number(uint32_t number) {
  char digits[10];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + number % 10);
  } while (number /= 10);
  print(digits + at, sizeof digits - at);
}

/* A program without a decoder, whose size is subtracted. */
__attribute__((weak)) int decode(void) { return 1; }

static void reset(void) {
  static const char console[] = ":tt";
  const uintptr_t parameters[] = {(uintptr_t)console, 4, sizeof console - 1}; /* mode 4, write: standard output */
  uint32_t *to, *from = &data_image, result[2] = {0x20026, 1};                /* ADP_Stopped_ApplicationExit */
  for (to = &data_begin; to < &data_end;) *to++ = *from++;
  for (to = &bss_begin; to < &bss_end;) *to++ = 0;
  __asm__ volatile("mov %0, sp" : "=r"(from));
  /* Nothing is called meanwhile, so nothing below the pointer is in use. */
  for (to = &bss_end; to < from;) *(volatile uint32_t *)to++ = PAINT;
  output = semihosting(0x01, parameters); /* SYS_OPEN */
  TIMER[1] = 0xffffff;
  TIMER[2] = 0;
  TIMER[0] = 5; /* enabled, the core's clock, no interrupt */
  if (decode()) {
    for (to = &bss_end; *(volatile uint32_t *)to == PAINT;) to++;
    print("\nmeasured ", 10);
    print_number(total);
    print(" ", 1);
    print_number((uint32_t)(&stack_top - to) * 4);
    result[1] = 0;
  }
  for (;;) semihosting(0x20, result); /* SYS_EXIT_EXTENDED */
}

static void fault(void) {
  const uint32_t result[2] = {0x20026, 1};
  for (;;) semihosting(0x20, result);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    &stack_top, (const void *)reset, (const void *)fault, (const void *)fault,
};

/* GCC is kept from making calls of these functions out of their own loops. */
#define PLAIN __attribute__((used, optimize("no-tree-loop-distribute-patterns")))

PLAIN void *memcpy(void *to, const void *from, size_t length) {
  uint8_t *out = to;
  const uint8_t *in = from;
  while (length--) *out++ = *in++;
  return to;
}

PLAIN void *memmove(void *to, const void *from, size_t length) {
  uint8_t *out = to;
  const uint8_t *in = from;
  if (out <= in) return memcpy(to, from, length);
  while (length--) out[length] = in[length];
  return to;
}

PLAIN void *memset(void *to, int value, size_t length) {
  uint8_t *out = to;
  while (length--) *out++ = (uint8_t)value;
  return to;
}

PLAIN int memcmp(const void *a, const void *b, size_t length) {
  const uint8_t *left = a, *right = b;
  for (; length; length--, left++, right++)
    if (*left != *right) return *left - *right;
  return 0;
}

PLAIN size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}
