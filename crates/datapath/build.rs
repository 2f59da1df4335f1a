//! Builds the kernel's programs (`crates/ebpf`) and leaves the object in `OUT_DIR` for embedding.
//!
//! It needs a compiler for `bpfel-unknown-none` with the sources of its core library, and `bpf-linker` of the same LLVM;
//! `cargo xtask setup` installs both. The defaults are Debian's paths. With rustup, name a nightly toolchain that has
//! `rust-src`: `HADRON_BPF_CARGO=$(rustup which --toolchain nightly cargo) HADRON_BPF_RUSTC=$(rustup which --toolchain nightly rustc)`.
//! `HADRON_BPF_CPU` chooses the instruction set (`v3`; `v4` for kernels from 6.6 on). `HADRON_BPF_OBJECT` names an object that has been built from
//! the same sources before: it is the same for every little-endian machine, and then no BPF compiler is needed.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "bpfel-unknown-none";
const OBJECT: &str = "hadron-ebpf";
const PREBUILT: &str = "HADRON_BPF_OBJECT";

fn main() {
    for path in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed=../ebpf/{path}");
    }
    println!("cargo::rerun-if-changed=../pipeline/src");
    println!("cargo::rerun-if-changed=../pipeline/Cargo.toml");
    for variable in ["HADRON_BPF_CARGO", "HADRON_BPF_RUSTC", "HADRON_BPF_CPU", PREBUILT] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if let Err(text) = build() {
        println!("cargo::error={text}");
    }
}

fn build() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: build with cargo")?);
    let object = match env::var_os(PREBUILT) {
        Some(object) => {
            println!("cargo::rerun-if-changed={}", Path::new(&object).display());
            PathBuf::from(object)
        }
        None => compile(&out)?,
    };
    // Not into a file that is there: in a target directory that was copied by hard links it is also another one's.
    let _ = std::fs::remove_file(out.join(OBJECT));
    std::fs::copy(&object, out.join(OBJECT))
        .map_err(|error| format!("cannot copy {}: {error}", object.display()))?;
    Ok(())
}

/// Where the object is then.
fn compile(out: &Path) -> Result<PathBuf, String> {
    let tools = Tools::find()?;
    // Of this run, and not of the build script's own compilation: a target directory may serve several copies of the sources.
    let here = env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set: build with cargo")?;
    let ebpf = Path::new(&here).join("../ebpf");
    let target = target_directory(out);
    let mut command = tools.command();
    command
        .current_dir(&ebpf)
        .args(["build", "--release", "-Z", "build-std=core", "--target", TARGET, "--target-dir"])
        .arg(&target);
    if ebpf.join("Cargo.lock").exists() {
        command.arg("--locked");
    }
    let status =
        command.status().map_err(|error| format!("{} did not start: {error}", tools.cargo.display()))?;
    if !status.success() {
        return Err(format!("crates/ebpf did not build ({status}); its messages are above"));
    }
    Ok(target.join(TARGET).join("release").join(OBJECT))
}

/// `bpf` beside the profiles' directories: core is built once for all of them, and the outer cargo's lock is not waited for.
fn target_directory(out: &Path) -> PathBuf {
    // <target>/<profile>/build/<package>/out
    let root = out.ancestors().nth(4).filter(|_| out.ends_with("out")).unwrap_or(out);
    root.join("bpf")
}

struct Tools {
    cargo: PathBuf,
    rustc: PathBuf,
    path: OsString,
    cpu: String,
}

impl Tools {
    fn find() -> Result<Tools, String> {
        let cargo = tool("HADRON_BPF_CARGO", "/usr/bin/cargo")?;
        let rustc = tool("HADRON_BPF_RUSTC", "/usr/bin/rustc")?;
        let sysroot = Command::new(&rustc)
            .args(["--print", "sysroot"])
            .env_remove("RUSTUP_TOOLCHAIN")
            .output()
            .map_err(|error| missing(&format!("{} does not run ({error})", rustc.display())))?;
        let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
        if !sysroot.join("lib/rustlib/src/rust/library/core").exists() {
            let text = format!("the sources of core (rust-src) are not in {}", sysroot.display());
            return Err(missing(&text));
        }
        let path = path_with_cargo_bin();
        let linker = Command::new("bpf-linker").arg("--version").env("PATH", &path).output();
        if !linker.is_ok_and(|output| output.status.success()) {
            return Err(missing("bpf-linker is neither in PATH nor in cargo's bin directory"));
        }
        let cpu = env::var("HADRON_BPF_CPU").unwrap_or_else(|_| "v3".into());
        Ok(Tools { cargo, rustc, path, cpu })
    }

    /// Cargo with the environment of this build only: what the outer cargo and rustup have set would change compiler,
    /// flags or directory.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            let kept = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR"];
            let foreign =
                ["CARGO", "RUSTC", "RUSTFLAGS", "RUSTDOC", "RUSTUP_TOOLCHAIN", "TARGET", "HOST", "PROFILE"];
            let starts = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
            if starts(&foreign) && !starts(&kept) {
                command.env_remove(&*name);
            }
        }
        let flags = format!("-Cdebuginfo=2\x1f-Clink-arg=--btf\x1f-Ctarget-cpu={}", self.cpu);
        command
            .env("PATH", &self.path)
            .env("RUSTC", &self.rustc)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .stdin(Stdio::null());
        command
    }
}

fn tool(variable: &str, default: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(env::var_os(variable).unwrap_or_else(|| default.into()));
    if path.exists() {
        Ok(path)
    } else {
        Err(missing(&format!("{} does not exist (set {variable} to use another)", path.display())))
    }
}

fn missing(what: &str) -> String {
    format!(
        "the kernel's programs can't be built: {what}. Run `cargo xtask setup`, or see crates/datapath/build.rs"
    )
}

fn path_with_cargo_bin() -> OsString {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let bin = home.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let path = env::var_os("PATH").unwrap_or_default();
    let paths = env::split_paths(&path).chain(bin.map(|home| home.join("bin")));
    env::join_paths(paths).unwrap_or(path)
}
