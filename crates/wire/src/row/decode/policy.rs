//! Reading the rows of policies. What is absent or of an unknown kind must not become a rule that allows more.

use super::{MalformedRow, Reader};
use crate::proto;
use crate::row::{Direction, Family, MemberRow, PolicyRow, Remote, RuleRow};

/// Protocol numbers whose ports are types and codes.
const ICMP: [u32; 2] = [1, 58];

impl Reader {
    pub(super) fn policy(self, row: proto::PolicyRow) -> Result<PolicyRow, MalformedRow> {
        let is_rising = row.groups.is_sorted_by(|a, b| a < b);
        if !is_rising || !row.groups.iter().all(|group| is_number(*group)) {
            return Err(self.bad("groups"));
        }
        Ok(PolicyRow { number: self.number("number", row.number)?, groups: row.groups })
    }

    pub(super) fn rule(self, row: proto::RuleRow) -> Result<RuleRow, MalformedRow> {
        let family = self.family(row.family)?;
        let icmp = row.protocol.is_some_and(|protocol| ICMP.contains(&protocol));
        let limit = if icmp { u32::from(u8::MAX) } else { u32::from(u16::MAX) };
        let port = |field, port: Option<u32>| match port {
            Some(port) if port > limit || row.protocol.is_none() => Err(self.bad(field)),
            port => Ok(port.map(|port| port as u16)),
        };
        let (port_min, port_max) = (port("port_min", row.port_min)?, port("port_max", row.port_max)?);
        let is_range = match (port_min, port_max) {
            (None, None) => true,
            (Some(min), Some(max)) => icmp || min <= max,
            (Some(_), None) => icmp,
            (None, Some(_)) => false,
        };
        if !is_range {
            return Err(self.bad("port_max"));
        }
        Ok(RuleRow {
            group: self.number("group", row.group)?,
            rule: row.rule,
            uuid: self.octets("uuid", &row.uuid)?,
            direction: self.direction(row.direction)?,
            family,
            protocol: match row.protocol {
                Some(protocol) => Some(u8::try_from(protocol).map_err(|_| self.bad("protocol"))?),
                None => None,
            },
            port_min,
            port_max,
            remote: self.remote(family, row.remote)?,
            stateless: row.stateless,
        })
    }

    pub(super) fn member(self, row: proto::MemberRow) -> Result<MemberRow, MalformedRow> {
        Ok(MemberRow {
            set: self.number("set", row.set)?,
            member: row.member,
            prefixes: row
                .prefixes
                .into_iter()
                .map(|prefix| self.prefix("prefixes", Some(prefix)))
                .collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn number(self, field: &'static str, number: u32) -> Result<u32, MalformedRow> {
        if is_number(number) { Ok(number) } else { Err(self.bad(field)) }
    }

    fn direction(self, direction: i32) -> Result<Direction, MalformedRow> {
        match proto::Direction::try_from(direction) {
            Ok(proto::Direction::Egress) => Ok(Direction::Egress),
            Ok(proto::Direction::Ingress) => Ok(Direction::Ingress),
            _ => Err(self.bad("direction")),
        }
    }

    fn family(self, family: i32) -> Result<Family, MalformedRow> {
        match proto::Family::try_from(family) {
            Ok(proto::Family::Ipv4) => Ok(Family::Ipv4),
            Ok(proto::Family::Ipv6) => Ok(Family::Ipv6),
            _ => Err(self.bad("family")),
        }
    }

    fn remote(self, family: Family, remote: Option<proto::rule_row::Remote>) -> Result<Remote, MalformedRow> {
        use proto::rule_row::Remote as Kind;
        match remote {
            Some(Kind::Any(true)) => Ok(Remote::Any),
            Some(Kind::Set(number)) => self.number("set", number).map(Remote::Set),
            Some(Kind::Prefix(prefix)) => {
                let prefix = self.prefix("prefix", Some(prefix))?;
                // A prefix of IPv6 may look like IPv4.
                let is_possible = family == Family::Ipv6 || prefix.unmapped().0.is_ipv4();
                if is_possible { Ok(Remote::Prefix(prefix)) } else { Err(self.bad("prefix")) }
            }
            Some(Kind::Any(false)) | None => Err(self.bad("remote")),
        }
    }
}

/// Zero names nothing, and the highest bit marks classes in the classifier.
fn is_number(number: u32) -> bool {
    (1..1 << 31).contains(&number)
}
