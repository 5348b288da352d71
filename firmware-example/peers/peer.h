/* What decoder.c and board.c know of each other. */
#include <stddef.h>
#include <stdint.h>

/* Decodes the payload, and prints its text; 0 if it could not. Not measured are print() and what is before begin(). */
int decode(void);

/* Begin and end a stretch that is measured. */
void begin(void);
void end(void);

void print(const void *text, size_t length);
