/* Decodes a stream in flash through small buffers, then a text of a string table, with the model `pico`. The same file runs on a
 * microcontroller (cortex-m/) and on a host; only `print` and the caller of `run` differ. */
#include "example.h"

#include "equalinfo.h"
#define EQUALINFO_IMPLEMENTATION /* In one file of a program: the images are defined here. */
#include "pico.h"                /* equalinfo export --format c --model pico */
#include "strings.h"             /* equalinfo table build --model pico --c strings.h */

/* Defined by streams.S. */
extern const uint8_t stream_begin[], stream_end[];

/* The context that the stream was compressed with: equalinfo compress --context. The table knows its own. */
#define STREAM_CONTEXT 64

/* The text to read from the table. */
#define TEXT 7

/* All the memory that decoding takes, besides about 5.75 KiB of stack. */
#if defined(__GNUC__)
__attribute__((aligned(EQUALINFO_ALIGNMENT)))
#endif
static uint8_t memory[EQUALINFO_MEMORY(M1_PICO_D, M1_PICO_FF, M1_PICO_LAYERS, STREAM_CONTEXT)];

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

static EqualinfoStatus decode_text(void)
{
    static EqualinfoStrings table;
    char text[STRINGS_LONGEST + 1];
    size_t written;
    EqualinfoStatus status = equalinfo_strings_load(&table, strings, sizeof strings);
    if (status == EQUALINFO_STATUS_OK) {
        status = equalinfo_string_decode(&table, &model, memory, sizeof memory, 0, TEXT, text, sizeof text, &written);
    }
    if (status == EQUALINFO_STATUS_OK) {
        print((const uint8_t *)text, written);
        print((const uint8_t *)"\n", 1);
    }
    return status;
}

const char *run(void)
{
    EqualinfoStatus status = equalinfo_model_load(&model, m1_pico, sizeof m1_pico);
    if (status == EQUALINFO_STATUS_OK && equalinfo_memory(&model, STREAM_CONTEXT) != sizeof memory) {
        status = EQUALINFO_STATUS_MEMORY_TOO_SMALL;
    }
    if (status == EQUALINFO_STATUS_OK) {
        status = decode_stream();
    }
    if (status == EQUALINFO_STATUS_OK) {
        status = decode_text();
    }
    return status == EQUALINFO_STATUS_OK ? 0 : equalinfo_status_name(status);
}
