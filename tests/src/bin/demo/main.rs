//! The demo: a cloud of three hosts on this machine, used as the field's first lab does, with the official client.
//!
//! `--check` ends with 0 or 1 instead of staying up; `--ipv6` joins the hosts by an IPv6 underlay.
#![forbid(unsafe_code)]

mod asking;
mod door;
mod story;
mod telling;
mod world;

use anyhow::{Result, bail};
use hadron_lab::Underlay;
use std::process::ExitCode;

struct Options {
    stays_up: bool,
    underlay: Underlay,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options { stays_up: true, underlay: Underlay::V4 };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--check" => options.stays_up = false,
            "--ipv6" => options.underlay = Underlay::V6,
            other => bail!("no option {other:?}; there are --check and --ipv6"),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<()> {
    if !hadron_lab::is_available() {
        bail!("network namespaces need root");
    }
    let story = story::tell(options.underlay)?;
    if options.stays_up {
        story.explain()?;
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(tokio::signal::ctrl_c())?;
        println!("\nTaking everything away.");
    }
    Ok(())
}
