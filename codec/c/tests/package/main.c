/* Links every kind of decoder from the package; it is never run. */
#include "equalinfo.h"

static EqualinfoModel model;
static EqualinfoStrings strings;

/* What the linker begins with. */
int _start(const uint8_t *image, uint32_t length, float number) {
  (void)number; /* Of the ABI that the flags name. */
  return (int)equalinfo_model_load(&model, image, length) + (int)equalinfo_strings_load(&strings, image, length);
}
