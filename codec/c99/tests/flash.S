; What tests/avr.c decodes, in flash: files of the folder in which it is assembled.

.global model_image, model_end, message, message_end, stream_start, stream_end
.section .progmemx.data, "a", @progbits

model_image:
.incbin "avr.m1q"
model_end:

message:
.incbin "avr.eqm"
message_end:

stream_start:
.incbin "avr.eqi"
stream_end:
