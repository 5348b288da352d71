/* The decoder of one peer, chosen by PEER_..., through the buffers of ours where it can: 16 bytes in, 32 out. */
#include "payload.h"
#include "peer.h"

#if defined(PEER_TAMP)
#include "decompressor.h"

static unsigned char window[1024];
static TampDecompressor decompressor;

int decode(void) {
  unsigned char text[32];
  size_t at = 0, written, consumed;
  tamp_res result;
  begin();
  result = tamp_decompressor_init(&decompressor, NULL, window, 10);
  end();
  while (result == TAMP_OK || result == TAMP_OUTPUT_FULL || (result == TAMP_INPUT_EXHAUSTED && at < sizeof payload)) {
    size_t left = sizeof payload - at < 16 ? sizeof payload - at : 16;
    begin();
    result = tamp_decompressor_decompress(&decompressor, text, sizeof text, &written, payload + at, left, &consumed);
    end();
    print(text, written);
    at += consumed;
  }
  return result == TAMP_INPUT_EXHAUSTED;
}

#elif defined(PEER_HEATSHRINK)
/* Its static buffers, as its configuration has them: 32 bytes in, a window of 256. */
#include "heatshrink_decoder.h"

static heatshrink_decoder decoder;

int decode(void) {
  uint8_t text[32];
  size_t at = 0, taken, written;
  HSD_poll_res polled;
  heatshrink_decoder_reset(&decoder);
  while (at < sizeof payload) {
    begin();
    if (heatshrink_decoder_sink(&decoder, (uint8_t *)payload + at, sizeof payload - at < 16 ? sizeof payload - at : 16,
                                &taken) != HSDR_SINK_OK)
      return 0;
    end();
    at += taken;
    do {
      begin();
      polled = heatshrink_decoder_poll(&decoder, text, sizeof text, &written);
      end();
      print(text, written);
    } while (polled == HSDR_POLL_MORE);
  }
  return polled == HSDR_POLL_EMPTY;
}

#elif defined(PEER_UNISHOX2)
#include "unishox2.h"

/* It needs its whole text in memory. */
static char text[TEXT_LENGTH + 16];

int decode(void) {
  int length;
  begin();
  length = unishox2_decompress_simple((const char *)payload, sizeof payload, text);
  end();
  if (length != TEXT_LENGTH) return 0;
  print(text, (size_t)length);
  return 1;
}

#elif defined(PEER_DEFLATE)
#define MINIZ_HEADER_FILE_ONLY
#include "miniz.h"

/* Back references reach into the text, which is in memory: 32 KiB of window are not. */
static mz_uint8 text[TEXT_LENGTH];
static tinfl_decompressor inflator;

int decode(void) {
  size_t consumed = sizeof payload, written = sizeof text;
  tinfl_status status;
  begin();
  tinfl_init(&inflator);
  status = tinfl_decompress(&inflator, payload, &consumed, text, text, &written, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
  end();
  if (status != TINFL_STATUS_DONE || written != TEXT_LENGTH) return 0;
  print(text, written);
  return 1;
}
#endif
