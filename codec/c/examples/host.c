/* An example on a host. */
#include "example.h"

#include <stdio.h>

void print(const uint8_t *bytes, size_t length)
{
    fwrite(bytes, 1, length, stdout);
}

int main(void)
{
    const char *error = run();
    if (error != 0) {
        fprintf(stderr, "error: %s\n", error);
        return 1;
    }
    return 0;
}
