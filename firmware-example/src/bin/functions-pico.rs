//! Measures the codec's functions with the model `pico`. It is no example: see the others for those.
#![no_std]
#![no_main]

use equalinfo_firmware_example::functions_of_model;

/// The model, as written by `equalinfo export --format rust`.
#[allow(dead_code)] // Its id, which the model knows too.
#[path = "../../generated/pico.rs"]
mod pico;

#[cfg(not(feature = "microbit"))]
functions_of_model!(pico, 64, "pico.eqi", "strings.eqt");
#[cfg(feature = "microbit")]
functions_of_model!(pico, 32, "pico-small.eqi", "strings.eqt");
