/* The bytes behind golden vectors of tests/determinism that the decoder alone can compute; `check` hashes them.
 *
 *   vectors trace MODEL     the frequencies before each byte of a text, in a context that slides
 *   vectors texts LEXICON   all texts, each followed by its length, and whether an encoder writes its code
 *
 * Frequencies are no part of the interface, so this includes the decoder itself. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../equalinfo_decoder.c"

#define CONTEXT_OF_VECTORS 18

static const char TRACED[] =
    "The same bits everywhere: 3.14\r\n\xe2\x86\x92 \0\xff and the the the the end. \xf0\x9f\x93\x9d";

static uint8_t image[1000000];
static uint64_t memory[100000];

static int trace(size_t length) {
  static EqualinfoModel model;
  static uint16_t starts[256];
  Memory rest;
  M1 m1;
  size_t i;
  uint16_t byte;
  if (equalinfo_model_load(&model, image, (uint32_t)length) != EQUALINFO_STATUS_OK ||
      equalinfo_memory(&model, CONTEXT_OF_VECTORS) > sizeof memory)
    return 1;
  rest.next = (uint8_t *)memory;
  rest.left = sizeof memory;
  m1_begin(&m1, &model, CONTEXT_OF_VECTORS, starts, &rest);
  for (i = 0; i < sizeof TRACED - 1; i++) {
    m1_predict(&m1);
    for (byte = 0; byte < 256; byte++) {
      putchar(starts[byte] & 0xff);
      putchar(starts[byte] >> 8);
    }
    m1_push(&m1, (uint8_t)TRACED[i]);
  }
  return 0;
}

static int texts(size_t length) {
  static EqualinfoLexicon lexicon;
  uint32_t code;
  if (equalinfo_lexicon_load(&lexicon, image, (uint32_t)length) != EQUALINFO_STATUS_OK) return 1;
  for (code = 0; code < 65536; code++) {
    CodeText text;
    uint8_t byte, bytes = 0;
    code_begin(&text, (uint16_t)code);
    while (!code_is_finished(&text) && code_step(&lexicon, &text, &byte)) {
      putchar(byte);
      bytes++;
    }
    putchar(bytes);
    putchar(!text.left_over);
  }
  return 0;
}

int main(int count, char **arguments) {
  FILE *file = count == 3 ? fopen(arguments[2], "rb") : NULL;
  size_t length;
  if (!file) return 2;
  length = fread(image, 1, sizeof image, file);
  fclose(file);
  return strcmp(arguments[1], "trace") == 0 ? trace(length) : texts(length);
}
