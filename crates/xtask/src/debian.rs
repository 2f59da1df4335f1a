//! A root directory of Debian packages, for tests with programs that would start daemons, change the machine or bring a kernel:
//! guests boot from it and instances run its programs in namespaces. Nothing of it is installed on the machine.
//!
//! apt finds what the packages depend on, against an empty list of installed ones; they are unpacked, and none of their scripts run.

use crate::command::{run, target};
use crate::setup::{is_root, refresh_package_list};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What programs of any kind expect to be there.
const BASE: &[&str] = &[
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dash",
    "findutils",
    "gawk",
    "grep",
    "hostname",
    "iproute2",
    "iputils-ping",
    "login",
    "netbase",
    "passwd",
    "procps",
    "sed",
    "util-linux",
];

/// What the tests are about; the kernel is added by the machine's architecture.
const WANTED: &[&str] = &[
    "busybox",
    "cloud-init",
    "dropbear-bin",
    "ifupdown",
    "isc-dhcp-client",
    "knot",
    "knot-dnsutils",
    "libiscsi-bin",
    "openssh-client",
    "qemu-block-extra",
    "qemu-utils",
    "systemd",
    "tgt",
];

/// Where it is, made if it isn't there or is of other packages.
pub fn root() -> Result<PathBuf> {
    let directory = target().join("tools/debian");
    let (root, marker) = (directory.join("root"), directory.join("packages"));
    let kernel = format!("linux-image-cloud-{}", architecture()?);
    let packages: Vec<&str> = BASE.iter().chain(WANTED).copied().chain([kernel.as_str()]).collect();
    let wanted = packages.join(" ");
    if std::fs::read_to_string(&marker).is_ok_and(|text| text == wanted) {
        return Ok(root);
    }
    if !is_root() {
        bail!("only root can give the files of packages their owners");
    }
    println!("unpacking Debian packages for guests");
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(directory.join("cache/archives/partial"))?;
    if run(&mut download(&directory, &packages)).is_err() {
        refresh_package_list()?;
        run(&mut download(&directory, &packages))?;
    }
    unpack(&directory, &root)?;
    std::fs::remove_dir_all(directory.join("cache"))?;
    std::fs::write(marker, wanted)?;
    Ok(root)
}

fn architecture() -> Result<String> {
    let output = Command::new("dpkg").arg("--print-architecture").output().context("cannot start dpkg")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn download(directory: &Path, packages: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["--quiet=2", "--yes", "--download-only", "--no-install-recommends"]);
    for option in [
        "APT::Sandbox::User=root".to_owned(),
        "Debug::NoLocking=1".to_owned(),
        "Dir::State::status=/dev/null".to_owned(),
        format!("Dir::Cache={}", directory.join("cache").display()),
    ] {
        command.args(["-o", &option]);
    }
    command.arg("install").args(packages);
    command
}

fn unpack(directory: &Path, root: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory.join("cache/archives"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("--extract").arg(&path).arg(root))?;
        }
    }
    // The accounts that the script of base-passwd would make.
    for name in ["passwd", "group"] {
        let master = root.join("usr/share/base-passwd").join(format!("{name}.master"));
        std::fs::copy(&master, root.join("etc").join(name))
            .with_context(|| format!("copy {}", master.display()))?;
    }
    Ok(())
}
