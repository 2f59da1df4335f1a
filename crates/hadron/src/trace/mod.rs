//! `hadron trace`: a question to a running server, and its answer for people or as JSON.

mod capture;
mod live;
mod text;

use crate::cli::Admin;
use anyhow::{Context, Result, bail};
use clap::Args;
use hadron_server::admin::AdminClient;
use hadron_server::trace::{Question, Report};
use hyper::Method;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Ends with 0 when the packet arrives and, if it is answered, the answer comes back; with 2 when not; with 1 when there is no trace.
/// With --live it ends with 0 when a packet was seen, and with 2 when none was.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    admin: Admin,
    /// Port whose instance sends the packet: UUID or name.
    #[arg(long, value_name = "PORT", required_unless_present = "from_outside")]
    from: Option<String>,
    /// External network from whose outside the packet comes: UUID or name; with --source.
    #[arg(long, value_name = "NETWORK", conflicts_with = "from")]
    from_outside: Option<String>,
    /// TCP.
    #[arg(long, group = "protocol")]
    tcp: bool,
    /// UDP.
    #[arg(long, group = "protocol")]
    udp: bool,
    /// An ICMP or ICMPv6 echo request.
    #[arg(long, group = "protocol")]
    icmp: bool,
    /// Any other IP protocol, without its header.
    #[arg(long, group = "protocol", value_name = "NUMBER")]
    protocol_number: Option<u8>,
    /// Bytes from the Ethernet header on, in hexadecimal.
    #[arg(long, group = "protocol", value_name = "BYTES")]
    hex: Option<String>,
    /// A packet of a capture (pcap, Ethernet).
    #[arg(long, group = "protocol", value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Which packet of the capture, from 1.
    #[arg(long, default_value_t = 1, requires = "pcap")]
    packet: usize,
    /// Destination: ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT.
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = destination)]
    to: Option<(IpAddr, u16)>,
    /// Source address [default: the port's first one of the family].
    #[arg(long)]
    source: Option<IpAddr>,
    /// Source port, or the identifier of the echo request [default: 49152; with --live: any].
    #[arg(long)]
    source_port: Option<u16>,
    /// Destination MAC [default: that of who has the destination, or of the gateway to it].
    #[arg(long, value_name = "MAC")]
    destination_mac: Option<String>,
    /// Flags of TCP, letters of SAFRPU.
    #[arg(long, default_value = "S")]
    flags: String,
    /// Octets of payload.
    #[arg(long, default_value_t = 0)]
    size: u16,
    /// Time to live or hop limit.
    #[arg(long, default_value_t = 64)]
    ttl: u8,
    /// The packet is such a fragment of a larger one.
    #[arg(long, value_parser = ["first", "later"])]
    fragment: Option<String>,
    /// The answer is not traced.
    #[arg(long)]
    one_way: bool,
    /// Decisions only, no look-ups.
    #[arg(long, short)]
    brief: bool,
    /// One JSON object; with --live one for each event, a line each.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    live: live::LiveOptions,
}

/// Asks, and prints the answer.
pub async fn run(options: Options) -> Result<ExitCode> {
    if options.live.live {
        return live::run(&options).await;
    }
    let client = AdminClient::new(&options.admin.state_dir);
    let report: Report = client.call(Method::POST, "/trace", Some(&question(&options)?)).await?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", text::of(&report, options.brief));
    }
    let is_lost = report.back.is_some() && !report.is_answered;
    Ok(if report.is_delivered && !is_lost { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Source port of a packet that is made up: the first dynamic one (RFC 6335 §6).
const SOURCE_PORT: u16 = 49152;

/// As a question has it; none without an option.
fn protocol(options: &Options) -> Option<String> {
    let named = [(options.tcp, "tcp"), (options.udp, "udp"), (options.icmp, "icmp")];
    let named = named.iter().find(|(is_it, _)| *is_it).map(|(_, name)| (*name).to_owned());
    options.protocol_number.map(|number| number.to_string()).or(named)
}

fn question(options: &Options) -> Result<Question> {
    let (to, destination_port) = options.to.map_or((None, 0), |(to, port)| (Some(to), port));
    let frame = match &options.pcap {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
            let frame =
                capture::packet(&bytes, options.packet).with_context(|| format!("{}", path.display()))?;
            Some(frame.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        None => options.hex.clone(),
    };
    let protocol = match protocol(options) {
        Some(protocol) => protocol,
        None if frame.is_some() => String::new(),
        None => bail!("say which packet: --tcp, --udp, --icmp, --protocol-number, --hex or --pcap"),
    };
    if frame.is_none() && to.is_none() {
        bail!("say where to: --to ADDRESS[:PORT]");
    }
    if (options.tcp || options.udp) && destination_port == 0 {
        bail!("say to which port: --to ADDRESS:PORT");
    }
    Ok(Question {
        from: options.from.clone(),
        from_outside: options.from_outside.clone(),
        frame,
        to,
        source: options.source,
        destination_mac: options.destination_mac.clone(),
        protocol,
        destination_port,
        source_port: options.source_port.unwrap_or(SOURCE_PORT),
        tcp_flags: options.flags.clone(),
        size: options.size,
        hop_limit: options.ttl,
        fragment: options.fragment.clone(),
        one_way: options.one_way,
    })
}

/// ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT.
fn destination(text: &str) -> Result<(IpAddr, u16), String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Ok((address, 0));
    }
    match text.parse::<std::net::SocketAddr>() {
        Ok(to) => Ok((to.ip(), to.port())),
        Err(_) => Err("expected ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_have_a_port_or_none() {
        assert_eq!(destination("10.0.0.1"), Ok((IpAddr::from([10, 0, 0, 1]), 0)));
        assert_eq!(destination("10.0.0.1:80"), Ok((IpAddr::from([10, 0, 0, 1]), 80)));
        let v6: IpAddr = "fd00::1".parse().expect("an address");
        assert_eq!(destination("fd00::1"), Ok((v6, 0)));
        assert_eq!(destination("[fd00::1]"), Ok((v6, 0)));
        assert_eq!(destination("[fd00::1]:80"), Ok((v6, 80)));
        assert!(destination("web:80").is_err() && destination("10.0.0.1:99999").is_err());
    }
}
