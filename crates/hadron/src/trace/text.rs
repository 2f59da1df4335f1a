//! A trace for people.

use hadron_server::trace::{End, Field, Leg, Named, Note, PacketView, Report, StageView};
use std::fmt::Write as _;
use std::net::IpAddr;

/// The whole report; `brief` leaves look-ups out.
pub(super) fn of(report: &Report, brief: bool) -> String {
    let mut text = String::new();
    for leg in &report.there {
        write_leg(&mut text, leg, brief);
    }
    if let Some(back) = &report.back {
        text.push_str("\nthe answer\n\n");
        for leg in back {
            write_leg(&mut text, leg, brief);
        }
    }
    let _ = writeln!(text, "\nthere: {}", report.verdict);
    for remedy in remedies(&report.there) {
        let _ = writeln!(text, "       {remedy}");
    }
    let _ = writeln!(text, "back:  {}", report.back_verdict);
    for remedy in report.back.iter().flat_map(|back| remedies(back)) {
        let _ = writeln!(text, "       {remedy}");
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "note:  {warning}");
    }
    text
}

fn remedies(legs: &[Leg]) -> Vec<&str> {
    let ends = legs.iter().flat_map(|leg| &leg.ends);
    ends.filter_map(remedy).collect()
}

fn remedy(end: &End) -> Option<&str> {
    match end {
        End::Dropped { reason } => Some(&reason.remedy),
        _ => None,
    }
}

/// A leg, from its host to its ends.
pub(super) fn write_leg(text: &mut String, leg: &Leg, brief: bool) {
    let _ = writeln!(text, "host {}: {} (rows as of revision {})", leg.host, leg.entrance, leg.revision);
    let _ = writeln!(text, "  {}", packet(&leg.packet));
    for stage in &leg.stages {
        write_stage(text, stage, brief);
    }
    for end in &leg.ends {
        let _ = writeln!(text, "  => {}", ending(end));
    }
    if leg.left_out > 0 {
        let _ = writeln!(text, "  … and {} more", leg.left_out);
    }
}

fn write_stage(text: &mut String, stage: &StageView, brief: bool) {
    let _ = writeln!(text, "  {}", stage.stage);
    for note in &stage.notes {
        let said = match note {
            Note::LookUp { .. } | Note::Write { .. } | Note::Path { .. } if brief => continue,
            Note::LookUp { table, key, row: None } => format!("{table} [{}]: none", fields(key)),
            Note::LookUp { table, key, row: Some(row) } if row.is_empty() => {
                format!("{table} [{}]: yes", fields(key))
            }
            Note::LookUp { table, key, row: Some(row) } => {
                format!("{table} [{}]: {}", fields(key), fields(row))
            }
            Note::Write { table, key, row: Some(row) } => {
                format!("would write {table} [{}]: {}", fields(key), fields(row))
            }
            Note::Write { table, key, row: None } => format!("would remove {table} [{}]", fields(key)),
            Note::Path { path } => format!("takes the path {}", fields(path)),
            note => decision(note),
        };
        let _ = writeln!(text, "    {said}");
    }
}

fn decision(note: &Note) -> String {
    match note {
        Note::Judged { port, direction, rule, reason } => {
            let way = if direction == "egress" { "out of" } else { "into" };
            let port = named(port);
            match (reason, rule) {
                (Some(reason), _) => format!("* refused {way} {port}: {}", reason.text),
                (None, Some(rule)) => {
                    let group = rule.group.as_ref().map(named).unwrap_or_default();
                    format!("* allowed {way} {port} by {} of {group}: {}", named(&rule.rule), rule.text)
                }
                (None, None) => format!("* allowed {way} {port} by its connection, or without asking rules"),
            }
        }
        Note::Routed { entered, exit, next_hop, before, after, translations, hop_limit } => {
            let by = |port: &Option<Named>| port.as_ref().map_or("nothing".to_owned(), named);
            let mut said = format!("* from {} to {}", by(entered), by(exit));
            if exit.is_some() {
                let _ = write!(said, ", next hop {next_hop}, TTL {hop_limit}");
            }
            if before != after {
                let _ = write!(said, "; {} -> {} becomes {} -> {}", before[0], before[1], after[0], after[1]);
            }
            for by in translations {
                let _ = write!(said, ", by {}", named(by));
            }
            said
        }
        Note::Complained { reason } => format!("* the router tells the sender: {}", reason.text),
        Note::Dropped { reason } => format!("* dropped: {} ({})", reason.text, reason.label),
        Note::LookUp { .. } | Note::Write { .. } | Note::Path { .. } => String::new(),
    }
}

fn ending(end: &End) -> String {
    match end {
        End::Port { port, is_return: true, packet: it } => format!("back to {}: {}", named(port), packet(it)),
        End::Port { port, packet: it, .. } => format!("delivered to {}: {}", named(port), packet(it)),
        End::Host { host, address, vni, packet: it } => {
            let host = host.as_deref().unwrap_or("that nobody knows");
            format!("to host {host} ({address}), VNI {vni}: {}", packet(it))
        }
        End::PhysicalNetwork { network, is_return: true, packet: it, .. } => {
            format!("back to physical network {network}: {}", packet(it))
        }
        End::PhysicalNetwork { network, host, packet: it, .. } => {
            let beyond =
                host.as_ref().map(|host| format!(", where host {host} takes it")).unwrap_or_default();
            format!("to physical network {network}{beyond}: {}", packet(it))
        }
        End::Service { what } => format!("to the host's own service: {what}"),
        End::Other { what } => format!("to {what}"),
        End::Dropped { reason } => format!("dropped in {}: {} ({})", reason.stage, reason.text, reason.label),
    }
}

fn fields(fields: &[Field]) -> String {
    let field = |field: &Field| match &field.object {
        Some(object) => format!("{} {}", field.name, named(object)),
        None => format!("{} {}", field.name, field.value),
    };
    fields.iter().map(field).collect::<Vec<_>>().join(", ")
}

fn named(object: &Named) -> String {
    match object.name.as_str() {
        "" => format!("{} {}", object.kind, object.id),
        name => format!("{} {name} ({})", object.kind, object.id),
    }
}

fn packet(packet: &PacketView) -> String {
    let end = |address: Option<IpAddr>, port: Option<u16>| match (address, port) {
        (Some(IpAddr::V6(address)), Some(port)) => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
        (Some(address), None) => address.to_string(),
        (None, _) => String::new(),
    };
    let mut said = packet.protocol.clone();
    if packet.source.is_some() {
        let (from, to) =
            (end(packet.source, packet.source_port), end(packet.destination, packet.destination_port));
        let _ = write!(said, " {from} -> {to}");
    }
    if !packet.details.is_empty() {
        let _ = write!(said, " {}", packet.details);
    }
    if let Some(hop_limit) = packet.hop_limit {
        let _ = write!(said, ", TTL {hop_limit}");
    }
    let _ = write!(said, ", {} octets, {} -> {}", packet.length, packet.source_mac, packet.destination_mac);
    if packet.vlan != 0 {
        let _ = write!(said, ", VLAN {}", packet.vlan);
    }
    said
}
