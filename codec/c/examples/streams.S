/* The compressed text. The assembler's search path contains their directory. */
        .section .rodata.streams, "a"
        .global stream_begin, stream_end
stream_begin:
        .incbin "pico.eqi"
stream_end:

/* No executable stack. */
#if defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif

