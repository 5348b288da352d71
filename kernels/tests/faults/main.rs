//! The CPU stand-in for a GPU finds faults: each kernel here has one.

use std::process::Command;

use equalinfo_kernels::cpu::{CpuBuffer, CpuDriver};
use equalinfo_kernels::{Argument, Driver, Kernel, Launch, View, arguments};

/// Set in the process that commits the fault.
const COMMIT: &str = "EQUALINFO_COMMIT_FAULT";

fn launch(driver: &CpuDriver, name: &'static str, launch: Launch, arguments: &[Argument<CpuBuffer>]) {
    // SAFETY: none is promised; accesses out of bounds stay within the guard zones.
    unsafe { driver.launch(Kernel { unit: "faults", name }, launch, arguments) }.unwrap();
}

fn upload(driver: &CpuDriver, values: impl Iterator<Item = [u8; 4]>) -> CpuBuffer {
    let bytes: Vec<u8> = values.flatten().collect();
    let buffer = driver.allocate(bytes.len()).unwrap();
    driver.upload(View::new(&buffer), &bytes).unwrap();
    buffer
}

fn words(driver: &CpuDriver, buffer: &CpuBuffer) -> Vec<i32> {
    let mut bytes = vec![0; equalinfo_kernels::Memory::bytes(buffer)];
    driver.download(View::new(buffer), &mut bytes).unwrap();
    bytes.chunks_exact(4).map(|word| i32::from_ne_bytes(word.try_into().unwrap())).collect()
}

/// Runs `commit` in a separate process, the test `test` of this program, which must die with all of `words` on stderr.
#[track_caller]
fn dies(test: &str, words: &[&str], commit: impl FnOnce(&CpuDriver)) {
    if std::env::var_os(COMMIT).is_some() {
        commit(&CpuDriver::default());
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(COMMIT, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{text}");
    for word in words {
        assert!(text.contains(word), "expected '{word}' in: {text}");
    }
}

#[test]
fn a_barrier_that_not_all_reach() {
    dies("a_barrier_that_not_all_reach", &["deadlock", "faults.cu:"], |driver| {
        launch(driver, "fault_divergent_barrier", Launch::linear(1, 32), &[]);
    });
}

#[test]
fn a_lane_outside_its_mask() {
    dies("a_lane_outside_its_mask", &["not in its own mask", "faults.cu:"], |driver| {
        let out = driver.allocate(4 * 32).unwrap();
        launch(driver, "fault_lane_outside_its_mask", Launch::linear(1, 32), arguments![View::new(&out)]);
    });
}

#[test]
fn a_write_behind_shared_memory() {
    dies("a_write_behind_shared_memory", &["behind the dynamic shared memory"], |driver| {
        launch(driver, "fault_write_behind_shared", Launch::linear(1, 32).with_shared(40), arguments![10i32]);
    });
}

#[test]
fn a_misaligned_copy() {
    dies("a_misaligned_copy", &["misaligned"], |driver| {
        let buffer = driver.allocate(64).unwrap();
        launch(driver, "fault_misaligned_copy", Launch::linear(1, 1).with_shared(16), arguments![View::new(&buffer)]);
    });
}

#[test]
#[should_panic(expected = "0 bytes behind a buffer of 40 bytes")]
fn a_write_behind_a_buffer() {
    let driver = CpuDriver::default();
    let out = driver.allocate(40).unwrap();
    launch(&driver, "fault_write_behind_buffer", Launch::linear(1, 1), arguments![View::new(&out), 10i32]);
    words(&driver, &out);
}

#[test]
#[should_panic(expected = "before a buffer of 40 bytes")]
fn a_write_before_a_buffer() {
    let driver = CpuDriver::default();
    let out = driver.allocate(40).unwrap();
    launch(&driver, "fault_write_before_buffer", Launch::linear(1, 1), arguments![View::new(&out)]);
    words(&driver, &out);
}

#[test]
fn a_copy_that_is_not_waited_for_leaves_noise() {
    let driver = CpuDriver::default();
    let input = upload(&driver, (0..256).map(|i| (i as f32).to_ne_bytes()));
    let out = driver.allocate(4 * 256).unwrap();
    let shape = Launch::linear(1, 32).with_shared(4 * 256);
    launch(&driver, "fault_missing_wait", shape, arguments![View::new(&input), View::new(&out)]);
    let found: Vec<f32> = words(&driver, &out).into_iter().map(|bits| f32::from_bits(bits.cast_unsigned())).collect();
    assert!((0..128).all(|i| found[i] == i as f32) && found[128..].iter().all(|value| value.is_nan()), "{found:?}");
}

#[test]
fn a_missing_barrier_shows_in_every_schedule() {
    let values = || (0..256).map(|i| i * 3);
    for seed in [0, 1, 7] {
        let driver = CpuDriver { seed, os_threads: 1 };
        let input = upload(&driver, values().map(i32::to_ne_bytes));
        let out = driver.allocate(4 * 256).unwrap();
        let shape = Launch::linear(1, 256).with_shared(4 * 256);
        launch(&driver, "fault_missing_barrier", shape, arguments![View::new(&input), View::new(&out)]);
        assert!(words(&driver, &out) != values().rev().collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn what_is_not_written_is_noise() {
    let driver = CpuDriver::default();
    let out = driver.allocate(4 * 40).unwrap();
    launch(&driver, "fault_unwritten_output", Launch::linear(1, 32), arguments![View::new(&out)]);
    assert_eq!(words(&driver, &out), (0..32).chain([-1; 8]).collect::<Vec<_>>());
}
