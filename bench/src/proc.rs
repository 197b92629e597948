//! What the kernel says of processes, in the files below `/proc` (proc(5)).

use std::collections::HashMap;
use std::fs;

use crate::Result;

/// A tick has been a hundredth of a second on Linux for as long as it is visible.
const TICKS_PER_SECOND: f64 = 100.0;

/// What `/proc/<pid>/stat` says of a process.
struct Stat {
    parent: u32,
    /// Processor time of its own.
    own: u64,
    /// And of its children that it has waited for, with theirs.
    ended_children: u64,
}

impl Stat {
    fn of(pid: &str) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name of the program, in parentheses, may hold spaces.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(11)? + ticks(12)?,
            ended_children: ticks(13)? + ticks(14)?,
        })
    }
}

/// Processor time of this process so far.
pub(crate) fn own_cpu_seconds() -> Result<f64> {
    let stat = Stat::of("self").ok_or("/proc/self/stat cannot be read")?;
    Ok(stat.own as f64 / TICKS_PER_SECOND)
}

/// Processor time of the children of this process that have ended.
pub(crate) fn ended_children_cpu_seconds() -> Result<f64> {
    let stat = Stat::of("self").ok_or("/proc/self/stat cannot be read")?;
    Ok(stat.ended_children as f64 / TICKS_PER_SECOND)
}

/// Processor time so far of a process and all that it has started, ended ones too.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let ticks: u64 = tree(pid)?
        .values()
        .map(|stat| stat.own + stat.ended_children)
        .sum();
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

/// The memory that a process and all that it has started hold at the moment.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let kibibytes: f64 = tree(pid)?
        .keys()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok())
        .filter_map(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        })
        .sum();
    Ok(kibibytes / 1024.0)
}

/// A process and its descendants.
fn tree(root: u32) -> Result<HashMap<u32, Stat>> {
    let mut others: HashMap<u32, Stat> = fs::read_dir("/proc")?
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            Some((name.parse().ok()?, Stat::of(&name)?))
        })
        .collect();
    let mut found = HashMap::new();
    let stat = others
        .remove(&root)
        .ok_or_else(|| format!("there is no process {root} any more"))?;
    found.insert(root, stat);
    loop {
        let children: Vec<u32> = others
            .iter()
            .filter(|(_, stat)| found.contains_key(&stat.parent))
            .map(|(pid, _)| *pid)
            .collect();
        if children.is_empty() {
            return Ok(found);
        }
        found.extend(
            children
                .into_iter()
                .filter_map(|pid| others.remove_entry(&pid)),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_counts_with_those_that_it_has_started() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & wait"])
            .spawn()
            .unwrap();
        let pid = shell.id();
        while tree(pid).unwrap().len() < 2 {
            std::thread::yield_now();
        }
        let others: Vec<u32> = tree(pid)
            .unwrap()
            .into_keys()
            .filter(|other| *other != pid)
            .collect();
        assert!(resident_mib(pid).unwrap() > resident_mib(others[0]).unwrap());
        for other in others {
            let other = rustix::process::Pid::from_raw(other.try_into().unwrap()).unwrap();
            rustix::process::kill_process(other, rustix::process::Signal::KILL).unwrap();
        }
        shell.wait().unwrap();
        assert!(cpu_seconds(pid).is_err());
    }
}
