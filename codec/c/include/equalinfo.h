/* EqualInfo: decoding short texts and streams of text on any device.
 *
 * Nothing here allocates, blocks or uses floating point; the caller provides all memory. Images of models and lexicons
 * are used in place, for example in flash, and must stay there; so must the memory of a decoder while it is in use. All
 * functions are re-entrant as long as no two of them use the same memory at the same time.
 *
 * Generated from codec/c/src by `UPDATE_HEADER=1 cargo test -p equalinfo-codec-c`; change the sources instead. */

#ifndef EQUALINFO_H
#define EQUALINFO_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* The alignment of a decoder's memory. */
#define EQUALINFO_ALIGNMENT 16

/* The value of equalinfo_memory as a constant, for a model with these dimensions, which an exported header defines as
 * M1_NANO_D and so on, and `context` positions. */
#define EQUALINFO_MEMORY(d, ff, layers, context) \
  (2048 + 4 * ((d) + ((d) / 8 * 7 > 64 ? (d) / 8 * 7 : 64) + 256) + (2 * (layers) * (d) + 1) * (context) + 6 * (d) + (ff))

/* What the tables of a class add to it; the memory of a decoder with tables alone is 2048 more. */
#define EQUALINFO_TABLES_4K 4672
#define EQUALINFO_TABLES_16K 15296
#define EQUALINFO_TABLES_64K 64512
#define EQUALINFO_TABLES_256K 257344
#define EQUALINFO_TABLES_1M 999744
#define EQUALINFO_TABLES_16M 16591296

// The result of a function. Numbers keep their meaning from one version to the next.
typedef enum EqualinfoStatus {
  // The function did all that was asked.
  EQUALINFO_STATUS_OK = 0,
  // A pointer is null although its length is not 0.
  EQUALINFO_STATUS_NULL_POINTER = 1,
  // The address of the memory is not a multiple of 16.
  EQUALINFO_STATUS_MISALIGNED = 2,
  // The memory is smaller than `equalinfo_memory` requires.
  EQUALINFO_STATUS_MEMORY_TOO_SMALL = 3,
  // The text does not fit the output.
  EQUALINFO_STATUS_OUTPUT_TOO_SMALL = 4,
  // The model or lexicon has not been loaded.
  EQUALINFO_STATUS_NOT_LOADED = 5,
  // The context is 0, or longer than the model allows.
  EQUALINFO_STATUS_BAD_CONTEXT = 6,
  // The width of windows is not a multiple of 8 from 16 to 128.
  EQUALINFO_STATUS_BAD_WINDOW_BITS = 7,
  // The image is not that of a model, lexicon or string table, or has a different format version.
  EQUALINFO_STATUS_NOT_AN_IMAGE = 16,
  // The image is cut short.
  EQUALINFO_STATUS_IMAGE_TRUNCATED = 17,
  // The image is damaged.
  EQUALINFO_STATUS_IMAGE_DAMAGED = 18,
  // The image is intact but outside the numeric contract.
  EQUALINFO_STATUS_IMAGE_INVALID = 19,
  // The input is not a stream, or has a different format version.
  EQUALINFO_STATUS_NOT_A_STREAM = 32,
  // The header of the stream is intact but has a value that the format does not allow.
  EQUALINFO_STATUS_HEADER_INVALID = 33,
  // The stream was written with a different model or lexicon.
  EQUALINFO_STATUS_WRONG_MODEL = 34,
  // The stream was written with a different context.
  EQUALINFO_STATUS_WRONG_CONTEXT = 35,
  // The decoder does not support the method of the stream, or does not have its tables.
  EQUALINFO_STATUS_WRONG_METHOD = 36,
  // The input ends before the stream or message does.
  EQUALINFO_STATUS_TRUNCATED = 37,
  // The stream or message is damaged.
  EQUALINFO_STATUS_DAMAGED = 38,
  // The table has no such text or language.
  EQUALINFO_STATUS_NO_STRING = 39,
} EqualinfoStatus;

// The encoder of messages, which lives in the caller's memory.
typedef struct EqualinfoEncoder EqualinfoEncoder;

// The tables of a class behind a model, for streams of method `mix`, and of `tables` and `ac` with the same.
typedef struct EqualinfoMix EqualinfoMix;

// The decoder of a stream, which lives in the caller's memory.
typedef struct EqualinfoStream EqualinfoStream;

// The tables of a class, for streams of method `tables`, which need no model.
typedef struct EqualinfoTables EqualinfoTables;

// A model whose image has been checked. The image stays where it is.
typedef struct EqualinfoModel {
  // The id that streams refer to.
  uint64_t id;
  // The longest context in positions.
  uint16_t context;
  // Bytes of memory that each position of context takes when decoding.
  uint32_t bytes_per_position;
  // Internal.
  uint32_t loaded;
  // Internal.
  uint64_t space[32];
} EqualinfoModel;

// A lexicon whose image has been checked. The image stays where it is.
typedef struct EqualinfoLexicon {
  // The id of its image.
  uint64_t id;
  // Internal.
  uint32_t loaded;
  // Internal.
  uint64_t space[12];
} EqualinfoLexicon;

// A string table whose blob has been checked. The blob stays where it is, at any alignment.
typedef struct EqualinfoStrings {
  // The upper half of the id of the model or lexicon that it needs.
  uint32_t model;
  // The context that the model runs with.
  uint16_t context;
  // The number of texts in each language.
  uint16_t strings;
  // The length of the longest text in bytes. A buffer of one byte more has room for each.
  uint16_t longest;
  // The number of languages.
  uint8_t languages;
  // Internal.
  uint32_t loaded;
  // Internal.
  uint64_t space[12];
} EqualinfoStrings;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Tables of 4 KiB.
extern const struct EqualinfoTables equalinfo_tables_4k;

// Tables of 4 KiB behind a model.
extern const struct EqualinfoMix equalinfo_mix_4k;

// Tables of 16 KiB.
extern const struct EqualinfoTables equalinfo_tables_16k;

// Tables of 16 KiB behind a model.
extern const struct EqualinfoMix equalinfo_mix_16k;

// Tables of 64 KiB.
extern const struct EqualinfoTables equalinfo_tables_64k;

// Tables of 64 KiB behind a model.
extern const struct EqualinfoMix equalinfo_mix_64k;

// Tables of 256 KiB.
extern const struct EqualinfoTables equalinfo_tables_256k;

// Tables of 256 KiB behind a model.
extern const struct EqualinfoMix equalinfo_mix_256k;

// Tables of 1 MiB.
extern const struct EqualinfoTables equalinfo_tables_1m;

// Tables of 1 MiB behind a model.
extern const struct EqualinfoMix equalinfo_mix_1m;

// Tables of 16 MiB.
extern const struct EqualinfoTables equalinfo_tables_16m;

// Tables of 16 MiB behind a model.
extern const struct EqualinfoMix equalinfo_mix_16m;

// The name of a status for people. Never null, whatever the number.
const char *equalinfo_status_name(int32_t status);

// Checks the image of a model, after which more bytes may follow, and prepares it for use. The image begins at a
// multiple of 4 in memory.
//
// # Safety
// `length` bytes at `image` stay readable and unchanged, and `model` is not moved, while the model is in use.
enum EqualinfoStatus equalinfo_model_load(struct EqualinfoModel *model, const uint8_t *image, size_t length);

// As `equalinfo_model_load`, but checks only the header and dimensions, in a few thousand instructions: for an image
// that is known to be as it was written. Whatever any other image decodes has no meaning, but nothing worse happens.
//
// # Safety
// As for `equalinfo_model_load`.
enum EqualinfoStatus equalinfo_model_load_trusting(struct EqualinfoModel *model, const uint8_t *image, size_t length);

// The number of bytes of memory that decoding takes with this model and `context` positions of context. 0 if the model
// is not loaded, or does not allow this context.
//
// # Safety
// `model` is null, or loaded, or holds zeros.
size_t equalinfo_memory(const struct EqualinfoModel *model, uint16_t context);

// Prepares to decode a stream, in `length` bytes of memory: `equalinfo_memory` returns how many are needed. The
// context is the one that the stream was compressed with. `stream` is set to the decoder, which is part of the memory,
// and is gone when the memory is used for something else.
//
// # Safety
// `model` is null, or loaded, or holds zeros. While the decoder is in use, the image of the model stays readable, and
// `length` bytes at `memory` can be read and written and are not used for anything else.
enum EqualinfoStatus equalinfo_stream_begin(struct EqualinfoStream **stream,
                                            const struct EqualinfoModel *model,
                                            uint16_t context,
                                            uint8_t *memory,
                                            size_t length);

// Decodes as far as the buffers allow. Sets `consumed` to the number of bytes taken from the input, and `written` to
// the number of bytes of text in the output. If both are 0, more input is needed, or more room, or the stream is
// complete. After an error, the text delivered from the damaged block may be wrong; all text before it is intact.
//
// # Safety
// `stream` is null, or comes from one of the functions that begin a stream. `input_length` bytes can be read at
// `input`, and `output_length` bytes written at `output`; the two do not overlap.
enum EqualinfoStatus equalinfo_stream_decode(struct EqualinfoStream *stream,
                                             const uint8_t *input,
                                             size_t input_length,
                                             size_t *consumed,
                                             uint8_t *output,
                                             size_t output_length,
                                             size_t *written);

// Goes on with another stream, which follows one that is complete: its text follows too. To be called only if there is
// more input. False if no stream is complete; then nothing has changed.
//
// # Safety
// `stream` is null, or comes from one of the functions that begin a stream.
bool equalinfo_stream_next(struct EqualinfoStream *stream);

// Checks that the stream is complete and every block intact. To be called at the end of the input.
//
// # Safety
// `stream` is null, or comes from one of the functions that begin a stream.
enum EqualinfoStatus equalinfo_stream_finish(const struct EqualinfoStream *stream);

// The number of bytes of memory that decoding takes with these tables alone. 0 if `tables` is null.
//
// # Safety
// `tables` is null, or points to one of the constants.
size_t equalinfo_tables_memory(const struct EqualinfoTables *tables);

// The number of bytes of memory that decoding takes with these tables behind this model with `context` positions of
// context. 0 if `mix` is null, the model is not loaded, or it does not allow this context.
//
// # Safety
// `mix` is null, or points to one of the constants. `model` is null, or loaded, or holds zeros.
size_t equalinfo_mix_memory(const struct EqualinfoMix *mix, const struct EqualinfoModel *model, uint16_t context);

// Prepares to decode a stream of method `tables`, or `static-ac`, in `length` bytes of memory:
// `equalinfo_tables_memory` returns how many are needed. `stream` is set to the decoder, which is part of the memory,
// and is gone when the memory is used for something else.
//
// # Safety
// `tables` is null, or points to one of the constants. While the decoder is in use, `length` bytes at `memory` can be
// read and written and are not used for anything else.
enum EqualinfoStatus equalinfo_tables_begin(struct EqualinfoStream **stream,
                                            const struct EqualinfoTables *tables,
                                            uint8_t *memory,
                                            size_t length);

// Prepares to decode a stream of method `mix`, or of the model or the tables alone, in `length` bytes of memory:
// `equalinfo_mix_memory` returns how many are needed. All else is as for `equalinfo_stream_begin`.
//
// # Safety
// `mix` is null, or points to one of the constants. The promises of `equalinfo_stream_begin`.
enum EqualinfoStatus equalinfo_mix_begin(struct EqualinfoStream **stream,
                                         const struct EqualinfoMix *mix,
                                         const struct EqualinfoModel *model,
                                         uint16_t context,
                                         uint8_t *memory,
                                         size_t length);

// Decodes a message that `equalinfo compress --raw` wrote: windows with nothing around them, not even a checksum.
// Memory is needed as for a stream.
//
// # Safety
// The promises of `equalinfo_stream_begin`, during the call; `payload_length` bytes can be read at `payload`, and
// `text_length` bytes written at `text`.
enum EqualinfoStatus equalinfo_message_decode(const struct EqualinfoModel *model,
                                              uint16_t context,
                                              uint8_t *memory,
                                              size_t memory_length,
                                              const uint8_t *payload,
                                              size_t payload_length,
                                              uint8_t *text,
                                              size_t text_length,
                                              size_t *written);

// As `equalinfo_message_decode`, for a message with a check of 8 or 16 bits at its end: `compress --raw --check 16`, or
// an encoder that was begun with 16. A message that is damaged or of another model or context is
// `EQUALINFO_STATUS_DAMAGED`, but for one of 256 with 8 bits and one of 65,536 with 16. With 0 bits there is no check.
//
// # Safety
// As for `equalinfo_message_decode`.
enum EqualinfoStatus equalinfo_message_decode_checked(const struct EqualinfoModel *model,
                                                      uint16_t context,
                                                      uint8_t *memory,
                                                      size_t memory_length,
                                                      uint8_t check_bits,
                                                      const uint8_t *payload,
                                                      size_t payload_length,
                                                      uint8_t *text,
                                                      size_t text_length,
                                                      size_t *written);

// Encodes a text as a message, as `equalinfo compress --raw` does; it is never more than a byte longer than the text.
// Memory is needed as for a stream.
//
// # Safety
// The promises of `equalinfo_stream_begin`, during the call; `text_length` bytes can be read at `text`, and
// `payload_length` bytes written at `payload`.
enum EqualinfoStatus equalinfo_message_encode(const struct EqualinfoModel *model,
                                              uint16_t context,
                                              uint8_t *memory,
                                              size_t memory_length,
                                              const uint8_t *text,
                                              size_t text_length,
                                              uint8_t *payload,
                                              size_t payload_length,
                                              size_t *written);

// Decodes one Equal-Info window of `window_bits` bits at `window`, in the default code. Windows decode alone and in
// any order. Memory is needed as for a stream.
//
// # Safety
// The promises of `equalinfo_stream_begin`, during the call; `window_bits / 8` bytes can be read at `window`, and
// `text_length` bytes written at `text`.
enum EqualinfoStatus equalinfo_window_decode(const struct EqualinfoModel *model,
                                             uint16_t context,
                                             uint8_t *memory,
                                             size_t memory_length,
                                             uint32_t window_bits,
                                             const uint8_t *window,
                                             uint8_t *text,
                                             size_t text_length,
                                             size_t *written);

// Prepares to encode messages, one after the other, in `length` bytes of memory: `equalinfo_memory` returns how many are
// needed. The receiver decodes with the same context and `check_bits`, which are 0, 8 or 16 bits at the end of every
// message that tell damage. `encoder` is set to the encoder, which is part of the memory, and is gone when the memory is
// used for something else.
//
// # Safety
// `model` is null, or loaded, or holds zeros. While the encoder is in use, the image of the model stays readable, and
// `length` bytes at `memory` can be read and written and are not used for anything else.
enum EqualinfoStatus equalinfo_encoder_begin(struct EqualinfoEncoder **encoder,
                                             const struct EqualinfoModel *model,
                                             uint16_t context,
                                             uint8_t check_bits,
                                             uint8_t *memory,
                                             size_t length);

// Appends a byte to the text, with one step of the model (two for the first of all). `written` is set to the number of
// bytes at `window` that come next in the message: 16 whenever a window is full, else 0. `window_length` is at least 16
// in every call; with less the status is `EQUALINFO_STATUS_OUTPUT_TOO_SMALL` and nothing has changed.
//
// # Safety
// `encoder` is null, or comes from `equalinfo_encoder_begin`. `window_length` bytes can be written at `window`.
enum EqualinfoStatus equalinfo_encoder_push(struct EqualinfoEncoder *encoder,
                                            uint8_t byte,
                                            uint8_t *window,
                                            size_t window_length,
                                            size_t *written);

// Ends the message: the `written` bytes at `end` are its last, at most 18. The next byte that is pushed begins another
// message. The empty text has no bytes. `end_length` is at least 18; with less the status is
// `EQUALINFO_STATUS_OUTPUT_TOO_SMALL` and nothing has changed. A text that the model makes longer is not stored, as by
// `equalinfo_message_encode`: whoever has the whole text can compare.
//
// # Safety
// `encoder` is null, or comes from `equalinfo_encoder_begin`. `end_length` bytes can be written at `end`.
enum EqualinfoStatus equalinfo_encoder_finish(struct EqualinfoEncoder *encoder,
                                              uint8_t *end,
                                              size_t end_length,
                                              size_t *written);

// Checks the image of a lexicon, after which more bytes may follow, and prepares it for use.
//
// # Safety
// `length` bytes at `image` stay readable and unchanged while the lexicon is in use.
enum EqualinfoStatus equalinfo_lexicon_load(struct EqualinfoLexicon *lexicon, const uint8_t *image, size_t length);

// As `equalinfo_lexicon_load`, but checks only the header and the codes of single bytes: for an image that is known to
// be as it was written. Whatever any other image decodes has no meaning, but nothing worse happens.
//
// # Safety
// As for `equalinfo_lexicon_load`.
enum EqualinfoStatus equalinfo_lexicon_load_trusting(struct EqualinfoLexicon *lexicon,
                                                     const uint8_t *image,
                                                     size_t length);

// Decodes one code. Every code has a text, no longer than the context of the model: at most 256 bytes.
//
// # Safety
// `lexicon` is null, or loaded, or holds zeros, and its image stays readable; `text_length` bytes can be written at
// `text`.
enum EqualinfoStatus equalinfo_lexicon_decode(const struct EqualinfoLexicon *lexicon,
                                              uint16_t code,
                                              uint8_t *text,
                                              size_t text_length,
                                              size_t *written);

// Decodes a whole stream in memory, and passes its text to `print` byte by byte, together with `user`. After an error,
// the text delivered from the damaged block may be wrong; all text before it is intact.
//
// # Safety
// `lexicon` is null, or loaded, or holds zeros, and its image stays readable; `length` bytes can be read at `stream`;
// `print` returns normally.
enum EqualinfoStatus equalinfo_lexicon_decode_stream(const struct EqualinfoLexicon *lexicon,
                                                     const uint8_t *stream,
                                                     size_t length,
                                                     void (*print)(uint8_t byte, void *user),
                                                     void *user);

// Checks a string table, after which more bytes may follow, and prepares it for use.
//
// # Safety
// `length` bytes at `blob` stay readable and unchanged while the table is in use.
enum EqualinfoStatus equalinfo_strings_load(struct EqualinfoStrings *strings, const uint8_t *blob, size_t length);

// As `equalinfo_strings_load`, but checks only the header: for a blob that is known to be as it was written. Whatever
// any other blob decodes has no meaning, but nothing worse happens.
//
// # Safety
// As for `equalinfo_strings_load`.
enum EqualinfoStatus equalinfo_strings_load_trusting(struct EqualinfoStrings *strings,
                                                     const uint8_t *blob,
                                                     size_t length);

// Sets `language` to the number of the language of this name. `EQUALINFO_STATUS_NO_STRING` if the table has none.
//
// # Safety
// `strings` is null, or loaded, or holds zeros, and its blob stays readable; `name` is null or ends in a zero byte.
enum EqualinfoStatus equalinfo_strings_language(const struct EqualinfoStrings *strings,
                                                const char *name,
                                                uint8_t *language);

// Decodes text `id` of a language with the model of the table, and ends it with a zero byte. Memory is needed as for a
// stream with `strings->context` positions of context. `written`, which may be null, is the length without the zero.
//
// # Safety
// The promises of `equalinfo_stream_begin`, during the call; `strings` is null, or loaded, or holds zeros, and its
// blob stays readable; `text_length` bytes can be written at `text`.
enum EqualinfoStatus equalinfo_string_decode(const struct EqualinfoStrings *strings,
                                             const struct EqualinfoModel *model,
                                             uint8_t *memory,
                                             size_t memory_length,
                                             uint8_t language,
                                             uint16_t id,
                                             char *text,
                                             size_t text_length,
                                             size_t *written);

// As `equalinfo_string_decode`, for a table of codes of a lexicon, which need no memory.
//
// # Safety
// `strings` and `lexicon` are null, or loaded, or hold zeros, and what they are views of stays readable;
// `text_length` bytes can be written at `text`.
enum EqualinfoStatus equalinfo_string_decode_by_lexicon(const struct EqualinfoStrings *strings,
                                                        const struct EqualinfoLexicon *lexicon,
                                                        uint8_t language,
                                                        uint16_t id,
                                                        char *text,
                                                        size_t text_length,
                                                        size_t *written);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EQUALINFO_H */
