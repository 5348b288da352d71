/* The interface between the example and its surroundings. */
#ifndef DECODE_H
#define DECODE_H

#include <stddef.h>
#include <stdint.h>

/* Prints text. */
void print(const uint8_t *text, size_t length);

/* Decodes and prints everything. Returns null, or the name of the step that failed. */
const char *decode(void);

#endif
