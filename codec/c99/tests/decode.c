/* Decodes a file by the decoder in C99, through small buffers: the hosted program of the tests.
 *
 *   decode [OPTION]... stream|message|window|code|strings FILE        the text goes to stdout
 *
 *   -m MODEL   -c CONTEXT   -k CLASS (4k 16k 64k 256k 1m 16m)   -l LEXICON
 *   -b BYTES   input and output arrive in pieces of so many bytes (default 7)
 *   -r BITS    of a message's check            -w BITS   of a window
 *
 * `strings` prints all texts of a string table, a line each. `stream` takes streams that follow each other; `code` decodes a sequence of codes of a lexicon, two bytes each. Exits
 * with the status of the decoder. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../equalinfo_decoder.h"

/* A file in memory that ends with it, so that sanitizers see every access behind it, at an odd address. */
static uint8_t *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  uint8_t *bytes = NULL, *start;
  long size;
  if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) ||
      !(bytes = (uint8_t *)malloc((size_t)size + 1)) || fread(bytes + 1, 1, (size_t)size, file) != (size_t)size) {
    fprintf(stderr, "decode: cannot read '%s'\n", path);
    exit(100);
  }
  fclose(file);
  start = bytes + 1;
  *length = (size_t)size;
  return start;
}

#ifdef EQUALINFO_IMAGE_READ
/* Images behind a bus: addresses at which nothing is stand for them, so a read that goes another way fails. */
static struct {
  const uint8_t *bytes;
  size_t length;
} flash[4];
static unsigned images;
#define FLASH_AT(number) ((uintptr_t)0x40000000 + (uintptr_t)(number) * 0x4000000)

uint8_t EQUALINFO_IMAGE_READ(const uint8_t *address) {
  unsigned number;
  for (number = 0; number < images; number++) {
    const uintptr_t offset = (uintptr_t)address - FLASH_AT(number);
    if (offset < flash[number].length) return flash[number].bytes[offset];
  }
  return *address;
}

static const uint8_t *image_of(const uint8_t *bytes, size_t length) {
  flash[images].bytes = bytes;
  flash[images].length = length;
  return (const uint8_t *)FLASH_AT(images++);
}
#else
static const uint8_t *image_of(const uint8_t *bytes, size_t length) {
  (void)length;
  return bytes;
}
#endif

static int report(EqualinfoStatus status) {
  if (status != EQUALINFO_STATUS_OK) fprintf(stderr, "decode: %s\n", equalinfo_status_name((int32_t)status));
  return (int)status;
}

static uint8_t *memory_of(size_t size) {
  uint8_t *memory = (uint8_t *)malloc(size ? size : 1);
  if (!memory) exit(101);
  /* Nothing may depend on what it holds. */
  memset(memory, 0xa5, size);
  return memory;
}

static int decode_stream(EqualinfoStream *stream, const uint8_t *input, size_t length, size_t piece) {
  uint8_t *text = memory_of(piece);
  size_t given = 0, taken = 0;
  for (;;) {
    size_t consumed, written;
    uint8_t *part;
    EqualinfoStatus status;
    if (given < piece && taken + given < length) given = length - taken < piece ? length - taken : piece;
    /* A copy of just the piece. */
    part = memory_of(given);
    memcpy(part, input + taken, given);
    status = equalinfo_stream_decode(stream, part, given, &consumed, text, piece, &written);
    free(part);
    fwrite(text, 1, written, stdout);
    if (status != EQUALINFO_STATUS_OK) return report(status);
    taken += consumed;
    given -= consumed;
    if (consumed == 0 && written == 0) {
      if (taken == length) return report(equalinfo_stream_finish(stream));
      if (equalinfo_stream_next(stream)) continue;
      fprintf(stderr, "decode: no progress\n");
      return 102;
    }
  }
}

static void print(uint8_t byte, void *user) { fputc(byte, (FILE *)user); }

int main(int count, char **arguments) {
  static EqualinfoModel model;
  static EqualinfoLexicon lexicon;
  const char *model_path = NULL, *lexicon_path = NULL, *class_name = NULL, *kind;
  unsigned context = 0, check = 0, bits = 64;
  size_t piece = 7, length, written, size;
  uint8_t *input, *memory, *text;
  EqualinfoStatus status;
  EqualinfoStream *stream;
  int i;
  for (i = 1; i + 1 < count && arguments[i][0] == '-'; i += 2) {
    const char *value = arguments[i + 1];
    switch (arguments[i][1]) {
      case 'm': model_path = value; break;
      case 'l': lexicon_path = value; break;
      case 'k': class_name = value; break;
      case 'c': context = (unsigned)atoi(value); break;
      case 'b': piece = (size_t)atoi(value); break;
      case 'r': check = (unsigned)atoi(value); break;
      case 'w': bits = (unsigned)atoi(value); break;
      default: return 103;
    }
  }
  if (count - i != 2) return 103;
  kind = arguments[i];
  input = read_file(arguments[i + 1], &length);
  if (model_path) {
    const uint8_t *image = read_file(model_path, &size);
    image = image_of(image, size);
    status = equalinfo_model_load(&model, image, (uint32_t)size);
    if (status != EQUALINFO_STATUS_OK) return report(status);
    if (context == 0) context = model.context;
  }
  if (lexicon_path) {
    const uint8_t *image = read_file(lexicon_path, &size);
    image = image_of(image, size);
    status = equalinfo_lexicon_load(&lexicon, image, (uint32_t)size);
    if (status != EQUALINFO_STATUS_OK) return report(status);
  }
  if (strcmp(kind, "stream") == 0) {
    if (class_name) {
      static const char *const names[] = {"4k", "16k", "64k", "256k", "1m", "16m"};
      const EqualinfoTables *const tables[] = {&equalinfo_tables_4k,   &equalinfo_tables_16k, &equalinfo_tables_64k,
                                               &equalinfo_tables_256k, &equalinfo_tables_1m,  &equalinfo_tables_16m};
      const EqualinfoMix *const mixes[] = {&equalinfo_mix_4k,   &equalinfo_mix_16k, &equalinfo_mix_64k,
                                           &equalinfo_mix_256k, &equalinfo_mix_1m,  &equalinfo_mix_16m};
      static const uint32_t sizes[] = {EQUALINFO_TABLES_4K,   EQUALINFO_TABLES_16K, EQUALINFO_TABLES_64K,
                                       EQUALINFO_TABLES_256K, EQUALINFO_TABLES_1M,  EQUALINFO_TABLES_16M};
      unsigned number = 0;
      while (number < 6 && strcmp(names[number], class_name)) number++;
      if (number == 6) return 103;
      if (equalinfo_tables_memory(tables[number]) != EQUALINFO_STATE + sizes[number]) return 104;
      if (model_path) {
        size = equalinfo_mix_memory(mixes[number], &model, (uint16_t)context);
        memory = memory_of(size);
        status = equalinfo_mix_begin(&stream, mixes[number], &model, (uint16_t)context, memory, size);
      } else {
        size = equalinfo_tables_memory(tables[number]);
        memory = memory_of(size);
        status = equalinfo_tables_begin(&stream, tables[number], memory, size);
      }
    } else if (lexicon_path) {
      if (piece == 0) return report(equalinfo_lexicon_decode_stream(&lexicon, input, length, print, stdout));
      memory = memory_of(EQUALINFO_STATE);
      status = equalinfo_lexicon_begin(&stream, &lexicon, memory, EQUALINFO_STATE);
    } else {
      size = equalinfo_memory(&model, (uint16_t)context);
      if (size != EQUALINFO_MEMORY(model.d, model.ff, model.layers, context)) return 104;
      memory = memory_of(size);
      status = equalinfo_stream_begin(&stream, &model, (uint16_t)context, memory, size);
    }
    if (status != EQUALINFO_STATUS_OK) return report(status);
    return decode_stream(stream, input, length, piece);
  }
  if (strcmp(kind, "code") == 0) {
    text = memory_of(256);
    for (size = 0; size + 1 < length; size += 2) {
      const uint16_t code = (uint16_t)(input[size] << 8 | input[size + 1]);
      status = equalinfo_lexicon_decode(&lexicon, code, text, 256, &written);
      if (status != EQUALINFO_STATUS_OK) return report(status);
      fwrite(text, 1, written, stdout);
    }
    return 0;
  }
  if (strcmp(kind, "strings") == 0) {
    static EqualinfoStrings strings;
    unsigned language, id;
    status = equalinfo_strings_load(&strings, image_of(input, length), (uint32_t)length);
    if (status != EQUALINFO_STATUS_OK) return report(status);
    size = lexicon_path ? 0 : equalinfo_memory(&model, strings.context);
    memory = memory_of(size);
    /* Room for the longest text and not a byte more. */
    text = memory_of((size_t)strings.longest + 1);
    for (language = 0; language < strings.languages; language++)
      for (id = 0; id < strings.strings; id++) {
        if (lexicon_path)
          status = equalinfo_string_decode_by_lexicon(&strings, &lexicon, (uint8_t)language, (uint16_t)id, (char *)text,
                                                      (size_t)strings.longest + 1, &written);
        else
          status = equalinfo_string_decode(&strings, &model, memory, size, (uint8_t)language, (uint16_t)id,
                                           (char *)text, (size_t)strings.longest + 1, &written);
        if (status != EQUALINFO_STATUS_OK) return report(status);
        if (strlen((char *)text) != written) return 105;
        puts((char *)text);
      }
    return 0;
  }
  size = equalinfo_memory(&model, (uint16_t)context);
  memory = memory_of(size);
  text = memory_of(100000);
  if (strcmp(kind, "message") == 0)
    status = equalinfo_message_decode_checked(&model, (uint16_t)context, memory, size, (uint8_t)check, input, length,
                                              text, 100000, &written);
  else if (length == bits / 8)
    status = equalinfo_window_decode(&model, (uint16_t)context, memory, size, bits, input, text, 100000, &written);
  else
    return 103;
  fwrite(text, 1, written, stdout);
  return report(status);
}
