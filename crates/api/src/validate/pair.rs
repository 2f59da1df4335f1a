//! Allowed address pairs.

use super::list::has_length;
use super::{check, mac_of, parse_address, parse_prefix, refused, show};
use crate::ApiError;
use crate::attribute::{Fault, Validate};
use axum::http::StatusCode;
use hadron_control::SecurityError;
use hadron_model::{AddressPair, IpNet};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// The multicast addresses of both families: nobody's own (`aap-reject-multicast`).
const MULTICAST: [&str; 2] = ["224.0.0.0/4", "ff00::/8"];

/// A list of objects with `ip_address`, an address or a prefix, and perhaps `mac_address`; none twice.
pub(super) fn check_list(value: &Value) -> Result<(), Fault> {
    let list = value.as_array().ok_or_else(|| bad("allowed address pairs must be a list".to_owned()))?;
    let mut seen = HashSet::new();
    for pair in list {
        let pair = pair.as_object().ok_or_else(|| format!("'{}' is not a dictionary", show(pair)))?;
        check_pair(pair)?;
        let text = |name: &str| pair.get(name).map(show);
        if !seen.insert((text("mac_address"), text("ip_address"))) {
            return Err(refused(SecurityError::DuplicateAddressPairInRequest {
                mac: text("mac_address").unwrap_or_default(),
                ip: text("ip_address").unwrap_or_default(),
            }));
        }
    }
    Ok(())
}

fn check_pair(pair: &Map<String, Value>) -> Result<(), Fault> {
    let Some(ip) = pair.get("ip_address") else {
        let message = "an allowed address pair must have an ip_address";
        return Err(Fault::Error(ApiError::new(
            StatusCode::BAD_REQUEST,
            "AllowedAddressPairsMissingIP",
            message,
        )));
    };
    if let Some(mac) = pair.get("mac_address") {
        check(Validate::Mac, mac).map_err(|_| bad(format!("'{}' is not a valid MAC address", show(mac))))?;
    }
    let unknown: Vec<&str> =
        pair.keys().map(String::as_str).filter(|key| !matches!(*key, "ip_address" | "mac_address")).collect();
    if !unknown.is_empty() {
        return Err(bad(format!("unrecognized attribute(s): {}", unknown.join(", "))));
    }
    let prefix = address_or_prefix(ip)
        .ok_or_else(|| bad(format!("'{}' is not a valid address or subnet", show(ip))))?;
    if is_multicast(prefix) {
        return Err(bad(format!("{} has multicast addresses, which no port can own", show(ip))));
    }
    Ok(())
}

/// The pairs of a list that was checked.
pub(crate) fn pairs_of(list: &[Value]) -> Vec<AddressPair> {
    let pair = |pair: &Value| {
        let ip = pair.get("ip_address")?;
        Some(AddressPair {
            ip: address_or_prefix(ip)?,
            has_length: ip.as_str().is_some_and(|text| text.contains('/')),
            mac: pair.get("mac_address").and_then(mac_of),
        })
    };
    list.iter().filter_map(pair).collect()
}

fn address_or_prefix(value: &Value) -> Option<IpNet> {
    let text = value.as_str()?;
    match text.contains('/') {
        true if has_length(text) => parse_prefix(text),
        true => None,
        false => parse_address(text).map(IpNet::from),
    }
}

/// Whether some of the prefix's addresses are multicast. All of IPv4 is taken, as Neutron does.
fn is_multicast(prefix: IpNet) -> bool {
    if prefix.addr().is_ipv4() && prefix.prefix_len() == 0 {
        return false;
    }
    let ranges = MULTICAST.iter().filter_map(|range| parse_prefix(range));
    ranges.into_iter().any(|range| range.contains(&prefix.trunc()) || prefix.trunc().contains(&range))
}

fn bad(message: String) -> Fault {
    Fault::Error(ApiError::bad_request(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(value: &Value) -> &'static str {
        match check_list(value) {
            Ok(()) => "none",
            Err(Fault::Reason(_)) => "HTTPBadRequest",
            Err(Fault::Error(error)) => error.kind,
        }
    }

    #[test]
    fn reads_pairs() {
        let value = json!([{"ip_address": "10.0.0.1"}, {"ip_address": "10.0.0.1/32"}, {"ip_address": "FD00::1/64", "mac_address": "FA-16-3E-01-02-03"}]);
        assert_eq!(kind(&value), "none");
        let pairs = pairs_of(value.as_array().unwrap());
        let shown: Vec<String> = pairs.iter().map(AddressPair::ip_address).collect();
        assert_eq!(shown, ["10.0.0.1", "10.0.0.1/32", "fd00::1/64"]);
        assert_eq!(pairs[2].mac.unwrap().to_string(), "fa:16:3e:01:02:03");
    }

    #[test]
    fn refuses_what_is_none() {
        let one = |pair: Value| kind(&json!([pair]));
        assert_eq!(kind(&json!("x")), "HTTPBadRequest");
        assert_eq!(kind(&json!(["x"])), "HTTPBadRequest");
        assert_eq!(one(json!({})), "AllowedAddressPairsMissingIP");
        let twice = json!({"ip_address": "10.0.0.1"});
        assert_eq!(kind(&json!([twice, twice])), "DuplicateAddressPairInRequest");
        for ip in [
            "",
            "bad",
            "10.0.0.0/33",
            "10.0.0.0/255.0.0.0",
            "010.0.0.1",
            "224.0.0.1",
            "0.0.0.0/0x",
            "ff02::1",
            "::/0",
            "239.0.0.0/8",
        ] {
            assert_eq!(one(json!({"ip_address": ip})), "HTTPBadRequest", "{ip}");
        }
        for mac in
            [json!("bad"), json!(""), json!(null), json!("01:00:5e:00:00:01"), json!("00:00:00:00:00:00")]
        {
            assert_eq!(one(json!({"ip_address": "10.0.0.1", "mac_address": mac})), "HTTPBadRequest", "{mac}");
        }
        assert_eq!(one(json!({"ip_address": "10.0.0.1", "active": true})), "HTTPBadRequest");
    }
}
