/* The example on a host. */
#include "decode.h"

#include <stdio.h>

void print(const uint8_t *text, size_t length)
{
    fwrite(text, 1, length, stdout);
}

int main(void)
{
    const char *error = decode();
    if (error != 0) {
        fprintf(stderr, "decode: %s\n", error);
        return 1;
    }
    return 0;
}
