# Rows times activations in chunks.

# Assemblers that are not told of the target's extensions know multiplication so.
.option push
.option arch, +m

# A chunk of a row: t0 the initial value of its sum, t1 to t4 the activations, t5 and t6 the masks that flip the signs of
# weights in odd columns and split a word; s4 to s6 are free.
.macro row address, column, sum
    lw s4, \column(\address)
    lw s5, \column+4(\address)
    xor s4, s4, t5
    xor s5, s5, t5
    mul s6, s4, t1
    srli s4, s4, 8
    and s4, s4, t6
    mul s4, s4, t2
    add s6, s6, t0
    add s6, s6, s4
    mul s4, s5, t3
    srli s5, s5, 8
    and s5, s5, t6
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

.macro function name
    .section .text.\name, "ax", @progbits
    .global \name
    .type \name, @function
\name:
    addi sp, sp, -32
    sw s0, 0(sp)
    sw s1, 4(sp)
    sw s2, 8(sp)
    sw s3, 12(sp)
    sw s4, 16(sp)
    sw s5, 20(sp)
    sw s6, 24(sp)
    lw a6, 0(a0)
    lw s0, 20(a0)
    mv s1, s0
    mv s2, s0
    mv s3, s0
.endm

.macro return name
    sw s0, 0(a5)
    sw s1, 4(a5)
    sw s2, 8(a5)
    sw s3, 12(a5)
    lw s0, 0(sp)
    lw s1, 4(sp)
    lw s2, 8(sp)
    lw s3, 12(sp)
    lw s4, 16(sp)
    lw s5, 20(sp)
    lw s6, 24(sp)
    addi sp, sp, 32
    ret
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

# a0 the job, a1 to a4 the rows, a5 the place of their sums; a6 the address in the activations, s0 to s3 the sums.
function equalinfo_rows
    lw a7, 4(a0)
    li t5, 0x80008000
    li t6, 0x00ff00ff
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
return equalinfo_rows

function equalinfo_rows_listed
    listed 8, lbu
    listed 12, lb
return equalinfo_rows_listed
    .text
.option pop
