/* The compressed texts, as they are: the assembler's search path has the directory that they lie in. */
        .section .rodata.streams, "a"
        .global stream_begin, stream_end, message_begin, message_end
stream_begin:
        .incbin "nano.eqi"
stream_end:
message_begin:
        .incbin "string-7.eqm"
message_end:

#if defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif

/* No executable stack. */
.section .note.GNU-stack, "", %progbits
