/* ASCII's. */
static inline int isdigit(int c) { return c >= '0' && c <= '9'; }
static inline int isupper(int c) { return c >= 'A' && c <= 'Z'; }
static inline int islower(int c) { return c >= 'a' && c <= 'z'; }
static inline int tolower(int c) { return isupper(c) ? c + 'a' - 'A' : c; }
static inline int toupper(int c) { return islower(c) ? c + 'A' - 'a' : c; }
