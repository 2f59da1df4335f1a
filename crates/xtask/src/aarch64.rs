//! `cargo check` of the product for aarch64, with Debian's standard library for that target.
//!
//! The package is fetched with an apt configuration of its own and unpacked beside the build's products, so that the machine's
//! list of architectures stays as it is. Only Debian's compiler of the same version can use it.

use crate::command::{cargo, run, target};
use crate::tally::Tally;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "aarch64-unknown-linux-gnu";
const PACKAGE: &str = "libstd-rust-web-dev";

/// Checks the product for aarch64; skipped where the package archive does not have the standard library.
pub fn check() -> Result<Tally> {
    let sysroot = match sysroot() {
        Ok(sysroot) => sysroot,
        Err(error) => {
            println!("no standard library for {TARGET}: {error:#}");
            return Ok(Tally::skipped(1));
        }
    };
    let mut check = cargo();
    check
        .args(["check", "--quiet", "--package", "hadron", "--target", TARGET])
        .env("CARGO_TARGET_DIR", target().join("aarch64"))
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTFLAGS", format!("--sysroot={}", sysroot.display()))
        .env_remove("RUSTUP_TOOLCHAIN");
    // The BPF object is the same for all machines; a build before this one has made it.
    let object = target().join("bpf/bpfel-unknown-none/release/hadron-ebpf");
    if object.is_file() {
        check.env("HADRON_BPF_OBJECT", object);
    }
    Ok(Tally::of(check.status()?.success()))
}

fn sysroot() -> Result<PathBuf> {
    let directory = target().join("tools/aarch64");
    let sysroot = directory.join("usr");
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(sysroot);
    }
    for part in ["lists/partial", "cache"] {
        std::fs::create_dir_all(directory.join(part))?;
    }
    run(apt_get(&directory).args(["--quiet=2", "update"]))?;
    run(apt_get(&directory).args(["--quiet=2", "download", PACKAGE]))?;
    let archive = downloaded(&directory)?;
    run(Command::new("dpkg").arg("--extract").arg(archive).arg(&directory))?;
    Ok(sysroot)
}

fn apt_get(directory: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.current_dir(directory);
    for option in [
        "APT::Architecture=arm64".to_owned(),
        "APT::Architectures::=arm64".to_owned(),
        // apt's own unprivileged user cannot enter a home directory.
        "APT::Sandbox::User=root".to_owned(),
        format!("Dir::State::lists={}", directory.join("lists").display()),
        format!("Dir::Cache={}", directory.join("cache").display()),
        "Dir::State::status=/dev/null".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    command
}

fn downloaded(directory: &Path) -> Result<PathBuf> {
    std::fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get downloaded no {PACKAGE}"))
}
