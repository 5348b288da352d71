/* The compressed text, and the lines of telemetry. The assembler's search path contains their directories. */
        .section .rodata.streams, "a"
        .global stream_begin, stream_end
stream_begin:
        .incbin "pico.eqi"
stream_end:

        .section .rodata.lines, "a"
        .global lines_begin, lines_end
lines_begin:
        .incbin "telemetry.txt"
lines_end:

/* No executable stack. */
#if defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif

