//! Looks four times a second at what the process has used of its memory, its descriptors and its time, and notes
//! how near that is to the end.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procfs::process::{LimitValue, Process};
use procfs::{Current, Meminfo};

use super::commons::Commons;
use super::hub;
use crate::policy::{Resource, of_descriptors, of_lag, of_memory};
use crate::telemetry::{self, Meters};

/// Runs for as long as the process takes players.
pub async fn watch_pressure(commons: Arc<Commons>, meters: Arc<Meters>, started: Instant) {
    let mut limits = Limits::read();
    if limits.memory.is_none() {
        telemetry::memory_unknown();
    }
    for look in 1_u32.. {
        tokio::time::sleep(EVERY).await;
        if look.is_multiple_of(LIMITS_EVERY) {
            limits = Limits::read();
        }
        let process = Process::myself().ok();
        let process = process.as_ref();
        let note = |resource, sample: Option<f64>| {
            if let Some(sample) = sample {
                commons.pressure().report(resource, sample);
            }
        };
        let resident = process.and_then(|process| process.statm().ok());
        let resident = resident.map(|statm| statm.resident.saturating_mul(procfs::page_size()));
        note(Resource::Memory, resident.zip(limits.memory).map(|(used, most)| of_memory(used, most)));
        let open = process.and_then(|process| process.fd_count().ok()).map(|count| count as u64);
        note(
            Resource::Descriptors,
            open.zip(limits.descriptors).map(|(used, most)| of_descriptors(used, most)),
        );
        let now = hub::now().saturating_duration_since(started);
        let lag = meters.workers().map(|meter| meter.lag.recent(now)).max();
        note(Resource::Lag, lag.map(of_lag));
    }
}

/// How often the machine is looked at.
const EVERY: Duration = Duration::from_millis(250);
/// Every how many looks the limits are read again: an operator may change them.
const LIMITS_EVERY: u32 = 40;

/// What the process may have; `None` where nobody knows.
#[derive(Clone, Copy, Debug)]
struct Limits {
    memory: Option<u64>,
    descriptors: Option<u64>,
}

impl Limits {
    fn read() -> Self {
        let machine = Meminfo::current().ok().map(|memory| memory.mem_total);
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = memory_limit(Path::new("/sys/fs/cgroup"), &groups);
        let limits = Process::myself().and_then(|process| process.limits()).ok();
        let descriptors = limits.and_then(|limits| match limits.max_open_files.soft_limit {
            LimitValue::Value(most) => Some(most),
            LimitValue::Unlimited => None,
        });
        Self { memory: machine.into_iter().chain(group).min(), descriptors }
    }
}

/// The least memory that the process's control groups leave it, the outer ones among them: `memory.max` and
/// `memory.high` of version 2, `memory.limit_in_bytes` of version 1.
fn memory_limit(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let (folder, files): (_, &[&str]) = match controllers {
            "" => (root.to_path_buf(), &["memory.max", "memory.high"]),
            of if of.split(',').any(|one| one == "memory") => {
                (root.join("memory"), &["memory.limit_in_bytes"])
            }
            _ => return None,
        };
        least_of(&folder, group, files)
    });
    limits.min()
}

/// The least number in these files of a group and of those around it. A container sees its own group as the
/// outermost one, whatever the group is called.
fn least_of(folder: &Path, group: &str, files: &[&str]) -> Option<u64> {
    let group = Path::new(group.trim_start_matches('/'));
    let numbers = group.ancestors().flat_map(|group| {
        let folder = folder.join(group);
        files.iter().filter_map(move |file| fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok())
    });
    numbers.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of groups that goes with the test.
    struct Tree(std::path::PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("realmgate-groups-{name}-{}", std::process::id()));
            for (file, text) in files {
                let path = root.join(file);
                fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                fs::write(path, text).expect("a file");
            }
            Self(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn the_least_limit_of_the_group_and_of_those_around_it_counts() {
        let tree = Tree::new(
            "second",
            &[
                ("system.slice/memory.max", "4000\n"),
                ("system.slice/realmgate.service/memory.max", "max\n"),
                ("system.slice/realmgate.service/memory.high", "5000\n"),
            ],
        );
        let limit = |groups| memory_limit(&tree.0, groups);
        assert_eq!(limit("0::/system.slice/realmgate.service\n"), Some(4000));
        assert_eq!(limit("0::/system.slice/elsewhere\n"), Some(4000));
        assert_eq!(limit("0::/\n"), None);
        assert_eq!(limit(""), None);
        assert_eq!(limit("no line of the kind\n0\n0:"), None);
    }

    #[test]
    fn the_older_version_has_its_own_file() {
        let files = [("memory/memory.limit_in_bytes", "9000\n"), ("memory/pod/memory.limit_in_bytes", "300")];
        let tree = Tree::new("first", &files);
        assert_eq!(memory_limit(&tree.0, "5:cpu:/pod\n4:memory,hugetlb:/pod\n0::/\n"), Some(300));
        assert_eq!(memory_limit(&tree.0, "4:memory:/gone/elsewhere\n"), Some(9000));
    }

    #[test]
    fn this_machine_says_what_it_has() {
        let limits = Limits::read();
        assert!(limits.memory.is_some_and(|bytes| bytes > 1 << 20), "{limits:?}");
        assert!(limits.descriptors.is_none_or(|count| count > 16), "{limits:?}");
    }
}
