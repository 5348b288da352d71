//! Every kernel against its plain twin, on the CPU.

mod attention;
mod common;
mod convert;
mod cross_entropy;
mod device;
mod differences;
mod embedding;
mod gemm;
mod integer_m1;
mod muon;
mod norm;
mod optimizer;
mod path;
mod reglu;
mod rounding;
