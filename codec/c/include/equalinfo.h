/* EqualInfo: decoding short texts and streams of text on any device.
 *
 * Nothing here allocates, blocks or uses floating point; all memory is the caller's. Images of models and lexicons are
 * used where they are, in flash for example, and must stay there; so must the memory of a decoder while it is in use.
 * No function may be given memory that another one is using at the same time; otherwise all are re-entrant.
 *
 * Generated from codec/c/src by `UPDATE_HEADER=1 cargo test -p equalinfo-codec-c`; change the sources instead. */

#ifndef EQUALINFO_H
#define EQUALINFO_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* What the memory of a decoder is aligned to. */
#define EQUALINFO_ALIGNMENT 16

/* What equalinfo_memory returns, as a constant: for a model with these dimensions (an exported header has them as
 * M1_NANO_D and so on) and `context` positions. */
#define EQUALINFO_MEMORY(d, ff, layers, context) \
  (2048 + 4 * ((d) + ((d) / 8 * 7 > 64 ? (d) / 8 * 7 : 64) + 256) + (2 * (layers) * (d) + 1) * (context) + 6 * (d) + (ff))

// What a function has to say. Numbers keep their meaning from one version to the next.
typedef enum EqualinfoStatus {
  // Everything that was asked for has been done.
  EQUALINFO_STATUS_OK = 0,
  // A pointer is null whose length is not 0.
  EQUALINFO_STATUS_NULL_POINTER = 1,
  // The memory does not begin at a multiple of 16 bytes.
  EQUALINFO_STATUS_MISALIGNED = 2,
  // The memory is smaller than the function for its size says.
  EQUALINFO_STATUS_MEMORY_TOO_SMALL = 3,
  // The text does not fit the output.
  EQUALINFO_STATUS_OUTPUT_TOO_SMALL = 4,
  // The model or lexicon has not been loaded.
  EQUALINFO_STATUS_NOT_LOADED = 5,
  // A context of 0 positions, or of more than the model has.
  EQUALINFO_STATUS_BAD_CONTEXT = 6,
  // A width that no window has: not a multiple of 8 in 16 to 128.
  EQUALINFO_STATUS_BAD_WINDOW_BITS = 7,
  // The image is not one of a model or lexicon, or of another version.
  EQUALINFO_STATUS_NOT_AN_IMAGE = 16,
  // The image is cut short.
  EQUALINFO_STATUS_IMAGE_TRUNCATED = 17,
  // The image is damaged.
  EQUALINFO_STATUS_IMAGE_DAMAGED = 18,
  // The image is intact but outside the numeric contract.
  EQUALINFO_STATUS_IMAGE_INVALID = 19,
  // The bytes are not those of a stream, or of another version.
  EQUALINFO_STATUS_NOT_A_STREAM = 32,
  // The stream's header has no meaning.
  EQUALINFO_STATUS_HEADER_INVALID = 33,
  // The stream was written with another model or lexicon.
  EQUALINFO_STATUS_WRONG_MODEL = 34,
  // The stream was written with another context.
  EQUALINFO_STATUS_WRONG_CONTEXT = 35,
  // The stream is of a method that cannot be decoded so.
  EQUALINFO_STATUS_WRONG_METHOD = 36,
  // The input ends before the stream or message does.
  EQUALINFO_STATUS_TRUNCATED = 37,
  // The stream or message is damaged.
  EQUALINFO_STATUS_DAMAGED = 38,
} EqualinfoStatus;

// The decoder of a stream. It lives in the caller's memory.
typedef struct EqualinfoStream EqualinfoStream;

// A model that has been checked. Its image stays where it is.
typedef struct EqualinfoModel {
  // The id that streams name.
  uint64_t id;
  // The longest context in positions.
  uint16_t context;
  // Bytes that decoding with this model takes for every position of context.
  uint32_t bytes_per_position;
  // Internal.
  uint32_t loaded;
  // Internal.
  uint64_t space[24];
} EqualinfoModel;

// A lexicon that has been checked. Its image stays where it is.
typedef struct EqualinfoLexicon {
  // The id that streams name.
  uint64_t id;
  // Internal.
  uint32_t loaded;
  // Internal.
  uint64_t space[12];
} EqualinfoLexicon;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The name of a status, for people. It is never null, whatever the number.
const char *equalinfo_status_name(int32_t status);

// Checks the image of a model, which may be longer than the model is, and prepares it for use.
//
// # Safety
// `length` bytes at `image` stay readable and unchanged, and `model` is not moved, while the model is in use.
enum EqualinfoStatus equalinfo_model_load(struct EqualinfoModel *model, const uint8_t *image, size_t length);

// How many bytes of memory decoding with this model takes, with so many positions of context. 0: the model is not
// loaded, or has no such context.
//
// # Safety
// `model` is null or has been loaded, or holds zeros.
size_t equalinfo_memory(const struct EqualinfoModel *model, uint16_t context);

// Prepares decoding a stream in `length` bytes of memory, of which `equalinfo_memory` says how many there must be. The
// context is the one that the stream was compressed with. `stream` is where the decoder is to be found: it is part of
// the memory, and gone when the memory is used for something else.
//
// # Safety
// `model` is null, or loaded, or holds zeros; its image stays readable, and `length` bytes at `memory` are not used for
// anything else, while the decoder is in use.
enum EqualinfoStatus equalinfo_stream_begin(struct EqualinfoStream **stream,
                                            const struct EqualinfoModel *model,
                                            uint16_t context,
                                            uint8_t *memory,
                                            size_t length);

// Decodes as far as the buffers allow. `consumed` and `written` are always set: bytes that were taken from the input
// and bytes of text that were put into the output. Neither grows when more input is needed, or more room. After an
// error the text of the damaged block that was delivered is not to be trusted, all before it is.
//
// # Safety
// `stream` comes from `equalinfo_stream_begin`; as many bytes as said can be read at `input` and written at `output`,
// which do not overlap.
enum EqualinfoStatus equalinfo_stream_decode(struct EqualinfoStream *stream,
                                             const uint8_t *input,
                                             size_t input_length,
                                             size_t *consumed,
                                             uint8_t *output,
                                             size_t output_length,
                                             size_t *written);

// To be called at the end of the input: `EQUALINFO_STATUS_OK` if the stream is complete and every block intact.
//
// # Safety
// `stream` comes from `equalinfo_stream_begin`.
enum EqualinfoStatus equalinfo_stream_finish(const struct EqualinfoStream *stream);

// Decodes a message of `equalinfo compress --raw`: windows and nothing around them, not even a checksum. The memory is
// as for a stream.
//
// # Safety
// As `equalinfo_stream_begin`, during the call; as many bytes as said can be read at `payload` and written at `text`.
enum EqualinfoStatus equalinfo_message_decode(const struct EqualinfoModel *model,
                                              uint16_t context,
                                              uint8_t *memory,
                                              size_t memory_length,
                                              const uint8_t *payload,
                                              size_t payload_length,
                                              uint8_t *text,
                                              size_t text_length,
                                              size_t *written);

// Decodes one Equal-Info window of `window_bits` bits, that many bits from `window` on, in the default code. Windows
// decode alone, in any order. The memory is as for a stream.
//
// # Safety
// As `equalinfo_stream_begin`, during the call; `window_bits / 8` bytes can be read at `window`, and as many as said
// written at `text`.
enum EqualinfoStatus equalinfo_window_decode(const struct EqualinfoModel *model,
                                             uint16_t context,
                                             uint8_t *memory,
                                             size_t memory_length,
                                             uint32_t window_bits,
                                             const uint8_t *window,
                                             uint8_t *text,
                                             size_t text_length,
                                             size_t *written);

// Checks the image of a lexicon, which may be longer than the lexicon is, and prepares it for use.
//
// # Safety
// `length` bytes at `image` stay readable and unchanged while the lexicon is in use.
enum EqualinfoStatus equalinfo_lexicon_load(struct EqualinfoLexicon *lexicon, const uint8_t *image, size_t length);

// The text of one code; every code has one, of at most 256 bytes.
//
// # Safety
// `lexicon` is null, or loaded, or holds zeros, and its image stays; as many bytes as said can be written at `text`.
enum EqualinfoStatus equalinfo_lexicon_decode(const struct EqualinfoLexicon *lexicon,
                                              uint16_t code,
                                              uint8_t *text,
                                              size_t text_length,
                                              size_t *written);

// Decodes a stream that lies in memory as a whole, and hands its text to `print` byte by byte, with `user` as it came.
// After an error the text of the damaged block that was delivered is not to be trusted, all before it is.
//
// # Safety
// `lexicon` is null, or loaded, or holds zeros, and its image stays; `length` bytes can be read at `stream`; `print`
// returns.
enum EqualinfoStatus equalinfo_lexicon_decode_stream(const struct EqualinfoLexicon *lexicon,
                                                     const uint8_t *stream,
                                                     size_t length,
                                                     void (*print)(uint8_t byte, void *user),
                                                     void *user);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EQUALINFO_H */
