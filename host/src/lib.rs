//! The library behind the `equalinfo` tool.
