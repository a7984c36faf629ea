//! What processes spent, as the kernel counts it.
//!
//! `/proc/PID/task/*/schedstat` gives the time of every thread on a core in nanoseconds, user and system together;
//! the kernel's work for a socket is charged to the process whose system call does it.

use std::fs;

/// The time all threads of these processes have spent on a core, in nanoseconds.
pub(crate) fn spent(pids: &[u32]) -> u64 {
    pids.iter().map(|pid| spent_by(*pid)).sum()
}

fn spent_by(pid: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let of_thread = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    threads.flatten().filter_map(of_thread).sum()
}

/// The time in which the first so many cores did anything for anybody, in nanoseconds; counted in hundredths of a
/// second.
pub(crate) fn first_cores(count: usize) -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    // The first line is of all cores together.
    text.lines().skip(1).take(count).filter(|line| line.starts_with("cpu")).map(busy).sum()
}

/// All but idle and waiting for disks (proc_stat(5)), stolen time included.
fn busy(line: &str) -> u64 {
    let numbers = line.split_whitespace().skip(1).map_while(|word| word.parse::<u64>().ok());
    let kinds = numbers.take(8).enumerate();
    kinds.filter(|(kind, _)| !matches!(kind, 3 | 4)).map(|(_, hundredths)| hundredths * 10_000_000).sum()
}

/// The resident memory of these processes together, in KiB.
pub(crate) fn resident(pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| resident_of(*pid)).sum()
}

fn resident_of(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A process and its children: nginx works in a child.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let is_child = |other: &u32| {
        let status = fs::read_to_string(format!("/proc/{other}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        parent.is_some_and(|parent| parent.trim() == pid.to_string())
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    std::iter::once(pid).chain(numbers.filter(is_child)).collect()
}
