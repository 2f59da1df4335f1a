//! JSON written straight into a buffer (RFC 8259), without trees in between.

use hadron_model::{AddressPair, AddressRange, ExtraRoute, FixedIp, HostRoute, IpNet, Mac, Tags, Timestamp};
use std::io::Write;
use std::net::IpAddr;
use uuid::Uuid;

/// Appends JSON to a buffer. It knows values; commas and brackets are the caller's.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Bytes that are JSON already.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn null(&mut self) {
        self.raw(b"null");
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.raw(if value { b"true" } else { b"false" });
    }

    pub(crate) fn integer(&mut self, value: u64) {
        let mut digits = [0; 20];
        let mut start = digits.len();
        let mut rest = value;
        loop {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.raw(&digits[start..]);
    }

    /// A string, escaped where JSON asks for it (RFC 8259 §7).
    pub(crate) fn text(&mut self, value: &str) {
        self.out.push(b'"');
        let mut clean = 0;
        for (index, byte) in value.bytes().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.raw(&value.as_bytes()[clean..index]);
            clean = index + 1;
            match byte {
                b'"' => self.raw(b"\\\""),
                b'\\' => self.raw(b"\\\\"),
                b'\n' => self.raw(b"\\n"),
                b'\r' => self.raw(b"\\r"),
                b'\t' => self.raw(b"\\t"),
                other => self.display(format_args!("\\u{other:04x}")),
            }
        }
        self.raw(&value.as_bytes()[clean..]);
        self.out.push(b'"');
    }

    pub(crate) fn uuid(&mut self, value: Uuid) {
        let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = value.as_hyphenated().encode_lower(&mut buffer);
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
    }

    pub(crate) fn uuids(&mut self, values: &[Uuid]) {
        self.list(values, |json, value| json.uuid(*value));
    }

    pub(crate) fn texts(&mut self, values: &[&str]) {
        self.list(values, |json, value| json.text(value));
    }

    pub(crate) fn signed(&mut self, value: i64) {
        if value < 0 {
            self.raw(b"-");
        }
        self.integer(value.unsigned_abs());
    }

    pub(crate) fn tags(&mut self, value: &Tags) {
        self.raw(b"[");
        for (index, tag) in value.iter().enumerate() {
            if index > 0 {
                self.raw(b",");
            }
            self.text(tag);
        }
        self.raw(b"]");
    }

    pub(crate) fn mac(&mut self, value: Mac) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = *b"\"00:00:00:00:00:00\"";
        for (index, octet) in value.0.into_iter().enumerate() {
            text[1 + 3 * index] = HEX[usize::from(octet >> 4)];
            text[2 + 3 * index] = HEX[usize::from(octet & 15)];
        }
        self.raw(&text);
    }

    pub(crate) fn address(&mut self, value: IpAddr) {
        self.quoted(format_args!("{value}"));
    }

    pub(crate) fn addresses(&mut self, values: &[IpAddr]) {
        self.list(values, |json, value| json.address(*value));
    }

    pub(crate) fn prefix(&mut self, value: IpNet) {
        self.quoted(format_args!("{value}"));
    }

    pub(crate) fn time(&mut self, value: Timestamp) {
        self.raw(b"\"");
        self.raw(&time_text(value));
        self.raw(b"\"");
    }

    pub(crate) fn fixed_ips(&mut self, values: &[FixedIp]) {
        self.list(values, |json, ip| {
            json.raw(b"{\"subnet_id\":");
            json.uuid(ip.subnet_id.0);
            json.raw(b",\"ip_address\":");
            json.address(ip.ip_address);
            json.raw(b"}");
        });
    }

    pub(crate) fn pools(&mut self, values: &[AddressRange]) {
        self.list(values, |json, pool| {
            json.raw(b"{\"start\":");
            json.address(pool.first());
            json.raw(b",\"end\":");
            json.address(pool.last());
            json.raw(b"}");
        });
    }

    pub(crate) fn routes(&mut self, values: &[HostRoute]) {
        self.list(values, |json, route| {
            json.raw(b"{\"destination\":");
            json.prefix(route.destination);
            json.raw(b",\"nexthop\":");
            json.address(route.nexthop);
            json.raw(b"}");
        });
    }

    pub(crate) fn extra_routes(&mut self, values: &[ExtraRoute]) {
        self.list(values, |json, route| {
            json.raw(b"{\"destination\":");
            json.prefix(route.destination);
            json.raw(b",\"nexthop\":");
            json.address(route.next_hop);
            json.raw(b"}");
        });
    }

    /// A pair's MAC is always shown: one that was given without has the port's by then.
    pub(crate) fn address_pairs(&mut self, values: &[AddressPair]) {
        self.list(values, |json, pair| {
            json.raw(b"{\"mac_address\":");
            match pair.mac {
                Some(mac) => json.mac(mac),
                None => json.null(),
            }
            json.raw(b",\"ip_address\":");
            json.quoted(format_args!("{}", pair.ip_address()));
            json.raw(b"}");
        });
    }

    pub(crate) fn prefixes(&mut self, values: &[IpNet]) {
        self.list(values, |json, prefix| json.prefix(*prefix));
    }

    pub(crate) fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.raw(b"[");
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.raw(b",");
            }
            write(self, value);
        }
        self.raw(b"]");
    }

    /// A string that needs no escapes.
    pub(crate) fn quoted(&mut self, value: std::fmt::Arguments<'_>) {
        self.raw(b"\"");
        self.display(value);
        self.raw(b"\"");
    }

    fn display(&mut self, value: std::fmt::Arguments<'_>) {
        self.out.write_fmt(value).expect("a buffer in memory takes every byte");
    }
}

/// `2026-01-31T12:00:00Z`, whole seconds, for years 0 to 9999; others are shown as the nearest of these.
pub(crate) fn time_text(time: Timestamp) -> [u8; 20] {
    let seconds = time.0.div_euclid(1000).clamp(-62_167_219_200, 253_402_300_799);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to civil date in the proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00Z";
    two(&mut text, 0, year / 100);
    two(&mut text, 2, year % 100);
    two(&mut text, 5, month);
    two(&mut text, 8, day);
    two(&mut text, 11, second / 3600);
    two(&mut text, 14, second / 60 % 60);
    two(&mut text, 17, second % 60);
    text
}

fn two(text: &mut [u8; 20], at: usize, value: i64) {
    text[at] = b'0' + (value / 10 % 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Writer<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out));
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in any::<String>()) {
            let json = written(|json| json.text(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn any_number_reads_back(number in any::<u64>()) {
            prop_assert_eq!(written(|json| json.integer(number)), number.to_string());
        }

        #[test]
        fn any_time_is_as_the_model_shows_it(millis in -60_000_000_000_000i64..200_000_000_000_000) {
            let time = Timestamp(millis);
            let text = time_text(time);
            prop_assert_eq!(std::str::from_utf8(&text).unwrap(), time.to_string());
        }

        #[test]
        fn any_mac_is_as_the_model_shows_it(octets in any::<[u8; 6]>()) {
            prop_assert_eq!(written(|json| json.mac(Mac(octets))), format!("\"{}\"", Mac(octets)));
        }
    }
}
