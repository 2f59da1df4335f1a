//! What a lab leaves behind, however it ends: nothing. Needs root; says so and does nothing without.

use hadron_lab::{Lab, Topology, Underlay, is_available, persistent, sweep, until};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
/// Tells this test program to be the process that ends badly.
const ROLE: &str = "HADRON_LAB_TEST_VICTIM";

fn can_run() -> bool {
    if !is_available() {
        eprintln!("skipped: needs root");
    }
    is_available()
}

/// A lab with a daemon that has left its parent and its process group.
fn with_daemon(prefix: &str) -> (Lab, u32) {
    let lab = Topology::new(prefix).hosts(["one", "two"]).up().unwrap();
    let pid = lab.host("one").unwrap().command("sh").args(["-c", "setsid sleep 1000 >/dev/null & echo $!"]);
    let pid = pid.succeed(SOON).unwrap().trim().parse().unwrap();
    assert!(is_alive(pid));
    (lab, pid)
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

#[test]
fn a_lab_that_ends_takes_everything_with_it() {
    if can_run() {
        let (lab, daemon) = with_daemon("drop");
        let dir = lab.dir().to_owned();
        let kept = lab.host("two").unwrap().command("sleep").arg("1000").spawn().unwrap();
        drop(lab);
        assert!(!dir.exists() && !is_alive(daemon));
        kept.wait(SOON).unwrap();
    }
}

#[test]
fn a_test_that_panics_leaves_nothing() {
    if can_run() {
        let (send, receive) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let (lab, daemon) = with_daemon("panic");
            send.send((lab.dir().to_owned(), daemon)).unwrap();
            let _instance = lab.hosts()[0].instance("vm", "0d6e1f4a-8c1b", "fa:16:3e:00:00:01").unwrap();
            panic!("as intended");
        });
        assert!(thread.join().is_err());
        let (dir, daemon) = receive.recv().unwrap();
        assert!(!dir.exists() && !is_alive(daemon));
    }
}

/// Starts this program again as one that makes a lab, says where, and waits.
fn victim() -> (Child, PathBuf, u32) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_is_ended_leaves_nothing", "--nocapture"])
        .env(ROLE, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.contains("lab at ")).expect("a lab");
    let (dir, daemon) = line.split_once("lab at ").unwrap().1.split_once(" with ").unwrap();
    (child, PathBuf::from(dir), daemon.parse().unwrap())
}

#[test]
fn a_process_that_is_ended_leaves_nothing() {
    if !can_run() {
        return;
    }
    if std::env::var_os(ROLE).is_some() {
        let (lab, daemon) = with_daemon("victim");
        println!("lab at {} with {daemon}", lab.dir().display());
        loop {
            std::thread::park();
        }
    }
    use nix::sys::signal::Signal;
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let (mut child, dir, daemon) = victim();
        assert!(dir.exists() && is_alive(daemon));
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), signal).unwrap();
        child.wait().unwrap();
        until(SOON, "a warden that cleaned up", || !dir.exists() && !is_alive(daemon)).unwrap();
    }
}

#[test]
fn what_even_the_warden_left_is_swept() {
    if can_run() {
        let mut dead = Command::new("true").spawn().unwrap();
        let pid = dead.id();
        dead.wait().unwrap();
        let dir = PathBuf::from(format!("/run/hadron-lab/swept-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("owner"), format!(r#"{{"pid":{pid},"started":1}}"#)).unwrap();
        let (lab, _) = with_daemon("kept");
        sweep();
        assert!(!dir.exists() && lab.dir().exists());
    }
}

#[test]
fn a_persistent_lab_stays_until_it_is_taken_down() {
    if !can_run() {
        return;
    }
    let name = format!("stay-{}", std::process::id());
    let guard = TakeDown(name.clone());
    let hosts = ["controller".to_owned(), "compute1".to_owned()];
    let addresses = persistent::up(&name, &hosts, Underlay::V6, 1500).unwrap();
    assert_eq!(addresses[1], ("compute1".into(), "fd00:30::2".parse().unwrap()));
    sweep();
    let again = persistent::up(&name, &hosts, Underlay::V6, 1500).unwrap_err().to_string();
    assert!(again.contains("already"), "{again}");

    let exec = |host: &str, command: &[&str]| {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        persistent::exec(&name, host, &command)
    };
    let ping = || exec("controller", &["sh", "-c", "ping -c 1 -W 1 compute1 >/dev/null"]).unwrap();
    assert_eq!(exec("compute1", &["sh", "-c", "exit 7"]).unwrap(), 7);
    assert_eq!(exec("compute1", &["sh", "-c", "kill -TERM $$"]).unwrap(), 143);
    assert_eq!(exec("compute1", &["sh", "-c", "test $(uname -n) = compute1"]).unwrap(), 0);
    assert!(exec("compute9", &["true"]).is_err());
    assert_eq!(ping(), 0);
    persistent::fault(&name, "compute1", "partition").unwrap();
    assert_ne!(ping(), 0);
    persistent::fault(&name, "compute1", "heal").unwrap();
    assert_eq!(ping(), 0);
    assert!(persistent::fault(&name, "compute1", "fire").is_err());

    exec("compute1", &["sh", "-c", "setsid sleep 1000 >/dev/null & echo $! > /var/lib/pid"]).unwrap();
    let is_running =
        "kill -0 $(cat /var/lib/pid) 2>/dev/null && ! grep -q ') Z' /proc/$(cat /var/lib/pid)/stat";
    assert_eq!(exec("compute1", &["sh", "-c", is_running]).unwrap(), 0);
    persistent::fault(&name, "compute1", "kill").unwrap();
    until(SOON, "the end of the daemon", || exec("compute1", &["sh", "-c", is_running]).unwrap() != 0)
        .unwrap();

    drop(guard);
    assert!(!Path::new("/run/hadron-lab").join(&name).exists());
    assert!(exec("compute1", &["true"]).unwrap_err().to_string().contains("hadron lab up"));
    assert!(persistent::down(&name).is_err());
}

struct TakeDown(String);

impl Drop for TakeDown {
    fn drop(&mut self) {
        let _ = persistent::down(&self.0);
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_no_lab() {
    for name in ["", "..", "a/b", "/etc"] {
        assert!(persistent::down(name).is_err());
    }
}
