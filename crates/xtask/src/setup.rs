//! What a machine needs to build and test hadron, and its installation. Every step looks first and does nothing when the
//! thing is there.

use crate::command::{cargo, cargo_bin, path_with_cargo_bin, root, run as run_command, succeeds, target};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A compiler for BPF with the sources of its core library, LLVM for the BPF linker, protoc.
const BUILD_PACKAGES: &[&str] =
    &["rustc-web", "cargo-web", "rust-web-src", "llvm-22-dev", "zlib1g-dev", "gcc", "protobuf-compiler"];

/// What the lab, the scenarios and the benches run.
const TEST_PACKAGES: &[&str] = &[
    "busybox-static",
    "dhcpcd-base",
    "dnsmasq-base",
    "dpkg-dev",
    "etcd-client",
    "etcd-server",
    "ethtool",
    "gcc-aarch64-linux-gnu",
    "iperf3",
    "iproute2",
    "iputils-ping",
    "isc-dhcp-client",
    "libc6-dev-arm64-cross",
    "nftables",
    "procps",
    "python3-venv",
    QEMU,
    "tcpdump",
    "traceroute",
];

/// The emulator of a machine like this one.
const QEMU: &str = if cfg!(target_arch = "aarch64") { "qemu-system-arm" } else { "qemu-system-x86" };

const BPF_LINKER: &str = "0.13.0";
const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.1";
const KEYSTONE: &[&str] = &["keystone==30.0.0"];
const OPENSTACK_CLIENT: &[&str] = &["python-openstackclient==10.5.0", "python-neutronclient==14.0.0"];
/// The public suites, which `spec/conformance` is about.
const SUITES: &[&str] = &["tempest==47.0.0", "neutron-tempest-plugin==3.3.0"];
const SCHEMATHESIS: &[&str] = &["schemathesis==4.32.5"];

/// Installs what is missing.
pub fn run() -> Result<()> {
    debian_packages()?;
    bpf_linker()?;
    cargo_deny()?;
    openstack_client()?;
    keystone();
    debian();
    udhcpc6();
    Ok(())
}

fn debian_packages() -> Result<()> {
    let missing: Vec<&str> = BUILD_PACKAGES
        .iter()
        .chain(TEST_PACKAGES)
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "this is no Debian-like machine; install what these Debian packages hold: {}",
            missing.join(" ")
        );
    }
    println!("installing {}", missing.join(" "));
    refresh_package_list()?;
    run_command(apt_get().args(["install", "--yes", "--quiet=2", "--no-install-recommends"]).args(missing))
}

/// A list of packages that is too old names versions that the archive no longer has.
pub fn refresh_package_list() -> Result<()> {
    run_command(apt_get().args(["update", "--quiet=2"]))
}

fn apt_get() -> Command {
    let mut command = if is_root() { Command::new("apt-get") } else { Command::new("sudo") };
    if !is_root() {
        command.arg("apt-get");
    }
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Whether this process is root.
pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

fn bpf_linker() -> Result<()> {
    if is_version(&cargo_bin().join("bpf-linker"), BPF_LINKER) {
        return Ok(());
    }
    println!("building bpf-linker {BPF_LINKER}");
    // Debian's compiler: the linker must be of the LLVM that makes its input.
    let mut command = Command::new("/usr/bin/cargo");
    command
        .args(["install", "--quiet", "--locked", "--force", "--no-default-features", "--features", "llvm-22"])
        .arg(format!("bpf-linker@{BPF_LINKER}"))
        .env("LLVM_PREFIX", "/usr/lib/llvm-22")
        .env("RUSTC", "/usr/bin/rustc")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO_TARGET_DIR");
    run_command(&mut command)
}

fn cargo_deny() -> Result<()> {
    if is_version(&cargo_bin().join("cargo-deny"), CARGO_DENY) {
        return Ok(());
    }
    println!("building cargo-deny {CARGO_DENY}");
    run_command(
        cargo()
            .args(["install", "--quiet", "--locked", "--force", "--no-default-features"])
            .arg(format!("cargo-deny@{CARGO_DENY}")),
    )
}

/// What fuzz targets are built and run with; only long runs need it.
pub fn cargo_fuzz() -> Result<()> {
    if is_version(&cargo_bin().join("cargo-fuzz"), CARGO_FUZZ) {
        return Ok(());
    }
    println!("building cargo-fuzz {CARGO_FUZZ}");
    run_command(
        cargo().args(["install", "--quiet", "--locked", "--force"]).arg(format!("cargo-fuzz@{CARGO_FUZZ}")),
    )
}

fn is_version(program: &Path, version: &str) -> bool {
    let output = Command::new(program).arg("--version").env("PATH", path_with_cargo_bin()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(version))
}

/// Where the official client is installed: a virtual environment beside the build's products.
pub fn openstack_environment() -> PathBuf {
    target().join("tools/openstack")
}

fn openstack_client() -> Result<()> {
    python_environment(&openstack_environment(), OPENSTACK_CLIENT, &["openstack", "--version"])
}

/// The virtual environment with the public test suites, installed if it isn't there.
pub fn suites_environment() -> Result<PathBuf> {
    let environment = target().join("tools/suites");
    let constraints = format!("--constraint={}", root().join("spec/conformance/constraints.txt").display());
    let packages: Vec<&str> = SUITES.iter().copied().chain([constraints.as_str()]).collect();
    python_environment(&environment, &packages, &["stestr", "--version"])?;
    Ok(environment)
}

/// The virtual environment with schemathesis, installed if it isn't there.
pub fn schemathesis_environment() -> Result<PathBuf> {
    let environment = target().join("tools/schemathesis");
    python_environment(&environment, SCHEMATHESIS, &["schemathesis", "--version"])?;
    Ok(environment)
}

/// Installs `packages` into a virtual environment of their own, unless the same ones are there, and tries `program`.
fn python_environment(environment: &Path, packages: &[&str], program: &[&str]) -> Result<()> {
    let marker = environment.join("installed");
    let wanted = packages.join(" ");
    if std::fs::read_to_string(&marker).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    println!("installing {wanted}");
    let _ = std::fs::remove_dir_all(environment);
    run_command(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(environment))?;
    run_command(
        Command::new(environment.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(packages),
    )?;
    if !succeeds(Command::new(environment.join("bin").join(program[0])).args(&program[1..])) {
        bail!("{} was installed to {} but does not start", program[0], environment.display());
    }
    std::fs::write(marker, wanted)?;
    Ok(())
}

/// A real Keystone, for tests that are skipped without it.
fn keystone() {
    let environment = target().join("tools/keystone");
    if let Err(error) = python_environment(&environment, KEYSTONE, &["keystone-manage", "--help"]) {
        eprintln!("no Keystone is installed, the tests that need it will be skipped: {error:#}");
        let _ = std::fs::remove_dir_all(&environment);
    }
}

/// Packages for guests, whose tests are skipped without them.
fn debian() {
    if let Err(error) = crate::debian::root() {
        eprintln!("no Debian packages for guests, the tests with real guests will be skipped: {error:#}");
    }
}

/// A client of DHCPv6 that no package has; its test is skipped without it.
fn udhcpc6() {
    if let Err(error) = crate::busybox::udhcpc6() {
        eprintln!("no busybox with udhcpc6, the test with it will be skipped: {error:#}");
    }
}
