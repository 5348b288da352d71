/* EqualInfo: decoding short texts and streams of text, in C99 alone.
 *
 * For compilers that Rust does not reach, and for C projects without Rust. Names and meanings are those of
 * codec/c/include/equalinfo.h, the C interface of the Rust library, so a program can change from one to the other by
 * including the other header; what only one of them has is marked there or here. A program includes one of the two.
 *
 * Nothing here allocates, blocks, recurses, keeps global state or uses floating point; the caller provides all memory.
 * Images of models and lexicons are used in place, at any address, and must stay there; so must the memory of a decoder
 * while it is in use. All functions are re-entrant as long as no two of them use the same memory at the same time.
 * Whatever images and input contain, nothing is read or written outside of the buffers given, and every call ends. */

#ifndef EQUALINFO_DECODER_H
#define EQUALINFO_DECODER_H

#ifdef EQUALINFO_H
#error "include either equalinfo.h, for the Rust library, or equalinfo_decoder.h"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Switches, to be defined for the whole program, that leave parts out:
 *
 * EQUALINFO_NO_MODEL     models: methods ac, mix and equal-info, messages and single windows
 * EQUALINFO_NO_TABLES    the adaptive layer: methods mix and tables
 * EQUALINFO_NO_WINDOWS   method equal-info and single windows; lexicons have it all the same
 * EQUALINFO_NO_MESSAGES  messages
 * EQUALINFO_NO_STREAMS   streams
 * EQUALINFO_NO_LEXICON   lexicons
 * EQUALINFO_NO_STRINGS   string tables
 *
 * EQUALINFO_LARGEST_CLASS is the largest class of tables that the program names, 0 for 4 KiB to 5 for 16 MiB. Smaller
 * classes take less memory when larger ones are left out.
 *
 * EQUALINFO_AVR_FLASH leaves images, anywhere in flash, and the decoder's own tables, in its first 64 KiB, out of the
 * memory of an AVR, for avr-gcc with -std=gnu99. For other compilers with address spaces, EQUALINFO_IMAGE qualifies
 * pointers to images, of which EQUALINFO_IMAGE_AT adds an offset of 32 bits, and EQUALINFO_CONSTANT the tables.
 *
 * EQUALINFO_IMAGE_READ names a function of the program's, uint8_t f(const uint8_t *address), which then reads every byte
 * of images and messages: for serial flash that no address reaches. Addresses of a range that is the program's choice
 * stand for that flash; what is at all others f reads in place. */
#ifdef EQUALINFO_IMAGE_READ
uint8_t EQUALINFO_IMAGE_READ(const uint8_t *address);
/* Addresses that are no pointers to objects are added to as numbers. */
#define EQUALINFO_IMAGE
#define EQUALINFO_IMAGE_AT(image, offset) ((const uint8_t *)((uintptr_t)(image) + (uintptr_t)(offset)))
#endif
#ifdef EQUALINFO_AVR_FLASH
#define EQUALINFO_IMAGE __memx
#define EQUALINFO_IMAGE_AT(image, offset) ((const __memx uint8_t *)((__uint24)(image) + (__uint24)(offset)))
#define EQUALINFO_CONSTANT __flash
#endif
#ifndef EQUALINFO_LARGEST_CLASS
#if SIZE_MAX > 65535
#define EQUALINFO_LARGEST_CLASS 5
#else
#define EQUALINFO_LARGEST_CLASS 2
#endif
#endif
#ifndef EQUALINFO_IMAGE
#define EQUALINFO_IMAGE
#define EQUALINFO_IMAGE_AT(image, offset) ((image) + (offset))
#endif
#ifndef EQUALINFO_CONSTANT
#define EQUALINFO_CONSTANT
#endif

/* The alignment of a decoder's memory that is enough on every machine: an array of uint64_t has it. */
#define EQUALINFO_ALIGNMENT 8

/* What every decoder takes in bytes, with the frequencies of the next byte. */
#define EQUALINFO_STATE UINT32_C(928)

/* The value of equalinfo_memory as a constant, for a model with these dimensions, which an exported header defines as
 * M1_NANO_D and so on, and `context` positions. */
#define EQUALINFO_MEMORY(d, ff, layers, context)                        \
  (EQUALINFO_STATE + UINT32_C(4) * ((d) + UINT32_C(64) + UINT32_C(256)) + \
   UINT32_C(2) * (layers) * (d) * (context) + UINT32_C(6) * (d) + (ff))

/* What the tables of a class add to it; the memory of a decoder with tables alone is EQUALINFO_STATE more. */
#define EQUALINFO_TABLES_4K (UINT32_C(4) * 944 + EQUALINFO_PREDICTOR)
#define EQUALINFO_TABLES_16K (UINT32_C(4) * 3568 + EQUALINFO_PREDICTOR)
#define EQUALINFO_TABLES_64K (UINT32_C(4) * 15904 + EQUALINFO_PREDICTOR)
#define EQUALINFO_TABLES_256K (UINT32_C(4) * 63840 + EQUALINFO_PREDICTOR)
#define EQUALINFO_TABLES_1M (UINT32_C(4) * 249712 + EQUALINFO_PREDICTOR)
#define EQUALINFO_TABLES_16M (UINT32_C(4) * 4147600 + EQUALINFO_PREDICTOR)
/* Internal: what all tables share. */
#if EQUALINFO_LARGEST_CLASS <= 1
#define EQUALINFO_PREDICTOR 320
#elif EQUALINFO_LARGEST_CLASS <= 3
#define EQUALINFO_PREDICTOR 448
#else
#define EQUALINFO_PREDICTOR 640
#endif

/* The result of a function. Numbers keep their meaning from one version to the next. */
typedef enum EqualinfoStatus {
  /* The function did all that was asked. */
  EQUALINFO_STATUS_OK = 0,
  /* A pointer is null although its length is not 0. */
  EQUALINFO_STATUS_NULL_POINTER = 1,
  /* The memory is not aligned as a uint64_t is on this machine. */
  EQUALINFO_STATUS_MISALIGNED = 2,
  /* The memory is smaller than `equalinfo_memory` requires. */
  EQUALINFO_STATUS_MEMORY_TOO_SMALL = 3,
  /* The text does not fit the output. */
  EQUALINFO_STATUS_OUTPUT_TOO_SMALL = 4,
  /* The model or lexicon has not been loaded. */
  EQUALINFO_STATUS_NOT_LOADED = 5,
  /* The context is 0, or longer than the model allows. */
  EQUALINFO_STATUS_BAD_CONTEXT = 6,
  /* The width of windows is not a multiple of 8 from 16 to 128, or that of a check is not 0, 8 or 16. */
  EQUALINFO_STATUS_BAD_WINDOW_BITS = 7,
  /* The image is not that of a model, lexicon or string table, or has a different format version. */
  EQUALINFO_STATUS_NOT_AN_IMAGE = 16,
  /* The image is cut short. */
  EQUALINFO_STATUS_IMAGE_TRUNCATED = 17,
  /* The image is damaged. */
  EQUALINFO_STATUS_IMAGE_DAMAGED = 18,
  /* The image is intact but outside the numeric contract. */
  EQUALINFO_STATUS_IMAGE_INVALID = 19,
  /* The input is not a stream, or has a different format version. */
  EQUALINFO_STATUS_NOT_A_STREAM = 32,
  /* The header of the stream is intact but has a value that the format does not allow. */
  EQUALINFO_STATUS_HEADER_INVALID = 33,
  /* The stream was written with a different model or lexicon. */
  EQUALINFO_STATUS_WRONG_MODEL = 34,
  /* The stream was written with a different context. */
  EQUALINFO_STATUS_WRONG_CONTEXT = 35,
  /* The decoder does not support the method of the stream, or does not have its tables. */
  EQUALINFO_STATUS_WRONG_METHOD = 36,
  /* The input ends before the stream or message does. */
  EQUALINFO_STATUS_TRUNCATED = 37,
  /* The stream or message is damaged. */
  EQUALINFO_STATUS_DAMAGED = 38,
  /* The table has no such text or language. */
  EQUALINFO_STATUS_NO_STRING = 39
} EqualinfoStatus;

/* The decoder of a stream, which lives in the caller's memory. */
typedef struct EqualinfoStream EqualinfoStream;

/* The tables of a class, for streams of method `tables`, which need no model. */
typedef struct EqualinfoTables EqualinfoTables;

/* The tables of a class behind a model, for streams of method `mix`, and of `tables` and `ac` with the same. */
typedef struct EqualinfoMix EqualinfoMix;

/* A model whose image has been checked. The image stays where it is. */
typedef struct EqualinfoModel {
  /* The id that streams refer to. */
  uint64_t id;
  /* The longest context in positions. */
  uint16_t context;
  /* Bytes of memory that each position of context takes when decoding. */
  uint32_t bytes_per_position;
  /* Internal. */
  uint32_t loaded;
  const EQUALINFO_IMAGE uint8_t *image;
  uint32_t layers_at, ngrams_at, layer_length;
  uint16_t d, ff, layers, heads;
  uint16_t ngram_rows[5];
} EqualinfoModel;

/* A lexicon whose image has been checked. The image stays where it is. */
typedef struct EqualinfoLexicon {
  /* The id of its image. */
  uint64_t id;
  /* Internal. */
  uint32_t loaded;
  uint32_t stream_id;
  const EQUALINFO_IMAGE uint8_t *image;
  uint16_t context, wide;
} EqualinfoLexicon;

/* A string table whose blob has been checked. The blob stays where it is, at any alignment. */
typedef struct EqualinfoStrings {
  /* The upper half of the id of the model or lexicon that it needs. */
  uint32_t model;
  /* The context that the model runs with. */
  uint16_t context;
  /* The number of texts in each language. */
  uint16_t strings;
  /* The length of the longest text in bytes. A buffer of one byte more has room for each. */
  uint16_t longest;
  /* The number of languages. */
  uint8_t languages;
  /* Internal. */
  uint8_t form;
  uint32_t loaded;
  const EQUALINFO_IMAGE uint8_t *image;
  uint32_t index_at, codes_at, end;
} EqualinfoStrings;

#ifdef __cplusplus
extern "C" {
#endif

/* The name of a status for people. Never null, whatever the number. */
const char *equalinfo_status_name(int32_t status);

#ifndef EQUALINFO_NO_MODEL

/* Checks the image of a model, after which more bytes may follow, and prepares it for use. `length` bytes at `image`
 * stay readable and unchanged while the model is in use. */
EqualinfoStatus equalinfo_model_load(EqualinfoModel *model, const EQUALINFO_IMAGE uint8_t *image, uint32_t length);

/* As `equalinfo_model_load`, but checks only the header and dimensions, in a few thousand instructions: for an image
 * that is known to be as it was written. Whatever any other image decodes has no meaning, but nothing worse happens. */
EqualinfoStatus equalinfo_model_load_trusting(EqualinfoModel *model, const EQUALINFO_IMAGE uint8_t *image,
                                              uint32_t length);

/* The number of bytes of memory that decoding takes with this model and `context` positions of context. 0 if the model
 * is not loaded, or does not allow this context, or the bytes exceed SIZE_MAX. The model is loaded, or holds zeros. */
size_t equalinfo_memory(const EqualinfoModel *model, uint16_t context);

#ifndef EQUALINFO_NO_MESSAGES

/* Decodes a message that `equalinfo compress --raw` wrote: windows with nothing around them, not even a checksum.
 * Memory is needed as for a stream. `written` is 0 unless the whole text has been decoded. */
EqualinfoStatus equalinfo_message_decode(const EqualinfoModel *model, uint16_t context, uint8_t *memory,
                                         size_t memory_length, const uint8_t *payload, size_t payload_length,
                                         uint8_t *text, size_t text_length, size_t *written);

/* As `equalinfo_message_decode`, for a message with a check of `check_bits` bits, 0, 8 or 16.
 * Only here. */
EqualinfoStatus equalinfo_message_decode_checked(const EqualinfoModel *model, uint16_t context, uint8_t *memory,
                                                 size_t memory_length, uint8_t check_bits, const uint8_t *payload,
                                                 size_t payload_length, uint8_t *text, size_t text_length,
                                                 size_t *written);

#endif
#ifndef EQUALINFO_NO_WINDOWS

/* Decodes one Equal-Info window of `window_bits` bits at `window`, in the default code. Windows decode alone and in
 * any order. Memory is needed as for a stream. `written` is 0 unless the whole text has been decoded. */
EqualinfoStatus equalinfo_window_decode(const EqualinfoModel *model, uint16_t context, uint8_t *memory,
                                        size_t memory_length, uint32_t window_bits, const uint8_t *window,
                                        uint8_t *text, size_t text_length, size_t *written);

#endif
#endif

#ifndef EQUALINFO_NO_STREAMS

#ifndef EQUALINFO_NO_MODEL

/* Prepares to decode a stream, in `length` bytes of memory: `equalinfo_memory` returns how many are needed. The
 * context is the one that the stream was compressed with. `stream` is set to the decoder, which is part of the memory,
 * and is gone when the memory is used for something else. */
EqualinfoStatus equalinfo_stream_begin(EqualinfoStream **stream, const EqualinfoModel *model, uint16_t context,
                                       uint8_t *memory, size_t length);

#endif

/* Decodes as far as the buffers allow. Sets `consumed` to the number of bytes taken from the input, and `written` to
 * the number of bytes of text in the output. If both are 0, more input is needed, or more room, or the stream is
 * complete. After an error, the text delivered from the damaged block may be wrong; all text before it is intact.
 * Input and output do not overlap. */
EqualinfoStatus equalinfo_stream_decode(EqualinfoStream *stream, const uint8_t *input, size_t input_length,
                                        size_t *consumed, uint8_t *output, size_t output_length, size_t *written);

/* Goes on with another stream, which follows one that is complete: its text follows too. To be called only if there is
 * more input. False if no stream is complete; then nothing has changed. */
bool equalinfo_stream_next(EqualinfoStream *stream);

/* Checks that the stream is complete and every block intact. To be called at the end of the input. */
EqualinfoStatus equalinfo_stream_finish(const EqualinfoStream *stream);

#ifndef EQUALINFO_NO_TABLES

/* Tables of each class. Those that a program does not name are left out by a linker that collects sections. */
extern const EqualinfoTables equalinfo_tables_4k;
#if EQUALINFO_LARGEST_CLASS >= 1
extern const EqualinfoTables equalinfo_tables_16k;
#endif
#if EQUALINFO_LARGEST_CLASS >= 2
extern const EqualinfoTables equalinfo_tables_64k;
#endif
#if EQUALINFO_LARGEST_CLASS >= 3
extern const EqualinfoTables equalinfo_tables_256k;
#endif
#if EQUALINFO_LARGEST_CLASS >= 4
extern const EqualinfoTables equalinfo_tables_1m;
#endif
#if EQUALINFO_LARGEST_CLASS >= 5
extern const EqualinfoTables equalinfo_tables_16m;
#endif

/* The number of bytes of memory that decoding takes with these tables alone. 0 if `tables` is null, or the bytes exceed
 * SIZE_MAX. */
size_t equalinfo_tables_memory(const EqualinfoTables *tables);

/* Prepares to decode a stream of method `tables`, or `static-ac`, in `length` bytes of memory:
 * `equalinfo_tables_memory` returns how many are needed. All else is as for `equalinfo_stream_begin`. */
EqualinfoStatus equalinfo_tables_begin(EqualinfoStream **stream, const EqualinfoTables *tables, uint8_t *memory,
                                       size_t length);

#ifndef EQUALINFO_NO_MODEL

/* Tables of each class behind a model. */
extern const EqualinfoMix equalinfo_mix_4k;
#if EQUALINFO_LARGEST_CLASS >= 1
extern const EqualinfoMix equalinfo_mix_16k;
#endif
#if EQUALINFO_LARGEST_CLASS >= 2
extern const EqualinfoMix equalinfo_mix_64k;
#endif
#if EQUALINFO_LARGEST_CLASS >= 3
extern const EqualinfoMix equalinfo_mix_256k;
#endif
#if EQUALINFO_LARGEST_CLASS >= 4
extern const EqualinfoMix equalinfo_mix_1m;
#endif
#if EQUALINFO_LARGEST_CLASS >= 5
extern const EqualinfoMix equalinfo_mix_16m;
#endif

/* The number of bytes of memory that decoding takes with these tables behind this model with `context` positions of
 * context. 0 if `mix` is null, or as `equalinfo_memory`. */
size_t equalinfo_mix_memory(const EqualinfoMix *mix, const EqualinfoModel *model, uint16_t context);

/* Prepares to decode a stream of method `mix`, or of the model or the tables alone, in `length` bytes of memory:
 * `equalinfo_mix_memory` returns how many are needed. All else is as for `equalinfo_stream_begin`. */
EqualinfoStatus equalinfo_mix_begin(EqualinfoStream **stream, const EqualinfoMix *mix, const EqualinfoModel *model,
                                    uint16_t context, uint8_t *memory, size_t length);

#endif
#endif
#endif

#ifndef EQUALINFO_NO_LEXICON

/* Checks the image of a lexicon, after which more bytes may follow, and prepares it for use. `length` bytes at `image`
 * stay readable and unchanged while the lexicon is in use. */
EqualinfoStatus equalinfo_lexicon_load(EqualinfoLexicon *lexicon, const EQUALINFO_IMAGE uint8_t *image,
                                       uint32_t length);

/* As equalinfo_lexicon_load, but checks only the header and the codes of single bytes: for an image that is known to be
 * as it was written. Whatever any other image decodes has no meaning, but nothing worse happens. */
EqualinfoStatus equalinfo_lexicon_load_trusting(EqualinfoLexicon *lexicon, const EQUALINFO_IMAGE uint8_t *image,
                                                uint32_t length);

/* Decodes one code. Every code has a text, no longer than the context of the model: at most 256 bytes. */
EqualinfoStatus equalinfo_lexicon_decode(const EqualinfoLexicon *lexicon, uint16_t code, uint8_t *text,
                                         size_t text_length, size_t *written);

#ifndef EQUALINFO_NO_STREAMS

/* Decodes a whole stream in memory, and passes its text to `print` byte by byte, together with `user`. After an error,
 * the text delivered from the damaged block may be wrong; all text before it is intact. */
EqualinfoStatus equalinfo_lexicon_decode_stream(const EqualinfoLexicon *lexicon, const uint8_t *stream, size_t length,
                                                void (*print)(uint8_t byte, void *user), void *user);

/* Prepares to decode a stream of the lexicon that arrives in pieces, in at least EQUALINFO_STATE bytes of memory. All
 * else is as for `equalinfo_stream_begin`. Only here. */
EqualinfoStatus equalinfo_lexicon_begin(EqualinfoStream **stream, const EqualinfoLexicon *lexicon, uint8_t *memory,
                                        size_t length);

#endif
#endif

#ifndef EQUALINFO_NO_STRINGS

/* Checks a string table, after which more bytes may follow, and prepares it for use. `length` bytes at `blob` stay
 * readable and unchanged while the table is in use. */
EqualinfoStatus equalinfo_strings_load(EqualinfoStrings *strings, const EQUALINFO_IMAGE uint8_t *blob,
                                       uint32_t length);

/* As `equalinfo_strings_load`, but checks only the header: for a blob that is known to be as it was written. Whatever
 * any other blob decodes has no meaning, but nothing worse happens. */
EqualinfoStatus equalinfo_strings_load_trusting(EqualinfoStrings *strings, const EQUALINFO_IMAGE uint8_t *blob,
                                                uint32_t length);

/* Sets `language` to the number of the language of this name. EQUALINFO_STATUS_NO_STRING if the table has none. */
EqualinfoStatus equalinfo_strings_language(const EqualinfoStrings *strings, const char *name, uint8_t *language);

#if !defined(EQUALINFO_NO_MODEL) && !defined(EQUALINFO_NO_MESSAGES)

/* Decodes text `id` of a language with the model of the table, and ends it with a zero byte. Memory is needed as for a
 * stream with `strings->context` positions of context. `written`, which may be null, is the length without the zero. */
EqualinfoStatus equalinfo_string_decode(const EqualinfoStrings *strings, const EqualinfoModel *model, uint8_t *memory,
                                        size_t memory_length, uint8_t language, uint16_t id, char *text,
                                        size_t text_length, size_t *written);

#endif
#ifndef EQUALINFO_NO_LEXICON

/* As `equalinfo_string_decode`, for a table of codes of a lexicon, which need no memory. */
EqualinfoStatus equalinfo_string_decode_by_lexicon(const EqualinfoStrings *strings, const EqualinfoLexicon *lexicon,
                                                   uint8_t language, uint16_t id, char *text, size_t text_length,
                                                   size_t *written);

#endif
#endif

#ifdef __cplusplus
}
#endif

#endif
