//! The form of updates (RFC 2136 §2).

use super::{Change, NameServerError};
use hadron_model::NameValue;
use hickory_proto::op::update_message::UpdateMessage;
use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigError;
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::net::IpAddr;

/// An update of a zone.
pub(super) fn update(zone: &str, ttl: u32, changes: &[(&str, Change)]) -> Result<Message, NameServerError> {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    let mut of_zone = Query::new();
    of_zone.set_name(parsed(zone)?).set_query_class(DNSClass::IN).set_query_type(RecordType::SOA);
    message.add_zone(of_zone);
    for (name, change) in changes {
        let name = parsed(name)?;
        match change {
            Change::Claim(values) => {
                message.add_pre_requisite(absent(&name));
                for value in values {
                    message.add_update(record(&name, value, DNSClass::IN, ttl)?);
                }
            }
            Change::Confirm(values) => {
                for value in values {
                    message.add_pre_requisite(record(&name, value, DNSClass::IN, 0)?);
                }
            }
            Change::Replace { old, new } => {
                for value in old {
                    message.add_update(record(&name, value, DNSClass::NONE, 0)?);
                }
                for value in new {
                    message.add_update(record(&name, value, DNSClass::IN, ttl)?);
                }
            }
        }
    }
    Ok(message)
}

/// "Name is not in use" (RFC 2136 §2.4.5).
fn absent(name: &Name) -> Record {
    let mut record = Record::update0(name.clone(), 0, RecordType::ANY);
    record.dns_class = DNSClass::NONE;
    record.into_record_of_rdata()
}

fn record(name: &Name, value: &NameValue, class: DNSClass, ttl: u32) -> Result<Record, NameServerError> {
    let data = match value {
        NameValue::Address(IpAddr::V4(address)) => RData::A(A(*address)),
        NameValue::Address(IpAddr::V6(address)) => RData::AAAA(AAAA(*address)),
        NameValue::Name(name) => RData::PTR(PTR(parsed(name)?)),
    };
    let mut record = Record::from_rdata(name.clone(), ttl, data);
    record.dns_class = class;
    Ok(record)
}

fn parsed(name: &str) -> Result<Name, NameServerError> {
    let refused = |reason: String| NameServerError::Name { name: name.to_owned(), reason };
    let mut parsed = Name::from_ascii(name).map_err(|error| refused(error.to_string()))?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

/// What a server says against a key, which it can't sign (RFC 8945 §5.3.2), if it does.
pub(super) fn key_error(answer: &Message) -> Option<&'static str> {
    let error = answer.signature().and_then(|signature| signature.data.error);
    match (error, answer.response_code) {
        (Some(TsigError::BadSig), _) => Some("it has another secret under this name (BADSIG)"),
        (Some(TsigError::BadKey), _) => Some("it knows no key of this name and algorithm (BADKEY)"),
        (Some(TsigError::BadTime), _) => {
            Some("its clock and this one's differ by more than five minutes (BADTIME)")
        }
        (Some(_), _) => Some("it says so without a reason that is known here"),
        (None, ResponseCode::NotAuth) if answer.signature().is_none() => {
            Some("it doesn't take it here, or has no such zone (NOTAUTH)")
        }
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn values(texts: &[&str]) -> BTreeSet<NameValue> {
        let value = |text: &&str| match text.parse() {
            Ok(address) => NameValue::Address(address),
            Err(_) => NameValue::Name((*text).to_owned()),
        };
        texts.iter().map(value).collect()
    }

    fn read(records: &[Record]) -> Vec<String> {
        records.iter().map(|record| record.to_string()).collect()
    }

    #[test]
    fn updates_say_what_must_be_so_and_what_changes() {
        let changes = [
            ("new.example.org.", Change::Claim(values(&["192.0.2.1", "2001:db8::1"]))),
            ("mine.example.org.", Change::Confirm(values(&["192.0.2.2"]))),
            (
                "moved.example.org.",
                Change::Replace { old: values(&["192.0.2.3"]), new: values(&["192.0.2.4"]) },
            ),
        ];
        let message = update("example.org.", 300, &changes).unwrap();
        let message = Message::from_vec(&message.to_vec().unwrap()).unwrap();
        assert_eq!((message.op_code, message.queries.len()), (OpCode::Update, 1));
        assert_eq!(message.queries[0].to_string(), "example.org. IN SOA");
        let (must, then) = (read(&message.answers), read(&message.authorities));
        assert_eq!(must, ["new.example.org. 0 NONE ANY UPDATE", "mine.example.org. 0 IN A 192.0.2.2"]);
        let changes = [
            "new.example.org. 300 IN A 192.0.2.1",
            "new.example.org. 300 IN AAAA 2001:db8::1",
            "moved.example.org. 0 NONE A 192.0.2.3",
            "moved.example.org. 300 IN A 192.0.2.4",
        ];
        assert_eq!(then, changes);
    }

    #[test]
    fn what_is_no_name_is_refused_before_anything_is_sent() {
        let long = format!("{}.example.org.", "a".repeat(64));
        let changes = [(&long[..], Change::Claim(values(&["192.0.2.1"])))];
        let error = update("example.org.", 300, &changes).unwrap_err().to_string();
        assert!(error.contains("can't be written"), "{error}");
    }
}
