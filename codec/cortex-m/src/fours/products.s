@ Rows times activations, and the forms of activations.

@ Registers with a list: r0 a column, r1 the address in the list, r2 an activation, r3 a weight, r4 to r7 the addresses
@ of the four rows, r8 to r11 their sums, lr the end of a part of the list. Otherwise: r0 the first row, r1 the address
@ of the activations, r2 and r3 a word and the part split off, r4 and r5 its activations. The job's address is on the
@ stack.

.macro begin name
function \name
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r0, r4, r5, r6, r7}
    ldr r1, [r0, #8]
    mov lr, r1
.endm

.macro end name
    pop {r0, r4, r5, r6, r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
return \name
.endm

@ For a job in r3: the addresses of four rows, the first of which is in r4.
.macro four_rows
    ldr r2, [r3, #16]
    adds r5, r4, r2
    adds r6, r5, r2
    adds r7, r6, r2
.endm

@ For a job in r3: the initial value of the sums, and the activations in r1.
.macro first_sums
    ldm r3!, {r1, r2}
    mov r8, r2
    mov r9, r2
    mov r10, r2
    mov r11, r2
.endm

.macro weight load, row, column, activation, sum
    \load r3, [\row, \column]
    add_product r3, \activation, \sum
.endm

@ A column whose bytes `load` widens.
.macro column load, column, activation
    weight \load, r4, \column, \activation, r8
    weight \load, r5, \column, \activation, r9
    weight \load, r6, \column, \activation, r10
    weight \load, r7, \column, \activation, r11
.endm

@ Four weights of the row at r0, from a column on, to r2 and r3.
.macro split column
    ldr r2, [r0, #\column]
    eors r2, r6
    .if MLA
    and r3, r7, r2, lsr #8
    .else
    lsrs r3, r2, #8
    ands r3, r7
    .endif
.endm

@ The first word of a row's chunk.
.macro first column, chunk
    split \column
    add_product r2, r4, \chunk
    add_product r3, r5, \chunk
.endm

@ The second word, after which the chunk is added to the sum.
.macro second column, chunk, sum, add
    .if MLA
    first \column, \chunk
    .ifc \add, mov
    asr \sum, \chunk, #16
    .else
    add \sum, \sum, \chunk, asr #16
    .endif
    .else
    split \column
    muls r2, r4, r2
    muls r3, r5, r3
    adds r2, r2, r3
    add r2, \chunk
    asrs r2, r2, #16
    \add \sum, r2
    .endif
.endm

@ An entry of the list of parts cut off, for one or two rows and their sums.
.macro excess load, row, sum, second, second_sum
    ldm r1!, {r4, r5}
    \load r2, [\row, r4]
    add_product r2, r5, \sum
    .ifnb \second
    \load r2, [\second, r4]
    add_product r2, r5, \second_sum
    .endif
.endm

@ For a job in r0, which moves to r5: all that is the same for every row, and the first row in r0.
.macro split_rows
    mov r5, r0
    ldr r0, [r5, #20]
    ldr r2, [r5, #8]
    mov lr, r2
    ldr r2, [r5, #48]
    mov r12, r2
    ldr r6, =0x80008000
    ldr r7, =0x00ff00ff
.endm

@ Stores the sums, with the job in r3, and compares the place after them with the end of the output.
.macro store
    ldr r2, [r3, #36]
    mov r1, r8
    stm r2!, {r1}
    mov r1, r9
    stm r2!, {r1}
    mov r1, r10
    stm r2!, {r1}
    mov r1, r11
    stm r2!, {r1}
    str r2, [r3, #36]
    ldr r1, [r3, #40]
    cmp r2, r1
.endm

@ r8 and r9: the chunks of two rows, r10 and r11 their sums, r12 the end of the parts cut off from odd columns, lr that
@ of all parts, r6 and r7 the masks that split a word.
.macro two_chunks column, add
    ldm r1!, {r3, r4, r5}
    mov r8, r3
    mov r9, r3
    first \column, r8
    first \column+64, r9
    ldm r1!, {r4, r5}
    second \column+4, r8, r10, \add
    second \column+68, r9, r11, \add
.endm

begin equalinfo_sums
    split_rows
0:
    ldr r1, [r5]
    two_chunks 0, mov
    .irp column, 8, 16, 24, 32, 40, 48, 56
    two_chunks \column, add
    .endr
    mov r3, r0
    adds r3, #64
    cmp r1, r12
    beq 2f
1:
    excess ldrsb, r0, r10, r3, r11
    cmp r1, r12
    bne 1b
2:
    cmp r1, lr
    beq 4f
    ldr r2, [sp]
    ldr r2, [r2, #4]
    add r10, r2
    add r11, r2
3:
    excess ldrb, r0, r10, r3, r11
    cmp r1, lr
    bne 3b
4:
    adds r0, #128
    ldr r5, [sp]
    ldr r2, [r5, #36]
    mov r3, r10
    mov r4, r11
    stm r2!, {r3, r4}
    str r2, [r5, #36]
    ldr r1, [r5, #40]
    cmp r2, r1
    beq 5f
    b 0b
5:
end equalinfo_sums
.ltorg

@ One row at a time: r8 its chunk, r9 its sum, r12 and lr as above.
.macro one_chunk column
    ldm r1!, {r3, r4, r5}
    mov r8, r3
    first \column, r8
    ldm r1!, {r4, r5}
    second \column+4, r8, r9, add
.endm

@ r10: the address of the row's gate, r11 its place in the output, r12 the end of the chunks.
begin equalinfo_project_rows
    split_rows
    ldr r1, [r5]
    ldr r2, [r5, #16]
    lsls r3, r2, #1
    adds r1, r1, r3
    lsrs r2, r2, #1
    adds r1, r1, r2
    mov r12, r1
    ldr r1, [r5, #44]
    mov r10, r1
    ldr r2, [r5, #36]
    mov r11, r2
    b 6f
0:
    mov r10, r1
    mov r11, r2
    ldr r5, [sp]
    ldm r5!, {r1, r2}
    mov r9, r2
1:
    .irp column, 0, 8, 16, 24
    one_chunk \column
    .endr
    adds r0, #32
    cmp r1, r12
    bne 1b
    cmp r1, lr
    beq 5f
@ r3: the row, r8 the end of the parts cut off from odd columns.
    ldr r2, [sp]
    ldr r3, [r2, #16]
    subs r3, r0, r3
    ldr r2, [r2, #48]
    mov r8, r2
    b 3f
2:
    excess ldrsb, r3, r9
3:
    cmp r1, r8
    bne 2b
    b 4f
7:
    excess ldrb, r3, r9
4:
    cmp r1, lr
    bne 7b
5:
    mov r8, r0
    ldr r5, [sp]
    ldr r3, [r5, #28]
    ldr r4, [r5, #32]
    mov r2, r11
    subs r5, r2, r3
    ldr r5, [r5]
    mov r3, r9
    lsls r3, r3, r4
    movs r1, #0
    requantized r3, r5, r4, r0
    stm r2!, {r3}
    mov r11, r2
    mov r0, r8
6:
    mov r1, r10
    mov r2, r11
    ldr r5, [sp]
    ldr r4, [r5, #40]
    ldr r5, [r5, #16]
8:
    cmp r2, r4
    beq 9f
    adds r0, r0, r5
    adds r2, #4
    ldm r1!, {r3}
    cmp r3, #0
    ble 8b
    subs r0, r0, r5
    subs r2, #4
    b 0b
9:
end equalinfo_project_rows
.ltorg

@ Listed activations up to lr, in columns whose bytes `load` widens: r0 the column, r2 an entry, then its activation.
.macro listed load
    cmp r1, lr
    beq 2f
1:
    .rept 2
    ldm r1!, {r2}
    uxth r0, r2
    asrs r2, r2, #16
    column \load, r0, r2
    .endr
    cmp r1, lr
    bne 1b
2:
.endm

@ lr: the end of a part of the list.
begin equalinfo_sums_listed
    mov r3, r0
    ldr r4, [r3, #20]
0:
    four_rows
    ldr r2, [r3, #48]
    mov lr, r2
    first_sums
    listed ldrb
    ldr r3, [sp]
    ldr r2, [r3, #8]
    mov lr, r2
    listed ldrsb
    ldr r3, [sp]
    ldr r4, [r3, #16]
    adds r4, r7, r4
    store
    bne 0b
end equalinfo_sums_listed

@ Adds the absolute value of an activation to r12.
.macro size x, sign
    asrs \sign, \x, #31
    adds r6, \x, \sign
    eors r6, \sign
    add r12, r6
.endm

@ r0: activations, r1 words, r2 and r3 offsets of two columns, r4 and r5 activations of four columns, r12 the sum of the
@ absolute values, lr the sum of r4 and r5.
function equalinfo_chunk
    movs r2, #0
    movs r3, #1
    mov r12, r2
    mov lr, r2
    adds r1, #4
    .rept 2
    ldrsb r4, [r0, r2]
    ldrsb r5, [r0, r3]
    size r4, r7
    size r5, r7
    lsls r4, r4, #16
    lsls r5, r5, #16
    adds r0, #2
    ldrsb r6, [r0, r2]
    adds r4, r4, r6
    size r6, r7
    ldrsb r6, [r0, r3]
    adds r5, r5, r6
    size r6, r7
    adds r0, #2
    add lr, r4
    add lr, r5
    lsls r6, r4, #8
    subs r5, r5, r6
    stm r1!, {r4, r5}
    .endr
    lsls r3, r3, #15
    mov r4, lr
    lsls r5, r4, #7
    subs r3, r3, r5
    lsls r5, r4, #23
    subs r3, r3, r5
    subs r1, #20
    str r3, [r1]
    mov r0, r12
return equalinfo_chunk

function equalinfo_list
    mov r12, r2
1:
    ldrsb r4, [r0, r3]
    cmp r4, #0
    beq 2f
    lsls r4, r4, #16
    orrs r4, r3
    stm r2!, {r4}
2:
    adds r3, #2
    cmp r3, r1
    blo 1b
    mov r0, r12
    eors r0, r2
    lsls r0, r0, #29
    bpl 3f
    movs r4, #0
    stm r2!, {r4}
3:
    mov r0, r2
return equalinfo_list
