//! Measures the codec's functions with the model `micro`. It is no example: see the others for those.
#![no_std]
#![no_main]

use equalinfo_firmware_example::functions_of_model;

/// The model, as written by `equalinfo export --format rust`.
#[allow(dead_code)] // Its id, which the model knows too.
#[path = "../../generated/micro.rs"]
mod micro;

functions_of_model!(micro, 128, "micro.eqi", "strings-micro.eqt");
