//! What tests of the C interface share.

use std::fs;
use std::mem::MaybeUninit;
use std::path::Path;

use equalinfo::*;

#[repr(align(16))]
#[derive(Clone, Copy)]
pub struct Unit(#[allow(dead_code)] [u8; 16]);

/// A model, and memory for it with a context.
pub struct Device {
    pub image: Vec<u8>,
    pub model: MaybeUninit<EqualinfoModel>,
    pub memory: Vec<Unit>,
    pub length: usize,
}

impl Device {
    pub fn new(context: u16) -> Box<Self> {
        let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/tiny.m1q");
        let image = fs::read(image).expect("a model");
        let mut device = Box::new(Self { image, model: MaybeUninit::uninit(), memory: Vec::new(), length: 0 });
        // SAFETY: the image outlives the model, which is not moved.
        let status =
            unsafe { equalinfo_model_load(device.model.as_mut_ptr(), device.image.as_ptr(), device.image.len()) };
        assert_eq!(status, EqualinfoStatus::Ok);
        // SAFETY: the model has been loaded.
        device.length = unsafe { equalinfo_memory(device.model.as_ptr(), context) };
        device.memory = vec![Unit([0xa5; 16]); device.length.div_ceil(16)];
        device
    }
}
