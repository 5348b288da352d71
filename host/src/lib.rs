//! The library behind the `equalinfo` tool.

pub mod cli;
pub mod compress;
pub mod corpus;
pub mod cuda;
pub mod engine;
pub mod eval;
pub mod experiment;
pub mod lexicon;
pub mod model;
pub mod quantize;
pub mod ranks;
pub mod static_model;
pub mod tokenize;
pub mod train;
pub mod verify;
