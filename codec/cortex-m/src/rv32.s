# Rows times activations, and the loop over values of attention.

# Assemblers that are not told of the target's extensions know multiplication so.
.option push
.option arch, +m

# A chunk of a row: t0 the initial value of its sum, t1 to t4 the activations, s7 and s8 the masks that flip the signs of
# weights in odd columns and split a word; s4 to s6 are free.
.macro row address, column, sum
    lw s4, \column(\address)
    lw s5, \column+4(\address)
    xor s4, s4, s7
    xor s5, s5, s7
    mul s6, s4, t1
    srli s4, s4, 8
    and s4, s4, s8
    mul s4, s4, t2
    add s6, s6, t0
    add s6, s6, s4
    mul s4, s5, t3
    srli s5, s5, 8
    and s5, s5, s8
    mul s5, s5, t4
    add s6, s6, s4
    add s6, s6, s5
    srai s6, s6, 16
    add \sum, \sum, s6
.endm

.macro chunk words, column
    lw t0, \words(a6)
    lw t1, \words+4(a6)
    lw t2, \words+8(a6)
    lw t3, \words+12(a6)
    lw t4, \words+16(a6)
    row a1, \column, s0
    row a2, \column, s1
    row a3, \column, s2
    row a4, \column, s3
.endm

# Saves what a caller's registers may hold.
.macro enter name
    .section .text.\name, "ax", @progbits
    .global \name
    .type \name, @function
\name:
    addi sp, sp, -48
    sw s0, 0(sp)
    sw s1, 4(sp)
    sw s2, 8(sp)
    sw s3, 12(sp)
    sw s4, 16(sp)
    sw s5, 20(sp)
    sw s6, 24(sp)
    sw s7, 28(sp)
    sw s8, 32(sp)
    sw s9, 36(sp)
    sw s10, 40(sp)
    sw s11, 44(sp)
    li s7, 0x80008000
    li s8, 0x00ff00ff
.endm

.macro leave name
    lw s0, 0(sp)
    lw s1, 4(sp)
    lw s2, 8(sp)
    lw s3, 12(sp)
    lw s4, 16(sp)
    lw s5, 20(sp)
    lw s6, 24(sp)
    lw s7, 28(sp)
    lw s8, 32(sp)
    lw s9, 36(sp)
    lw s10, 40(sp)
    lw s11, 44(sp)
    addi sp, sp, 48
    ret
    .size \name, . - \name
.endm

# The sums of four rows, a part of the functions below: a0 the job, a1 to a4 the rows, s11 where to return to. Sets s0 to
# s3 to the sums; a6, a7, t0 to t6 and s4 to s6 are free.
.macro sums name
    .section .text.\name, "ax", @progbits
    .global \name
    .type \name, @function
\name:
    lw a6, 0(a0)
    lw s0, 20(a0)
    mv s1, s0
    mv s2, s0
    mv s3, s0
.endm

.macro summed name
    jr s11
    .size \name, . - \name
.endm

# Four rows in column t2, times t3.
.macro column load
    add t4, a1, t2
    add t5, a2, t2
    add t6, a3, t2
    add s4, a4, t2
    \load t4, 0(t4)
    \load t5, 0(t5)
    \load t6, 0(t6)
    \load s4, 0(s4)
    mul t4, t4, t3
    mul t5, t5, t3
    mul t6, t6, t3
    mul s4, s4, t3
    add s0, s0, t4
    add s1, s1, t5
    add s2, s2, t6
    add s3, s3, s4
.endm

# Parts cut off, up to the end in the job.
.macro parts end, load
    lw t1, \end(a0)
    beq a6, t1, 2f
1:
    lw t2, 0(a6)
    lw t3, 4(a6)
    addi a6, a6, 8
    column \load
    bne a6, t1, 1b
2:
.endm

# Listed activations, up to the end in the job.
.macro listed end, load
    lw t1, \end(a0)
    beq a6, t1, 2f
1:
    lhu t2, 0(a6)
    lh t3, 2(a6)
    addi a6, a6, 4
    column \load
    bne a6, t1, 1b
2:
.endm

# In chunks.
sums equalinfo_sums
    lw a7, 4(a0)
1:
    chunk 0, 0
    chunk 20, 8
    addi a6, a6, 40
    addi a1, a1, 16
    addi a2, a2, 16
    addi a3, a3, 16
    addi a4, a4, 16
    bne a6, a7, 1b
    lw t0, 16(a0)
    sub a1, a1, t0
    sub a2, a2, t0
    sub a3, a3, t0
    sub a4, a4, t0
    parts 8, lb
    parts 12, lbu
summed equalinfo_sums

sums equalinfo_sums_listed
    listed 8, lbu
    listed 12, lb
summed equalinfo_sums_listed

# Stores a sum, shifted by t3 to the left and requantized.
.macro requantized sum, offset
    lw t1, \offset(s9)
    sll \sum, \sum, t3
    slli t2, t1, 16
    srli t1, t1, 16
    mulh \sum, \sum, t2
    addi t1, t1, -17
    sra \sum, \sum, t1
    addi \sum, \sum, 1
    srai \sum, \sum, 1
    sw \sum, \offset(a5)
.endm

# a0 the job. a5 the place of the output, s9 the requantizers, s10 the distance of four rows.
enter equalinfo_project
    lw a1, 24(a0)
    lw t0, 16(a0)
    add a2, a1, t0
    add a3, a2, t0
    add a4, a3, t0
    slli s10, t0, 2
    lw s9, 28(a0)
    lw a5, 36(a0)
3:
    lw t0, 44(a0)
    jalr s11, 0(t0)
    lw t3, 32(a0)
    requantized s0, 0
    requantized s1, 4
    requantized s2, 8
    requantized s3, 12
    add a1, a1, s10
    add a2, a2, s10
    add a3, a3, s10
    add a4, a4, s10
    addi s9, s9, 16
    addi a5, a5, 16
    lw t0, 40(a0)
    bne a5, t0, 3b
leave equalinfo_project

# a0 the job, a1 to a4 the rows, a5 the place of their sums.
enter equalinfo_rows
    lw t0, 44(a0)
    jalr s11, 0(t0)
    sw s0, 0(a5)
    sw s1, 4(a5)
    sw s2, 8(a5)
    sw s3, 12(a5)
leave equalinfo_rows

.macro accumulated index
    lb a4, \index(a1)
    lw a5, 4*\index(a2)
    mul a4, a4, a0
    add a5, a5, a4
    sw a5, 4*\index(a2)
.endm

# a0 the weight, a1 the values, a2 the sums, a3 the end of the values.
    .section .text.equalinfo_accumulate, "ax", @progbits
    .global equalinfo_accumulate
    .type equalinfo_accumulate, @function
equalinfo_accumulate:
    accumulated 0
    accumulated 1
    accumulated 2
    accumulated 3
    accumulated 4
    accumulated 5
    accumulated 6
    accumulated 7
    addi a1, a1, 8
    addi a2, a2, 32
    bne a1, a3, equalinfo_accumulate
    ret
    .size equalinfo_accumulate, . - equalinfo_accumulate
    .text
.option pop
