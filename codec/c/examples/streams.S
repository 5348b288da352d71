/* The compressed texts. The assembler's search path contains their directory. */
        .section .rodata.streams, "a"
        .global stream_begin, stream_end, message_begin, message_end
stream_begin:
        .incbin "nano.eqi"
stream_end:
message_begin:
        .incbin "string-7.eqm"
message_end:

/* No executable stack. */
#if defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif

