//! `hadron trace --live`: real packets as they come, for people or as a JSON object a line.

use super::{Options, protocol, text};
use anyhow::{Result, bail};
use hadron_server::admin::AdminClient;
use hadron_server::trace::{LiveEvent, LivePacket, LiveQuestion, Question};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::pin::pin;
use std::process::ExitCode;

/// Follows until the server says that it is over, or Ctrl-C. Ends with 0 when a packet was seen, and with 2 when none was.
pub(super) async fn run(options: &Options) -> Result<ExitCode> {
    let client = AdminClient::new(&options.admin.state_dir);
    let mut events = client.lines::<LiveEvent>("/trace/live", &wanted(options)?).await?;
    // Listened for once: what came while nobody did would be lost.
    let mut stopped = pin!(tokio::signal::ctrl_c());
    let mut seen = 0_u64;
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            stopped = &mut stopped => {
                stopped?;
                None
            }
        };
        let Some(event) = event else { break };
        seen += u64::from(matches!(event, LiveEvent::Packet(_)));
        let said =
            if options.json { serde_json::to_string(&event)? + "\n" } else { of(&event, options.brief) };
        let mut output = io::stdout().lock();
        output.write_all(said.as_bytes())?;
        output.flush()?;
    }
    Ok(if seen > 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn wanted(options: &Options) -> Result<LiveQuestion> {
    let made = [
        (options.hex.is_some() || options.pcap.is_some(), "--hex and --pcap"),
        (options.fragment.is_some(), "--fragment"),
        (options.destination_mac.is_some(), "--destination-mac"),
    ];
    if let Some((_, what)) = made.iter().find(|(is_there, _)| *is_there) {
        bail!("{what} are for packets that are made up; with --live real ones are followed");
    }
    let (to, destination_port) = options.to.map_or((None, 0), |(to, port)| (Some(to), port));
    let packets = Question {
        from: options.from.clone(),
        from_outside: options.from_outside.clone(),
        to,
        source: options.source,
        protocol: protocol(options).unwrap_or_default(),
        destination_port,
        one_way: options.one_way,
        ..Question::default()
    };
    let LiveOptions { count, seconds, .. } = options.live;
    Ok(LiveQuestion { packets, source_port: options.source_port, count, seconds })
}

fn of(event: &LiveEvent, brief: bool) -> String {
    let mut said = String::new();
    match event {
        LiveEvent::Begun { places, expected, warnings } => {
            for place in places {
                let what = if place.is_answer { "answers" } else { "packets" };
                let _ = writeln!(said, "following {what} on host {}: {}", place.host, place.entrance);
            }
            if !expected.is_empty() {
                let _ = writeln!(said, "by the tables as they are: {expected}");
            }
            warnings.iter().for_each(|warning| {
                let _ = writeln!(said, "note:  {warning}");
            });
        }
        LiveEvent::Packet(packet) => write_packet(&mut said, packet, brief),
        LiveEvent::Ended { host, is_cut_off: true, .. } => {
            let _ = writeln!(said, "\nnote:  host {host} lost its connection; nothing more is heard of it");
        }
        LiveEvent::Ended { host, lost, .. } if *lost > 0 => {
            let _ =
                writeln!(said, "\nnote:  {lost} more packets on host {host} were not told, for their rate");
        }
        LiveEvent::Ended { .. } => {}
    }
    said
}

fn write_packet(said: &mut String, packet: &LivePacket, brief: bool) {
    let LivePacket { time, is_answer, leg, no_walk, kernel } = packet;
    let what = if *is_answer { "an answer" } else { "a packet" };
    let _ = writeln!(said, "\n{time} {what}");
    text::write_leg(said, leg, brief);
    let _ = write!(said, "  kernel: {}", kernel.text);
    if let Some(rule) = &kernel.rule {
        let _ = write!(said, "; allowed by rule {} ({})", rule.rule.id, rule.text);
    }
    said.push('\n');
    if let Some(reason) = &kernel.reason {
        let _ = writeln!(said, "          {}", reason.remedy);
    }
    if !no_walk.is_empty() {
        let _ = writeln!(said, "  note: its walk can't be told: {no_walk}");
    } else if !kernel.agrees {
        let _ = writeln!(
            said,
            "  note: the walk comes to something else: the tables have changed since the packet came, or have in them what it left itself"
        );
    }
}

/// What is followed, and for how long.
#[derive(clap::Args, Debug)]
pub struct LiveOptions {
    /// Follow real packets that look so, until Ctrl-C, --count or --for; what is not said of them is any.
    #[arg(long)]
    pub(super) live: bool,
    /// Most packets that are shown of each place (with --live).
    #[arg(long, default_value_t = 10, requires = "live", value_name = "PACKETS")]
    count: u32,
    /// How long packets are followed (with --live).
    #[arg(long = "for", default_value_t = 30, requires = "live", value_name = "SECONDS")]
    seconds: u32,
}
