/* The decoder on an ATmega2560, where int has 16 bits and pointers to flash have 24: prints the text of a message, then
 * that of a stream, then a line of its own, to the serial port. flash.S includes model, message and stream. */

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

#include "../equalinfo_decoder.h"

#define CONTEXT 16

extern const __memx uint8_t model_image[], model_end[], message[], message_end[], stream_start[], stream_end[];

static EqualinfoModel model;
/* As much as the tables take, and the model less. */
static uint64_t memory[(EQUALINFO_STATE + EQUALINFO_TABLES_4K) / 8];

static void print(uint8_t byte) {
  while (!(UCSR0A & (1 << UDRE0))) {
  }
  UDR0 = byte;
}

static void print_line(const char *line) {
  while (*line) print((uint8_t)*line++);
  print('\n');
}

static EqualinfoStatus decode_message(void) {
  static uint8_t payload[256], text[256];
  size_t length = (size_t)(message_end - message), written, i;
  EqualinfoStatus status;
  for (i = 0; i < length && i < sizeof payload; i++) payload[i] = message[i];
  status = equalinfo_message_decode(&model, CONTEXT, (uint8_t *)memory, sizeof memory, payload, length, text,
                                    sizeof text, &written);
  for (i = 0; i < written; i++) print(text[i]);
  return status;
}

static EqualinfoStatus decode_stream(void) {
  EqualinfoStream *stream;
  const __memx uint8_t *next = stream_start;
  EqualinfoStatus status = equalinfo_tables_begin(&stream, &equalinfo_tables_4k, (uint8_t *)memory, sizeof memory);
  uint8_t input[16], text[16];
  size_t given = 0, consumed, written, i;
  if (status != EQUALINFO_STATUS_OK) return status;
  do {
    /* What has not been taken moves to the front, and more follows it. */
    for (; given < sizeof input && next < stream_end; given++) input[given] = *next++;
    status = equalinfo_stream_decode(stream, input, given, &consumed, text, sizeof text, &written);
    if (status != EQUALINFO_STATUS_OK) return status;
    for (i = 0; i < written; i++) print(text[i]);
    for (i = consumed; i < given; i++) input[i - consumed] = input[i];
    given -= consumed;
  } while (consumed > 0 || written > 0);
  return equalinfo_stream_finish(stream);
}

int main(void) {
  EqualinfoStatus status;
  UCSR0B = 1 << TXEN0;
  status = equalinfo_model_load(&model, model_image, (uint32_t)(model_end - model_image));
  if (status == EQUALINFO_STATUS_OK) status = decode_message();
  if (status == EQUALINFO_STATUS_OK) status = decode_stream();
  print_line(equalinfo_status_name((int32_t)status));
  /* Ends the simulation. */
  cli();
  sleep_enable();
  sleep_cpu();
  return 0;
}
