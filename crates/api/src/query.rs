//! The query part of an address: `name=value` pairs, in order, repeated names allowed.

use crate::ApiError;

/// Most pairs in one query.
const MOST: usize = 4096;

/// A parsed query.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads `application/x-www-form-urlencoded` text (WHATWG URL §5.1). What is not UTF-8 is replaced.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let parts = text.split('&').filter(|part| !part.is_empty());
        if parts.clone().nth(MOST).is_some() {
            return Err(ApiError::bad_request(format!("the query has more than {MOST} parameters")));
        }
        let pairs = parts.map(|part| match part.split_once('=') {
            Some((name, value)) => (decode(name, true), decode(value, true)),
            None => (decode(part, true), String::new()),
        });
        Ok(Self { pairs: pairs.collect() })
    }

    /// Every pair.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The values of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a name.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The text of the query without `drop`, followed by `add`.
    pub(crate) fn rewritten(&self, drop: &[&str], add: &[(&str, &str)]) -> String {
        let kept = self.pairs.iter().filter(|(name, _)| !drop.contains(&name.as_str()));
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        let mut text = String::new();
        for (name, value) in kept.chain(add.iter().copied()) {
            if !text.is_empty() {
                text.push('&');
            }
            encode(name, &mut text);
            text.push('=');
            encode(value, &mut text);
        }
        text
    }
}

/// Decodes `%XX`, and `+` as a blank where `plus` says so.
pub(crate) fn decode(text: &str, plus: bool) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octet = bytes.get(at + 1..at + 3).and_then(hex);
        match (bytes[at], octet) {
            (b'%', Some(octet)) => {
                out.push(octet);
                at += 3;
                continue;
            }
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(digits[0])? << 4 | digit(digits[1])?) as u8)
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_pairs_in_order() {
        let query = Query::parse("name=a+b&name=%C3%A9&fixed_ips=ip_address%3D10.0.0.2&flag&%zz=%").unwrap();
        assert_eq!(query.all("name").collect::<Vec<_>>(), ["a b", "é"]);
        assert_eq!(query.last("fixed_ips"), Some("ip_address=10.0.0.2"));
        assert_eq!(query.last("flag"), Some(""));
        assert_eq!(query.last("%zz"), Some("%"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(pairs in prop::collection::vec((".{1,8}", ".{0,8}"), 0..6)) {
            let add: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let text = Query::default().rewritten(&[], &add);
            prop_assert_eq!(Query::parse(&text).unwrap().pairs, pairs);
        }

        #[test]
        fn no_text_stops_it(text in "[%+&=a-f0-9é]{0,40}") {
            let _ = Query::parse(&text);
        }
    }
}
