use equalinfo_kernels::cpu::{CpuDriver, CpuError};
use equalinfo_kernels::{Argument, Driver, Kernel, Launch, View, convert};

use crate::common::*;

#[test]
fn rounds_to_nearest_ties_to_even_and_keeps_special_values() {
    let mut random = Random::new(1);
    let mut values = random.floats(1003, 1e4);
    values.extend([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN_POSITIVE, 1.0]);
    // Halfway between two bf16 values, above an even and above an odd one, and slightly off.
    values.extend([0x3f80_8000u32, 0x3f81_8000, 0x3f80_8001, 0x3f81_7fff].map(f32::from_bits));
    let expected: Vec<u16> = values.iter().map(|&value| to_bf16(value)).collect();
    on_every_schedule(|driver| {
        let x = upload(driver, &values);
        let y = poisoned::<u16>(driver, values.len());
        convert::to_bf16(driver, values.len(), View::new(&x), View::new(&y)).unwrap();
        assert_eq!(download::<u16>(driver, &y), expected);

        let back = poisoned::<f32>(driver, values.len());
        convert::to_f32(driver, values.len(), View::new(&y), View::new(&back)).unwrap();
        let bits: Vec<u32> = download::<f32>(driver, &back).iter().map(|value| value.to_bits()).collect();
        assert_eq!(bits, expected.iter().map(|&bits| u32::from(bits) << 16).collect::<Vec<_>>());
    });
}

#[test]
fn an_offset_and_a_length_leave_the_rest_alone() {
    on_every_schedule(|driver| {
        let x = upload(driver, &[1.0f32, 2.0, 3.0, 4.0]);
        let y = poisoned::<u16>(driver, 4);
        convert::to_bf16(driver, 2, View::new(&x).skip::<f32>(1), View::new(&y).skip::<u16>(1)).unwrap();
        assert_eq!(download::<u16>(driver, &y), [0xffff, to_bf16(2.0), to_bf16(3.0), 0xffff]);
    });
}

#[test]
#[should_panic(expected = "y holds 3 values, the kernel needs 4")]
fn a_buffer_too_small_is_refused() {
    on_every_schedule(|driver| {
        let (x, y) = (poisoned::<f32>(driver, 4), poisoned::<u16>(driver, 3));
        let _ = convert::to_bf16(driver, 4, View::new(&x), View::new(&y));
    });
}

#[test]
fn a_launch_that_no_gpu_takes_is_refused() {
    let launch = |name, shape, arguments: &[Argument<_>]| {
        // SAFETY: each of these is rejected before anything runs.
        unsafe { CpuDriver::default().launch(Kernel { unit: "convert", name }, shape, arguments) }
    };
    let one = Launch::linear(1, 32);
    assert_eq!(launch("no_such_kernel", one, &[]), Err(CpuError::UnknownKernel("no_such_kernel")));
    assert!(matches!(launch("convert_to_f32", one, &[Argument::Null]), Err(CpuError::Arguments { .. })));
    let too_many = Launch::linear(1, 1025);
    assert!(matches!(launch("convert_to_f32", too_many, &[]), Err(CpuError::Shape { .. })));
    let nothing = Launch::linear(0, 32);
    assert!(matches!(launch("convert_to_f32", nothing, &[]), Err(CpuError::Shape { .. })));
}
