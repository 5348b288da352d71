/* The interface between an example and its surroundings. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* Writes bytes to the output: text, or messages in place of a radio. */
void print(const uint8_t *bytes, size_t length);

/* Does all that the example is for. Returns null, or the name of the status that ended it. */
const char *run(void);

#endif
