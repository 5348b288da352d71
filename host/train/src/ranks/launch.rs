//! What a launcher tells its processes: `torchrun`, `srun`, `mpirun` of Open MPI, and Hydra's (MPICH, Intel MPI).

use std::fmt;
use std::time::Duration;

use super::RankError;

type Result<T, E = RankError> = std::result::Result<T, E>;

/// Names the port at which ranks meet.
pub const PORT_VARIABLE: &str = "EQUALINFO_PORT";
/// Holds a secret that ranks prove to each other, so that nobody else joins the run.
pub const SECRET_VARIABLE: &str = "EQUALINFO_SECRET";
/// Names the address that rank 0 listens on, if it is not the one at which the others find it: `0.0.0.0` for all.
pub const LISTEN_VARIABLE: &str = "EQUALINFO_LISTEN";
/// Names the seconds that a rank may be silent.
pub const TIMEOUT_VARIABLE: &str = "EQUALINFO_TIMEOUT";
/// Where ranks meet if nobody says so.
const PORT: u16 = 29_501;

/// How long a rank may be silent if nobody says so: others may cut text into windows or validate meanwhile.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// A process among those of a run.
#[derive(Clone, PartialEq, Eq)]
pub struct Launch {
    /// Its number, from 0.
    pub rank: usize,
    /// How many there are.
    pub count: usize,
    /// Its number among those of its machine.
    pub local: usize,
    /// Where rank 0 is.
    pub address: String,
    /// And on which port.
    pub port: u16,
    /// The address that rank 0 listens on; `None`: [`Self::address`].
    pub listen: Option<String>,
    /// What ranks prove to know; empty if there is no secret.
    pub secret: Vec<u8>,
    /// How long another rank may be silent before it is taken for gone.
    pub timeout: Duration,
}

/// Without the secret.
impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {} at {}", self.rank, self.count, self.place())
    }
}

impl Launch {
    /// Where ranks meet: rank 0's address and port.
    pub fn place(&self) -> String {
        format!("{}:{}", self.address, self.port)
    }
}

/// Names of a launcher's variables.
struct Names {
    rank: &'static str,
    count: &'static str,
    local: &'static str,
    local_count: &'static str,
}

const LAUNCHERS: [Names; 4] = [
    Names { rank: "RANK", count: "WORLD_SIZE", local: "LOCAL_RANK", local_count: "LOCAL_WORLD_SIZE" },
    Names {
        rank: "OMPI_COMM_WORLD_RANK",
        count: "OMPI_COMM_WORLD_SIZE",
        local: "OMPI_COMM_WORLD_LOCAL_RANK",
        local_count: "OMPI_COMM_WORLD_LOCAL_SIZE",
    },
    Names { rank: "PMI_RANK", count: "PMI_SIZE", local: "MPI_LOCALRANKID", local_count: "MPI_LOCALNRANKS" },
    // Of a step that `srun` started: a batch script itself has no SLURM_STEP_NUM_TASKS.
    Names {
        rank: "SLURM_PROCID",
        count: "SLURM_STEP_NUM_TASKS",
        local: "SLURM_LOCALID",
        local_count: "SLURM_STEP_TASKS_PER_NODE",
    },
];

/// How this process was launched, if it was.
///
/// # Errors
/// A variable has no number, or nothing says where rank 0 is.
pub fn from_environment() -> Result<Option<Launch>> {
    detect(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn detect(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Launch>> {
    let number = |name: &str| -> Result<Option<usize>> {
        let parse = |found: String| found.parse().map_err(|_| RankError::Variable { name: name.to_owned(), found });
        variable(name).map(parse).transpose()
    };
    let found = LAUNCHERS.iter().find(|names| variable(names.rank).is_some() && variable(names.count).is_some());
    let Some(names) = found else { return Ok(None) };
    let (rank, count) = (number(names.rank)?.unwrap_or(0), number(names.count)?.unwrap_or(1));
    if rank >= count {
        return Err(RankError::NoSuchRank { rank_name: names.rank, rank, count_name: names.count, count });
    }
    let local = number(names.local)?.unwrap_or(0);
    // `2` and also Slurm's `2(x4)`, for four machines.
    let on_one_machine = variable(names.local_count).is_some_and(|here| here == count.to_string());
    let address = variable("MASTER_ADDR")
        .or_else(|| if on_one_machine || count == 1 { Some("127.0.0.1".to_owned()) } else { None })
        .or_else(|| first_node(&variable("SLURM_STEP_NODELIST")?))
        .ok_or(RankError::NoAddress)?;
    let port = |name: &str| -> Result<Option<u16>> {
        let port = |port| u16::try_from(port).map_err(|_| RankError::NoPort { name: name.to_owned(), port });
        number(name)?.map(port).transpose()
    };
    let port = match (port(PORT_VARIABLE)?, port("MASTER_PORT")?) {
        (Some(port), _) => port,
        // `torchrun` itself listens there.
        (None, Some(taken)) => {
            taken.checked_add(1).ok_or(RankError::NoPort { name: "MASTER_PORT".to_owned(), port: taken.into() })?
        }
        // Jobs that share a machine don't meet each other's ranks.
        (None, None) => PORT + (number("SLURM_JOB_ID")?.unwrap_or(0) % 1000) as u16,
    };
    let timeout = number(TIMEOUT_VARIABLE)?.filter(|&seconds| seconds > 0);
    let timeout = timeout.map_or(TIMEOUT, |seconds| Duration::from_secs(seconds as u64));
    let secret = variable(SECRET_VARIABLE).unwrap_or_default().into_bytes();
    Ok(Some(Launch { rank, count, local, address, port, listen: variable(LISTEN_VARIABLE), secret, timeout }))
}

/// `gpu07` of `gpu[07-10,12],login1`.
fn first_node(list: &str) -> Option<String> {
    let until = |text: &str, ends: &[char]| text.split(ends).next().map(str::to_owned);
    let name = until(list, &[','])?;
    let first = match name.split_once('[') {
        Some((prefix, numbers)) => format!("{prefix}{}", until(numbers, &['-', ']'])?),
        None => name,
    };
    (!first.is_empty()).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Launch>> {
        detect(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    fn launch(rank: usize, count: usize, local: usize, address: &str, port: u16) -> Option<Launch> {
        Some(Launch {
            rank,
            count,
            local,
            address: address.to_owned(),
            port,
            listen: None,
            secret: Vec::new(),
            timeout: TIMEOUT,
        })
    }

    #[test]
    fn every_launcher_is_understood() {
        let torchrun = [
            ("RANK", "9"),
            ("WORLD_SIZE", "16"),
            ("LOCAL_RANK", "1"),
            ("LOCAL_WORLD_SIZE", "8"),
            ("MASTER_ADDR", "node1"),
            ("MASTER_PORT", "29500"),
        ];
        assert_eq!(of(&torchrun).unwrap(), launch(9, 16, 1, "node1", 29_501));
        let open_mpi = [
            ("OMPI_COMM_WORLD_RANK", "1"),
            ("OMPI_COMM_WORLD_SIZE", "4"),
            ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "4"),
        ];
        assert_eq!(of(&open_mpi).unwrap(), launch(1, 4, 1, "127.0.0.1", PORT));
        let hydra = [("PMI_RANK", "0"), ("PMI_SIZE", "2"), ("MASTER_ADDR", "10.0.0.1"), (PORT_VARIABLE, "4000")];
        assert_eq!(of(&hydra).unwrap(), launch(0, 2, 0, "10.0.0.1", 4000));
        let slurm = [
            ("SLURM_PROCID", "5"),
            ("SLURM_STEP_NUM_TASKS", "8"),
            ("SLURM_LOCALID", "1"),
            ("SLURM_STEP_TASKS_PER_NODE", "4(x2)"),
            ("SLURM_STEP_NODELIST", "gpu[07-08]"),
            ("SLURM_JOB_ID", "4012"),
        ];
        assert_eq!(of(&slurm).unwrap(), launch(5, 8, 1, "gpu07", PORT + 12));
    }

    #[test]
    fn secret_address_and_timeout_are_the_users() {
        let set = [
            ("RANK", "0"),
            ("WORLD_SIZE", "1"),
            (SECRET_VARIABLE, "open sesame"),
            (LISTEN_VARIABLE, "0.0.0.0"),
            (TIMEOUT_VARIABLE, "60"),
        ];
        let launch = of(&set).unwrap().unwrap();
        assert_eq!((&launch.secret[..], launch.listen.as_deref()), (&b"open sesame"[..], Some("0.0.0.0")));
        assert_eq!(launch.timeout, Duration::from_secs(60));
        assert!(!format!("{launch:?}").contains("sesame"));
    }

    #[test]
    fn a_process_of_no_launcher_is_alone() {
        assert_eq!(of(&[]).unwrap(), None);
        // A batch script, whose steps are not started yet.
        assert_eq!(of(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "8")]).unwrap(), None);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let error = |variables: &[(&str, &str)]| of(variables).unwrap_err().to_string();
        assert!(error(&[("RANK", "two"), ("WORLD_SIZE", "4")]).contains("RANK"));
        assert!(error(&[("RANK", "4"), ("WORLD_SIZE", "4")]).contains("WORLD_SIZE"));
        let far = [("PMI_RANK", "0"), ("PMI_SIZE", "4"), ("MPI_LOCALNRANKS", "2")];
        assert!(error(&far).contains("MASTER_ADDR"));
        assert!(error(&[("RANK", "0"), ("WORLD_SIZE", "1"), ("MASTER_PORT", "70000")]).contains("MASTER_PORT"));
    }

    #[test]
    fn nodes_of_a_list() {
        assert_eq!(first_node("gpu[07-10,12],login1").as_deref(), Some("gpu07"));
        assert_eq!(first_node("gpu[3]").as_deref(), Some("gpu3"));
        assert_eq!(first_node("alpha,beta").as_deref(), Some("alpha"));
        assert_eq!(first_node(""), None);
    }
}
