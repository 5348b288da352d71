/* Damaged input: bits flipped, parts cut, repeated or overwritten, thousands of times, always the same ones.
 *
 *   damage stream COUNT BLOCK TEXT STREAM [-m MODEL] [-k CLASS] [-l LEXICON]
 *   damage message COUNT MESSAGE -m MODEL
 *   damage image COUNT MESSAGE -m MODEL
 *   damage lexicon COUNT -l LEXICON
 *
 * A damaged stream is always an error, because a text has one stream, and all blocks before the last one delivered are
 * the right text; BLOCK is the most bytes of text in a block. Whatever a damaged message or an unchecked image decodes
 * to has no meaning; sanitizers watch what it does. Damaged images do not load. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../equalinfo_decoder.h"

static uint64_t state = 1;

/* SplitMix64. */
static uint32_t random_below(size_t bound) {
  uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (uint32_t)(((z ^ (z >> 31)) >> 32) % (bound ? bound : 1));
}

static uint8_t *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  uint8_t *bytes;
  long size;
  if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) ||
      !(bytes = (uint8_t *)malloc((size_t)size + 1)) || fread(bytes, 1, (size_t)size, file) != (size_t)size) {
    fprintf(stderr, "damage: cannot read '%s'\n", path);
    exit(100);
  }
  fclose(file);
  *length = (size_t)size;
  return bytes;
}

static void fail(long number, const char *what) {
  fprintf(stderr, "damage: number %ld: %s\n", number, what);
  exit(1);
}

/* A damaged copy in memory of just its length, which the caller frees. It differs. */
static uint8_t *damaged(const uint8_t *bytes, size_t length, size_t *damaged_length) {
  uint8_t *copy = (uint8_t *)malloc(2 * length + 64), *exact;
  size_t from, count, to, i, new_length = length;
  do {
    memcpy(copy, bytes, length);
    from = random_below(length);
    count = 1 + random_below(length - from > 40 ? 40 : length - from);
    to = random_below(length);
    switch (random_below(6)) {
      case 0:
      case 1: /* a few bits */
        new_length = length;
        for (i = 0; i <= random_below(3); i++) copy[random_below(length)] ^= (uint8_t)(1 << random_below(8));
        break;
      case 2: /* cut short */ new_length = from; break;
      case 3: /* a part is missing */
        memmove(copy + from, copy + from + count, length - from - count);
        new_length = length - count;
        break;
      case 4: /* a part is there twice */
        memmove(copy + to + count, copy + to, length - to);
        memcpy(copy + to, bytes + from, count);
        new_length = length + count;
        break;
      default: /* a part is random */
        for (i = from; i < from + count; i++) copy[i] = (uint8_t)random_below(256);
        new_length = length;
        break;
    }
  } while (new_length == length && memcmp(copy, bytes, length) == 0);
  exact = (uint8_t *)malloc(new_length ? new_length : 1);
  memcpy(exact, copy, new_length);
  free(copy);
  *damaged_length = new_length;
  return exact;
}

static EqualinfoModel model;
static EqualinfoLexicon lexicon;
static const char *class_name;

static EqualinfoStatus begin(EqualinfoStream **stream, uint8_t *memory, size_t size) {
  if (class_name) {
    const int small = strcmp(class_name, "4k") == 0;
    if (model.loaded)
      return equalinfo_mix_begin(stream, small ? &equalinfo_mix_4k : &equalinfo_mix_256k, &model, model.context,
                                 memory, size);
    return equalinfo_tables_begin(stream, small ? &equalinfo_tables_4k : &equalinfo_tables_256k, memory, size);
  }
  if (lexicon.loaded) return equalinfo_lexicon_begin(stream, &lexicon, memory, size);
  return equalinfo_stream_begin(stream, &model, model.context, memory, size);
}

static void streams(long count, size_t block, const char *text_path, const char *stream_path) {
  const size_t size = 2000000;
  size_t text_length, length;
  const uint8_t *text = read_file(text_path, &text_length), *intact = read_file(stream_path, &length);
  uint8_t *memory = (uint8_t *)malloc(size), *output = (uint8_t *)malloc(text_length + 100);
  long number;
  for (number = 0; number < count; number++) {
    EqualinfoStream *stream;
    EqualinfoStatus status = begin(&stream, memory, size);
    size_t damaged_length = length, taken = 0, written = 0;
    /* Number 0 is intact. */
    uint8_t *input =
        number ? damaged(intact, length, &damaged_length) : (uint8_t *)memcpy(malloc(length), intact, length);
    while (status == EQUALINFO_STATUS_OK) {
      const size_t left = damaged_length - taken, room = text_length + 100 - written;
      size_t given = 1 + random_below(200), place = 1 + random_below(200), consumed, now;
      if (given > left) given = left;
      if (place > room) place = room;
      status = equalinfo_stream_decode(stream, input + taken, given, &consumed, output + written, place, &now);
      taken += consumed;
      written += now;
      if (status != EQUALINFO_STATUS_OK || consumed || now) continue;
      /* A damaged header of a stream of one block may tell of more text. */
      if (room == 0) status = EQUALINFO_STATUS_DAMAGED;
      if (room == 0) break;
      if (taken < damaged_length) {
        if (!equalinfo_stream_next(stream)) fail(number, "no progress");
        continue;
      }
      status = equalinfo_stream_finish(stream);
      if (status == EQUALINFO_STATUS_OK) break;
    }
    free(input);
    if (number == 0) {
      if (status != EQUALINFO_STATUS_OK || written != text_length || memcmp(output, text, written))
        fail(0, "wrong text");
      continue;
    }
    if (status == EQUALINFO_STATUS_OK) fail(number, "damage was not noticed");
    written = written ? (written - 1) / block * block : 0;
    if (written > text_length || memcmp(output, text, written)) fail(number, "wrong text ahead of the damaged block");
  }
}

static void decode_message(const uint8_t *bytes, size_t length) {
  const size_t size = equalinfo_memory(&model, model.context), room = random_below(400);
  uint8_t *memory = (uint8_t *)malloc(size), *text = (uint8_t *)malloc(room ? room : 1);
  size_t written;
  equalinfo_message_decode(&model, model.context, memory, size, bytes, length, text, room, &written);
  if (length >= 8) equalinfo_window_decode(&model, model.context, memory, size, 64, bytes, text, room, &written);
  free(memory);
  free(text);
}

static uint32_t crc(uint32_t checksum, const uint8_t *bytes, size_t length) {
  size_t i;
  int bit;
  for (i = 0; i < length; i++)
    for (checksum ^= bytes[i], bit = 0; bit < 8; bit++) checksum = checksum >> 1 ^ (checksum & 1 ? 0xedb88320u : 0);
  return checksum;
}

static void images(long count, const uint8_t *image, size_t length, const uint8_t *message, size_t message_length) {
  long number;
  for (number = 1; number <= count; number++) {
    size_t damaged_length;
    uint8_t *bytes = damaged(image, length, &damaged_length);
    if (number % 4 == 0 && damaged_length >= 68) {
      /* The header changes as well, and its checksum agrees. */
      uint32_t checksum;
      int i;
      bytes[24 + random_below(44)] ^= (uint8_t)(1 << random_below(8));
      checksum = ~crc(crc(0xffffffffu, bytes, 20), bytes + 24, 44);
      for (i = 0; i < 4; i++) bytes[20 + i] = (uint8_t)(checksum >> 8 * i);
    }
    /* An image may be followed by other bytes. */
    if (equalinfo_model_load(&model, bytes, (uint32_t)damaged_length) == EQUALINFO_STATUS_OK &&
        memcmp(bytes, image, length))
      fail(number, "a damaged image was loaded");
    if (equalinfo_model_load_trusting(&model, bytes, (uint32_t)damaged_length) == EQUALINFO_STATUS_OK)
      decode_message(message, message_length);
    free(bytes);
  }
}

int main(int count, char **arguments) {
  const char *kind = count > 2 ? arguments[1] : "";
  const uint8_t *image = NULL, *message = NULL;
  size_t image_length = 0, length = 0;
  long repetitions = count > 2 ? atol(arguments[2]) : 0, number;
  int i;
  for (i = 3; i + 1 < count; i++) {
    if (strcmp(arguments[i], "-m") == 0) {
      image = read_file(arguments[++i], &image_length);
      if (equalinfo_model_load(&model, image, (uint32_t)image_length) != EQUALINFO_STATUS_OK) fail(0, "no model");
    } else if (strcmp(arguments[i], "-l") == 0) {
      image = read_file(arguments[++i], &image_length);
      if (equalinfo_lexicon_load(&lexicon, image, (uint32_t)image_length) != EQUALINFO_STATUS_OK) fail(0, "no lexicon");
    } else if (strcmp(arguments[i], "-k") == 0) {
      class_name = arguments[++i];
    }
  }
  if (strcmp(kind, "stream") == 0 && count > 5) {
    streams(repetitions, (size_t)atol(arguments[3]), arguments[4], arguments[5]);
  } else if (strcmp(kind, "message") == 0) {
    message = read_file(arguments[3], &length);
    for (number = 0; number < repetitions; number++) {
      size_t damaged_length;
      uint8_t *bytes = damaged(message, length, &damaged_length);
      decode_message(bytes, damaged_length);
      free(bytes);
    }
  } else if (strcmp(kind, "image") == 0) {
    message = read_file(arguments[3], &length);
    images(repetitions, image, image_length, message, length);
  } else if (strcmp(kind, "lexicon") == 0) {
    int trusted = 0;
    for (number = 0; number < repetitions; number++) {
      size_t damaged_length;
      uint8_t *bytes = damaged(image, image_length, &damaged_length);
      if (equalinfo_lexicon_load(&lexicon, bytes, (uint32_t)damaged_length) == EQUALINFO_STATUS_OK &&
          memcmp(bytes, image, image_length))
        fail(number, "a damaged lexicon was loaded");
      /* One that is trusted though it is damaged: whatever the text, it ends. */
      if (equalinfo_lexicon_load_trusting(&lexicon, bytes, (uint32_t)damaged_length) == EQUALINFO_STATUS_OK) {
        uint32_t code;
        for (code = 0; code < 65536; code += 37) {
          uint8_t text[300];
          size_t written;
          equalinfo_lexicon_decode(&lexicon, (uint16_t)code, text, sizeof text, &written);
        }
        trusted++;
      }
      free(bytes);
    }
    if (trusted < repetitions / 4) fail(trusted, "too few damaged lexicons were trusted");
  } else {
    return 103;
  }
  return 0;
}
