/* Links the installed decoder: a text of a table, or what went wrong. */

#include <stdio.h>

#include "equalinfo_decoder.h"

#ifndef EQUALINFO_NO_LEXICON
#error "the switches of the library hold here too"
#endif

int main(void) {
  static const uint8_t blob[] = "EQT1\x23\0\0\0\x77\x62\x7c\x70\0\0\0\0\0\0\2\0\1\1\3\0\1\0\0\xb8\xfdon\xfdoff";
  EqualinfoStrings strings;
  EqualinfoStatus status = equalinfo_strings_load(&strings, blob, sizeof blob - 1);
  printf("%s, %u texts of up to %u bytes\n", equalinfo_status_name((int32_t)status), (unsigned)strings.strings,
         (unsigned)strings.longest);
  return (int)status;
}
