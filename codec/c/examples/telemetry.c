/* Sends lines of telemetry: each is encoded byte by byte as it comes, with the model `pico`, and leaves as a message behind
 * a byte with its length. No call takes longer than one step of the model. `equalinfo decompress --raw --model pico
 * --context 32 --check 16` reads a message. */
#include "example.h"

#include "equalinfo.h"
#define EQUALINFO_IMPLEMENTATION /* In one file of a program: the image is defined here. */
#include "pico.h"                /* equalinfo export --format c --model pico */

/* What a sensor would say; defined by streams.S. */
extern const uint8_t lines_begin[], lines_end[];

/* What the receiver decodes with, too: the context, and the bits at the end of each message that tell damage. */
#define CONTEXT 32
#define CHECK 16

/* The longest message that the radio takes. */
#define LONGEST 80

/* All the memory that encoding takes, besides about 3.5 KiB of stack. */
#if defined(__GNUC__)
__attribute__((aligned(EQUALINFO_ALIGNMENT)))
#endif
static uint8_t memory[EQUALINFO_MEMORY(M1_PICO_D, M1_PICO_FF, M1_PICO_LAYERS, CONTEXT)];

static EqualinfoModel model;

/* A length, and the message that is being made; a window and the end of a message may follow each other in it. */
static uint8_t packet[1 + LONGEST];

const char *run(void)
{
    EqualinfoEncoder *encoder;
    size_t length = 0, written;
    const uint8_t *byte;
    /* The flash was verified when it was written; equalinfo_model_load checks the whole image. */
    EqualinfoStatus status = equalinfo_model_load_trusting(&model, m1_pico, sizeof m1_pico);
    if (status == EQUALINFO_STATUS_OK) {
        status = equalinfo_encoder_begin(&encoder, &model, CONTEXT, CHECK, memory, sizeof memory);
    }
    for (byte = lines_begin; byte < lines_end && status == EQUALINFO_STATUS_OK; byte++) {
        uint8_t *place = packet + 1 + length;
        if (*byte != '\n') {
            status = equalinfo_encoder_push(encoder, *byte, place, LONGEST - length, &written);
        } else {
            status = equalinfo_encoder_finish(encoder, place, LONGEST - length, &written);
        }
        if (status != EQUALINFO_STATUS_OK) {
            break; /* The line takes more than the radio does. */
        }
        length += written;
        if (*byte == '\n') {
            packet[0] = (uint8_t)length;
            print(packet, 1 + length); /* A radio would send it here. */
            length = 0;
        }
    }
    return status == EQUALINFO_STATUS_OK ? 0 : equalinfo_status_name(status);
}
