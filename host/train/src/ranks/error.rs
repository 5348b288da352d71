//! Why ranks do not come together, or stop.

use std::io;

use serde_json::Value;

/// What goes wrong between the processes of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RankError {
    /// A launcher's variable holds no number.
    #[error("{name}: expected a number, found '{found}'")]
    Variable {
        /// The variable.
        name: String,
        /// Its value.
        found: String,
    },
    /// A launcher's variables give a rank beyond the last.
    #[error("{rank_name} is {rank}, and {count_name} {count}")]
    NoSuchRank {
        /// The variable of the rank.
        rank_name: &'static str,
        /// Its value.
        rank: usize,
        /// The variable of the number of ranks.
        count_name: &'static str,
        /// Its value.
        count: usize,
    },
    /// Nothing says where rank 0 is.
    #[error("MASTER_ADDR: name the machine of rank 0")]
    NoAddress,
    /// A variable names no port, or the last one, whose successor is needed.
    #[error("{name}: no port {port}")]
    NoPort {
        /// The variable.
        name: String,
        /// Its value.
        port: usize,
    },
    /// Rank 0 cannot listen.
    #[error("rank 0 cannot listen on {place}")]
    Listen {
        /// Address and port.
        place: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Another rank did not come in time.
    #[error("rank {rank} of {count}: {why}")]
    Absent {
        /// This rank.
        rank: usize,
        /// How many there should be.
        count: usize,
        /// Which one is missing, and where.
        why: String,
    },
    /// Two processes say that they are the same rank.
    #[error("two processes are rank {rank} of {count}")]
    Twice {
        /// The rank.
        rank: usize,
        /// How many there should be.
        count: usize,
    },
    /// The system refused a connection.
    #[error("a connection between ranks")]
    Connection(#[source] io::Error),
    /// Another rank has ended.
    #[error("rank {rank} is gone")]
    Gone {
        /// The rank.
        rank: usize,
        /// How that was noticed.
        source: io::Error,
    },
    /// What rank 0 sends to all cannot be written or read.
    #[error("a message of rank 0")]
    Message(#[source] serde_json::Error),
    /// Ranks were started with different options.
    #[error("{}", disagreement(what, *rank, first, own.as_ref()))]
    Disagree {
        /// What differs.
        what: &'static str,
        /// This rank.
        rank: usize,
        /// What rank 0 has.
        first: Value,
        /// What this rank has, if that is something else.
        own: Option<Value>,
    },
}

fn disagreement(what: &str, rank: usize, first: &Value, own: Option<&Value>) -> String {
    match own {
        Some(own) => format!("rank {rank} has {what} other than rank 0: {own}, and not {first}"),
        None => format!("not all ranks have the same {what}"),
    }
}
