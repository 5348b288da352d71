//! Measures the codec's functions with the model `nano`. It is no example: see the others for those.
#![no_std]
#![no_main]

use equalinfo_firmware_example::functions_of_model;

/// The model, as written by `equalinfo export --format rust`.
#[allow(dead_code)] // Its id, which the model knows too.
#[path = "../../generated/nano.rs"]
mod nano;

functions_of_model!(nano, 64, "nano.eqi", "strings-nano.eqt");
