@ Loops over numbers: attention, norm and requantization.

@ r3 and r7: offsets of two values, r4 and r5 their sums, r12 the end.
function equalinfo_accumulate
    mov r12, r3
    movs r3, #0
    movs r7, #1
1:
    .rept 4
    ldr r4, [r2]
    ldr r5, [r2, #4]
    ldrsb r6, [r1, r3]
    add_product r6, r0, r4
    ldrsb r6, [r1, r7]
    add_product r6, r0, r5
    stm r2!, {r4, r5}
    adds r1, #2
    .endr
    cmp r1, r12
    bne 1b
return equalinfo_accumulate

function equalinfo_bits
    movs r2, #0
1:
    .rept 4
    ldm r0!, {r3}
    asrs r4, r3, #31
    eors r3, r4
    subs r3, r3, r4
    orrs r2, r3
    .endr
    cmp r0, r1
    bne 1b
    mov r0, r2
return equalinfo_bits

@ r4 and r5 the sum, r6 zero.
function equalinfo_squares
    movs r4, #0
    movs r5, #0
    movs r6, #0
1:
    .rept 4
    ldm r0!, {r7}
    lsls r7, r2
    asrs r7, r3
    .if MLA
    smlal r4, r5, r7, r7
    .else
    muls r7, r7, r7
    adds r4, r4, r7
    adcs r5, r6
    .endif
    .endr
    cmp r0, r1
    bne 1b
    mov r0, r4
    mov r1, r5
return equalinfo_squares

@ Stores a number in r6 at r1 as an activation; r7 is the largest.
.macro activation
    cmp r6, r7
    ble 2f
    mov r6, r7
2:
    cmn r6, r7
    bge 3f
    rsbs r6, r7, #0
3:
    strb r6, [r1]
    adds r1, #1
.endm

function equalinfo_clamp
    movs r7, #127
1:
    .rept 2
    ldm r0!, {r6}
    activation
    .endr
    cmp r1, r2
    bne 1b
return equalinfo_clamp

@ r2 the shift to the left, r3 that to the right, r4 the inverse, r5 the half that rounding adds, r6 a number, r7 the
@ largest activation, r12 the end.
function equalinfo_normalize
    ldm r2, {r2, r3, r4, r5}
    mov r12, r5
    movs r5, #1
    lsls r5, r5, #19
    movs r7, #127
1:
    .rept 2
    ldm r0!, {r6}
    lsls r6, r2
    asrs r6, r3
    .if MLA
    mla r6, r6, r4, r5
    .else
    muls r6, r4, r6
    adds r6, r6, r5
    .endif
    asrs r6, r6, #20
    activation
    .endr
    cmp r0, r12
    bne 1b
return equalinfo_normalize

@ r0 the sums, r1 zero, r2 requantizers, r3 the scale, r4 a sum, r5 its requantizer, r12 the end.
function equalinfo_requantize
    mov r12, r1
    movs r1, #0
1:
    .rept 4
    ldr r4, [r0]
    lsls r4, r4, r3
    ldm r2!, {r5}
    requantized r4, r5, r6, r7
    stm r0!, {r4}
    .endr
    cmp r0, r12
    bne 1b
return equalinfo_requantize

function equalinfo_requantize_positive
    mov r12, r1
    movs r1, #0
    b 2f
1:
    adds r0, #4
    cmp r0, r12
    beq 3f
2:
    ldm r2!, {r5}
    ldr r4, [r0]
    cmp r4, #0
    ble 1b
    lsls r4, r4, r3
    requantized r4, r5, r6, r7
    stm r0!, {r4}
    cmp r0, r12
    bne 2b
3:
return equalinfo_requantize_positive

@ r2 a number of the first vector, r3 one of the second and then their product, r4 and r5 offsets of two columns, r7 the
@ sum, r12 the end.
function equalinfo_dot
    mov r12, r2
    movs r4, #0
    movs r5, #1
    movs r7, #0
1:
    .rept 4
    ldrsb r2, [r0, r4]
    ldrsb r3, [r1, r4]
    add_product r3, r2, r7
    ldrsb r2, [r0, r5]
    ldrsb r3, [r1, r5]
    add_product r3, r2, r7
    adds r0, #2
    adds r1, #2
    .endr
    cmp r0, r12
    bne 1b
    mov r0, r7
return equalinfo_dot
