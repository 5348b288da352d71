//! NCCL, as far as this machine has it and GPUs; otherwise the test names what is missing.

use std::thread;

use equalinfo_kernels::cuda::nccl::{Communicator, Nccl, NcclError, UniqueId};
use equalinfo_kernels::cuda::{CudaBuffer, CudaDriver, devices};
use equalinfo_kernels::{Driver, Memory, View};

#[test]
fn the_library_is_found_or_named() {
    match Nccl::find() {
        Ok(nccl) => {
            assert!(nccl.version() >= (2, 0, 0) && nccl.version() < (3, 0, 0), "{:?}", nccl.version());
            let (first, second) = (nccl.unique_id().unwrap(), nccl.unique_id().unwrap());
            assert!(first != second && first.0 != [0; 128]);
        }
        Err(error @ NcclError::NotFound { .. }) => {
            let message = error.to_string();
            assert!(message.contains("libnccl.so.2") && message.contains("nvidia-nccl-cu12"), "{message}");
        }
        Err(error) => panic!("{error}"),
    }
}

fn values(driver: &CudaDriver, buffer: &CudaBuffer) -> Vec<f32> {
    let mut bytes = vec![0; buffer.bytes()];
    driver.download(View::new(buffer), &mut bytes).unwrap();
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// The values of a rank that starts with `rank + i`, after each operation.
fn exchange(rank: usize, ranks: usize, id: UniqueId) -> [Vec<f32>; 3] {
    const PIECE: usize = 1000;
    let driver = CudaDriver::new(rank, None).unwrap();
    let connected = Communicator::new(Nccl::find().unwrap(), &driver, rank, ranks, id).unwrap();
    assert_eq!(connected.ranks(), (rank, ranks));
    let filled = || {
        let values = (0..PIECE * ranks).flat_map(|i| ((rank + i) as f32).to_le_bytes());
        let buffer = driver.allocate(4 * PIECE * ranks).unwrap();
        driver.upload(View::new(&buffer), &values.collect::<Vec<u8>>()).unwrap();
        buffer
    };
    let (sums, pieces, gathered) = (filled(), filled(), filled());
    connected.all_reduce(&driver, View::new(&sums), PIECE * ranks).unwrap();
    connected.reduce_scatter(&driver, View::new(&pieces), PIECE).unwrap();
    connected.all_gather(&driver, View::new(&gathered), PIECE).unwrap();
    let one = driver.allocate(8).unwrap();
    driver.upload(View::new(&one), &(rank as f64 + 0.5).to_le_bytes()).unwrap();
    connected.all_reduce_f64(&driver, View::new(&one), 1).unwrap();
    let mut bytes = [0; 8];
    driver.download(View::new(&one), &mut bytes).unwrap();
    assert_eq!(f64::from_le_bytes(bytes), (ranks * ranks) as f64 / 2.0);
    let own = values(&driver, &pieces)[rank * PIECE..][..PIECE].to_vec();
    [values(&driver, &sums), own, values(&driver, &gathered)]
}

#[test]
fn all_gpus_of_this_machine_exchange_values() {
    let (Ok(gpus), Ok(nccl)) = (devices(), Nccl::find()) else {
        eprintln!("no GPU or no NCCL here");
        return;
    };
    for ranks in [1, gpus.len()] {
        let id = nccl.unique_id().unwrap();
        let results: Vec<[Vec<f32>; 3]> = thread::scope(|scope| {
            let threads: Vec<_> = (0..ranks).map(|rank| scope.spawn(move || exchange(rank, ranks, id))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let piece = results[0][1].len();
        let sum = |i: usize| (0..ranks).map(|rank| (rank + i) as f32).sum::<f32>();
        for (rank, [sums, own, gathered]) in results.iter().enumerate() {
            assert!(sums.iter().enumerate().all(|(i, value)| *value == sum(i)), "sums of rank {rank}");
            assert!(own.iter().enumerate().all(|(i, value)| *value == sum(rank * piece + i)), "piece of rank {rank}");
            let from = |i: usize| (i / piece + i) as f32;
            assert!(gathered.iter().enumerate().all(|(i, value)| *value == from(i)), "gathered by rank {rank}");
        }
    }
}
