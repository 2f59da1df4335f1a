//! The kernel, and what a process may use of it.

use super::Finding;
use nix::sys::utsname::uname;

/// Files that an agent of a busy host has open: sockets of services, and a link for each port.
const FILES: u64 = 4096;
/// The first kernel with TCX links.
const OLDEST: (u32, u32) = (6, 6);

pub(super) fn examine(process: Option<u32>) -> Vec<Finding> {
    let release = uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let of_process = process.map_or("self".to_owned(), |process| process.to_string());
    vec![
        kernel(&release),
        btf(std::fs::exists("/sys/kernel/btf/vmlinux").unwrap_or(false)),
        jit(&read("/proc/sys/net/core/bpf_jit_enable")),
        bpf_file_system(&read("/proc/self/mounts")),
        open_files(&read(&format!("/proc/{of_process}/limits")), process.is_some()),
        agent(process),
    ]
}

fn agent(process: Option<u32>) -> Finding {
    match process {
        Some(process) => Finding::fine("agent", format!("the agent runs as process {process}")),
        None => Finding::warning(
            "agent",
            "no agent of this state directory runs",
            "ports go on by the last rows; start hadron agent, and see why it ended in its log",
        ),
    }
}

fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit()).map(|text| text.parse::<u32>().ok());
    let version = (numbers.next().flatten(), numbers.next().flatten());
    match version {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => {
            Finding::fine("kernel", format!("Linux {release} has TCX"))
        }
        (Some(_), Some(_)) => Finding::error(
            "kernel",
            format!("Linux {release} has no TCX: programs can't be attached"),
            "install Linux 6.6 or newer",
        ),
        _ => Finding::warning(
            "kernel",
            format!("the kernel's release {release:?} can't be read"),
            "make sure that it is Linux 6.6 or newer",
        ),
    }
}

fn btf(is_there: bool) -> Finding {
    match is_there {
        true => Finding::fine("btf", "the kernel tells its types (BTF)"),
        false => Finding::warning(
            "btf",
            "the kernel does not tell its types: /sys/kernel/btf/vmlinux is missing",
            "use a kernel with CONFIG_DEBUG_INFO_BTF; without it tables and programs can't be looked into by name",
        ),
    }
}

fn jit(setting: &str) -> Finding {
    match setting.trim() {
        "0" => Finding::warning(
            "jit",
            "BPF programs are interpreted, which makes every packet several times dearer",
            "sysctl net.core.bpf_jit_enable=1",
        ),
        "1" | "2" => Finding::fine("jit", "BPF programs are compiled"),
        // A namespace other than the first does not show it.
        _ => Finding::fine("jit", "whether BPF programs are compiled is not shown here"),
    }
}

fn bpf_file_system(mounts: &str) -> Finding {
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    match fields.any(|fields| fields.get(2) == Some(&"bpf")) {
        true => Finding::fine("bpffs", "a BPF file system is mounted"),
        false => Finding::error(
            "bpffs",
            "no BPF file system is mounted: nothing can be pinned",
            "mount -t bpf bpf /sys/fs/bpf",
        ),
    }
}

/// `limits` is `/proc/PID/limits`. Memory of tables is no matter of a limit: since 5.11 the cgroup is charged.
fn open_files(limits: &str, is_agent: bool) -> Finding {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    let whose = if is_agent { "the agent" } else { "a process that is started here" };
    match soft.map(|soft| soft.parse::<u64>().unwrap_or(u64::MAX)) {
        Some(soft) if soft < FILES => Finding::warning(
            "files",
            format!("{whose} may open {soft} files only"),
            "LimitNOFILE=65536 in the agent's unit: each port with metadata or a log needs some",
        ),
        Some(_) => Finding::fine("files", format!("{whose} may open enough files")),
        None => Finding::fine("files", "the limit of open files is not shown here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn kernels_are_told_by_their_release() {
        for (release, level) in [
            ("6.6.0", Level::Fine),
            ("6.18.44-custom", Level::Fine),
            ("7.0-rc1", Level::Fine),
            ("6.5.13", Level::Error),
            ("5.15.0-91-generic", Level::Error),
            ("strange", Level::Warning),
        ] {
            assert_eq!(kernel(release).level, level, "{release}");
        }
    }

    #[test]
    fn what_the_kernel_lacks_is_told() {
        assert_eq!(btf(false).level, Level::Warning);
        assert_eq!(
            [jit("0\n").level, jit("1\n").level, jit("").level],
            [Level::Warning, Level::Fine, Level::Fine]
        );
        let mounts = "proc /proc proc rw 0 0\nbpf /sys/fs/bpf bpf rw,mode=700 0 0\n";
        assert_eq!(bpf_file_system(mounts).level, Level::Fine);
        assert_eq!(bpf_file_system("bpf /bpf tmpfs rw 0 0\n").level, Level::Error);
    }

    #[test]
    fn few_files_are_a_warning() {
        let limits = |soft: &str| {
            format!(
                "Limit  Soft Limit  Hard Limit  Units\nMax open files            {soft}                 524288               files\n"
            )
        };
        for (soft, level) in [("1024", Level::Warning), ("65536", Level::Fine), ("unlimited", Level::Fine)] {
            assert_eq!(open_files(&limits(soft), true).level, level, "{soft}");
        }
        assert_eq!(open_files("", true).level, Level::Fine);
    }
}
