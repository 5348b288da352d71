/* The decoder in one translation unit: this file is all that a build names. Its parts are in `src`, in the order in
 * which a text passes through them. The pages of codec/docs specify each part; comments name them.
 *
 * What the C standard leaves to the implementation and this relies on is asserted in src/common.inc: two's complement,
 * and shifts of negative numbers that keep the sign. `int` may have 16 bits; bytes have 8. */

#include "equalinfo_decoder.h"

/* This pass of avr-gcc loses the address spaces of pointers in loops (found in 5.4). */
#if defined(EQUALINFO_AVR_FLASH) && defined(__GNUC__)
#pragma GCC optimize("no-ivopts")
#endif

#include "src/common.inc"

/* What the next byte may be: a model. */
#ifndef EQUALINFO_NO_MODEL
#include "src/image.inc"
#include "src/model.inc"
#endif

/* From bits to bytes. */
#include "src/range_coder.inc"
#include "src/wide.inc"
#include "src/window.inc"
#ifndef EQUALINFO_NO_LEXICON
#include "src/lexicon.inc"
#endif
#if !defined(EQUALINFO_NO_TABLES) && !defined(EQUALINFO_NO_STREAMS)
#include "src/tables.inc"
#include "src/mix.inc"
#endif

/* From payloads to texts. */
#if !defined(EQUALINFO_NO_MODEL) && (!defined(EQUALINFO_NO_MESSAGES) || !defined(EQUALINFO_NO_WINDOWS))
#include "src/message.inc"
#endif
#ifndef EQUALINFO_NO_STRINGS
#include "src/strings.inc"
#endif
#ifndef EQUALINFO_NO_STREAMS
#include "src/stream.inc"
#endif
