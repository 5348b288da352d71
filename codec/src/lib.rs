//! Integer-only neural text codec.
#![no_std]
