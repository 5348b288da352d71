//! The library behind the `equalinfo` tool.

pub mod corpus;
