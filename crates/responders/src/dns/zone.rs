use ipnet::Ipv4Net;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// What all networks' names have in common.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Zone {
    /// The domain of all ports, in lower case, without a dot at the end; empty for none.
    pub domain: String,
    /// How floating IPs are called.
    pub floating: Vec<FloatingNames>,
}

/// Names of the floating IPs of a prefix, made of their addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FloatingNames {
    prefix: Ipv4Net,
    before: String,
    after: String,
}

/// The place of the address in a template.
const ADDRESS: &str = "{address}";

/// A template that can't be one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoTemplate;

impl std::fmt::Display for NoTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "expected a prefix and a name with {ADDRESS} in it, as 203.0.113.0/24=ip-{ADDRESS}.cloud.example"
        )
    }
}

impl std::error::Error for NoTemplate {}

impl FromStr for FloatingNames {
    type Err = NoTemplate;

    fn from_str(text: &str) -> Result<Self, NoTemplate> {
        let (prefix, name) = text.split_once('=').ok_or(NoTemplate)?;
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let (before, after) = name.split_once(ADDRESS).ok_or(NoTemplate)?;
        let is_name =
            |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !is_name(before) || !is_name(after) || !after.contains('.') {
            return Err(NoTemplate);
        }
        let prefix = prefix.parse().map_err(|_| NoTemplate)?;
        Ok(FloatingNames { prefix, before: before.to_owned(), after: after.to_owned() })
    }
}

impl Zone {
    /// A domain of all ports, and names of floating IPs.
    pub fn new(domain: &str, floating: Vec<FloatingNames>) -> Self {
        Zone { domain: domain.trim_end_matches('.').to_ascii_lowercase(), floating }
    }

    /// The floating IP of a name, which is in lower case and has no dot at the end.
    pub(super) fn floating_ip(&self, name: &str) -> Option<IpAddr> {
        self.floating.iter().find_map(|names| {
            let middle = name.strip_prefix(names.before.as_str())?.strip_suffix(names.after.as_str())?;
            let address: Ipv4Addr = middle.replace('-', ".").parse().ok()?;
            // The one way in which it is written.
            (names.prefix.contains(&address) && names.name(address) == name).then_some(address.into())
        })
    }

    /// The name of a floating IP.
    pub(super) fn floating_name(&self, address: IpAddr) -> Option<String> {
        let IpAddr::V4(address) = address else { return None };
        self.floating.iter().find(|names| names.prefix.contains(&address)).map(|names| names.name(address))
    }
}

impl FloatingNames {
    fn name(&self, address: Ipv4Addr) -> String {
        format!("{}{}{}", self.before, address.to_string().replace('.', "-"), self.after)
    }
}
