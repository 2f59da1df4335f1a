//! A machine of the test's own: network and mount namespace of this process, gone when it ends, however it ends.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod cloud;
pub mod program;

use aya::maps::{Array, Map, MapData};
use hadron_datapath::{Config, Datapath, HostConfig, Sizes, table};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// A test by its name.
pub type Test = (&'static str, fn());

/// Runs the tests in namespaces of their own; without root lists them as ignored.
pub fn run(tests: &[Test]) -> ExitCode {
    let arguments = Arguments::from_args();
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        isolate();
    } else {
        eprintln!("these tests need root, and are ignored without it");
    }
    let trials = tests.iter().map(|&(name, test)| {
        let runner = move || -> Result<(), Failed> {
            test();
            Ok(())
        };
        Trial::test(name, runner).with_ignored_flag(!is_root)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Called before there are threads, all of which then share the namespaces.
pub fn isolate() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces");
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private mounts");
    for place in ["/mnt", "/run"] {
        mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::empty(), none).expect("tmpfs");
    }
    ip("link set lo up");
}

/// Runs `ip` with arguments that are separated by blanks.
pub fn ip(arguments: &str) {
    command("ip", arguments);
}

/// Runs a program that must succeed, and returns what it printed.
pub fn command(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split_whitespace()).output().expect(program);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Index of an interface of this process's namespace.
pub fn ifindex(name: &str) -> u32 {
    nix::net::if_::if_nametoindex(name).expect(name)
}

/// An interface that is up and speaks by itself to nobody; its far end has no addresses.
pub fn interface(name: &str) -> u32 {
    ip(&format!("link add {name} type veth peer name {name}p"));
    for end in [name.to_owned(), format!("{name}p")] {
        ip(&format!("link set {end} addrgenmode none arp off mtu 9000 up"));
    }
    ifindex(name)
}

/// A pin directory for a test.
pub fn pins(test: &str) -> PathBuf {
    Path::new("/mnt").join(test)
}

/// Host 1 with a small set of tables.
pub fn config(test: &str) -> Config {
    let host = HostConfig {
        host: 1,
        underlay: "192.0.2.1".parse().expect("address"),
        overlay_ifindex: 0,
        overlay_mtu: 1450,
        timeouts: table::timeout::DEFAULTS,
    };
    Config { pins: pins(test), host, sizes: Sizes::lab() }
}

/// The packet path of [`config`].
pub fn open(test: &str) -> Datapath {
    Datapath::open(config(test)).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// Name of the directory that pins the `number`th set of tables, from 1.
pub fn set(number: u32) -> String {
    format!("tables-{}-{number}", table::LAYOUT_VERSION)
}

/// Writes the row of `CONFIG` as it is, whatever its layout version.
pub fn write_config(set: &Path, config: &table::Config) {
    let table::Config { layout_version, host, overlay_ifindex, overlay_mtu, underlay, timeouts, following } =
        *config;
    let words = [layout_version, host, overlay_ifindex, overlay_mtu].map(u32::to_ne_bytes);
    let mut row = [0; size_of::<table::Config>()];
    row[..16].copy_from_slice(&words.concat());
    row[16..32].copy_from_slice(&underlay.0);
    row[32..64].copy_from_slice(&timeouts.map(u32::to_ne_bytes).concat());
    row[64..].copy_from_slice(&following.to_ne_bytes());
    let map = MapData::from_pin(set.join(table::CONFIG.name)).expect("CONFIG");
    let mut map: Array<_, [u8; size_of::<table::Config>()]> = Map::Array(map).try_into().expect("CONFIG");
    map.set(0, row, 0).expect("CONFIG");
}

/// An error with all its sources.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
