@ Common parts of the functions. MLA is 1 where one instruction adds a product to a sum, as on Cortex-M3.
.syntax unified

.macro function name
    .section .text.\name, "ax", %progbits
    .global \name
    .type \name, %function
    .thumb_func
\name:
    push {r4, r5, r6, r7, lr}
.endm

.macro return name
    pop {r4, r5, r6, r7, pc}
    .size \name, . - \name
.endm

@ Adds the product of two registers to a third. The first register may be overwritten.
.macro add_product factor, other, sum
    .if MLA
    mla \sum, \factor, \other, \sum
    .else
    muls \factor, \other, \factor
    add \sum, \factor
    .endif
.endm

@ Requantizes a sum, with zero in r1. The requantizer becomes its shift, and the last bit that it moves out is the half
@ that rounding adds.
.macro requantized sum, requantizer, multiplier, low
    .if MLA
    lsl \multiplier, \requantizer, #16
    smull \low, \sum, \sum, \multiplier
    lsr \requantizer, \requantizer, #16
    sub \requantizer, \requantizer, #16
    asrs \sum, \sum, \requantizer
    adc \sum, \sum, #0
    .else
    uxth \multiplier, \requantizer
    lsrs \requantizer, \requantizer, #16
    subs \requantizer, #16
    uxth \low, \sum
    asrs \sum, \sum, #16
    muls \sum, \multiplier, \sum
    muls \low, \multiplier, \low
    lsrs \low, \low, #16
    adds \sum, \sum, \low
    asrs \sum, \sum, \requantizer
    adcs \sum, r1
    .endif
.endm
