//! EC2's tree, of the versions that Nova has.

use super::tree::{Entry, Tree};
use super::{Answer, Subject, TEXT};
use std::net::{IpAddr, Ipv4Addr};

/// Oldest first; `latest` is the last one.
pub(super) const VERSIONS: [&str; 9] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
];

/// Answers for the names behind `/ec2` or `/`.
pub(super) fn answer(path: &[&str], subject: &Subject) -> Answer {
    let [version, rest @ ..] = path else {
        return Answer::ok(TEXT, [&VERSIONS[..], &["latest"]].concat().join("\n"));
    };
    let version = if *version == "latest" { VERSIONS.last().unwrap_or(version) } else { version };
    let found = if VERSIONS.contains(version) { Some(tree(version, subject)) } else { None };
    found.as_ref().and_then(|tree| tree.find(rest)).map_or_else(Answer::not_found, Tree::answer)
}

fn tree(version: &str, subject: &Subject) -> Tree {
    let mut entries = vec![Entry::new("meta-data", meta_data(version, subject))];
    if !subject.instance.user_data.is_empty() {
        entries.push(Entry::new("user-data", Tree::Value(subject.instance.user_data.clone())));
    }
    Tree::Directory(entries)
}

fn meta_data(version: &str, subject: &Subject) -> Tree {
    let instance = &subject.instance;
    let since = |first: &str| position(version) >= position(first);
    let text = |name: &str, value: String| Entry::new(name, Tree::text(value));
    let address = |address: Option<Ipv4Addr>| address.map(|address| address.to_string()).unwrap_or_default();
    let mut entries = vec![
        text("ami-id", short_id("ami", &instance.image_id)),
        text("ami-launch-index", instance.launch_index.to_string()),
        text("ami-manifest-path", "FIXME".to_owned()),
        text("instance-id", short_id("i", &instance.id)),
        text("hostname", instance.hostname.clone()),
        text("local-ipv4", address(local_v4(subject))),
        text("reservation-id", short_id("r", &instance.id)),
        text("security-groups", instance.security_groups.join("\n")),
    ];
    if !instance.keys.is_empty() {
        let keys = instance.keys.iter().enumerate().map(|(number, key)| {
            let key_data = Entry::new("openssh-key", Tree::text(key.data.clone()));
            Entry::listed(
                &number.to_string(),
                format!("{number}={}", key.name),
                Tree::Directory(vec![key_data]),
            )
        });
        entries.push(Entry::new("public-keys", Tree::Directory(keys.collect())));
    }
    if since("2007-01-19") {
        entries.push(text("local-hostname", instance.hostname.clone()));
        entries.push(text("public-hostname", instance.hostname.clone()));
        entries.push(text("public-ipv4", address(subject.public_v4)));
    }
    if since("2007-08-29") {
        entries.push(text("instance-type", instance.instance_type.clone()));
    }
    if since("2007-12-15") {
        let devices = vec![text("ami", "vda".to_owned()), text("root", "/dev/vda".to_owned())];
        entries.push(Entry::new("block-device-mapping", Tree::Directory(devices)));
    }
    if since("2008-02-01") {
        let zone = vec![text("availability-zone", instance.availability_zone.clone())];
        entries.push(Entry::new("placement", Tree::Directory(zone)));
    }
    if since("2008-09-01") {
        entries.push(text("instance-action", "none".to_owned()));
    }
    Tree::Directory(entries)
}

fn position(version: &str) -> usize {
    VERSIONS.iter().position(|known| *known == version).unwrap_or(0)
}

/// The form that EC2's ids have: a prefix and eight hexadecimal digits.
fn short_id(prefix: &str, id: &str) -> String {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    format!("{prefix}-{digits:0>8}").to_ascii_lowercase()
}

fn local_v4(subject: &Subject) -> Option<Ipv4Addr> {
    subject.links.iter().flat_map(|link| &link.addresses).find_map(|own| match own.address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    })
}
