/* Decodes a stream in flash through small buffers, then a message, with the model `nano`. The same file runs on a
 * microcontroller (cortex-m/) and on a host; only `print` and the caller of `decode` differ. */
#include "decode.h"

#include "equalinfo.h"
#include "nano.h" /* equalinfo export --format c --model nano */

/* Defined by streams.S. */
extern const uint8_t stream_begin[], stream_end[];
extern const uint8_t message_begin[], message_end[];

/* The contexts that stream and message were compressed with: equalinfo compress --context. */
#define STREAM_CONTEXT 64
#define MESSAGE_CONTEXT 32

/* All the memory that decoding takes, besides a few KiB of stack. */
#if defined(__GNUC__)
__attribute__((aligned(EQUALINFO_ALIGNMENT)))
#endif
static uint8_t memory[EQUALINFO_MEMORY(M1_NANO_D, M1_NANO_FF, M1_NANO_LAYERS, STREAM_CONTEXT)];

static EqualinfoModel model;

static EqualinfoStatus decode_stream(void)
{
    EqualinfoStream *stream;
    EqualinfoStatus status = equalinfo_stream_begin(&stream, &model, STREAM_CONTEXT, memory, sizeof memory);
    const uint8_t *input = stream_begin;
    uint8_t text[32];
    size_t consumed, written;

    while (status == EQUALINFO_STATUS_OK) {
        /* Sixteen bytes at a time, as if from serial flash. */
        size_t left = (size_t)(stream_end - input);
        status = equalinfo_stream_decode(stream, input, left < 16 ? left : 16, &consumed, text, sizeof text, &written);
        if (status != EQUALINFO_STATUS_OK) {
            return status;
        }
        print(text, written);
        input += consumed;
        if (consumed == 0 && written == 0) {
            return equalinfo_stream_finish(stream);
        }
    }
    return status;
}

static EqualinfoStatus decode_message(void)
{
    uint8_t text[128];
    size_t written;
    EqualinfoStatus status = equalinfo_message_decode(&model, MESSAGE_CONTEXT, memory, sizeof memory, message_begin,
                                                      (size_t)(message_end - message_begin), text, sizeof text, &written);
    if (status == EQUALINFO_STATUS_OK) {
        print(text, written);
        print((const uint8_t *)"\n", 1);
    }
    return status;
}

const char *decode(void)
{
    EqualinfoStatus status = equalinfo_model_load(&model, m1_nano, sizeof m1_nano);
    if (status == EQUALINFO_STATUS_OK && equalinfo_memory(&model, STREAM_CONTEXT) != sizeof memory) {
        status = EQUALINFO_STATUS_MEMORY_TOO_SMALL;
    }
    if (status == EQUALINFO_STATUS_OK) {
        status = decode_stream();
    }
    if (status == EQUALINFO_STATUS_OK) {
        status = decode_message();
    }
    return status == EQUALINFO_STATUS_OK ? 0 : equalinfo_status_name(status);
}
