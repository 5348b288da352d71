//! The library behind the `equalinfo` tool.

pub mod corpus;
pub mod engine;
pub mod quantize;
pub mod train;
