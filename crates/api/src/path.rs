//! Addresses.

use crate::query::decode;

/// Most parts behind an object's id.
const DEEPEST: usize = 3;

/// Parts that may precede some collections and say nothing more, as in `/v2.0/log/logs`.
const PREFIXES: [&str; 1] = ["log"];

/// What a path names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Path {
    /// `/`
    Root,
    /// `/healthcheck`
    Health,
    /// `/v2.0/openapi.json`
    Description,
    /// `/v2.0/`
    Version,
    /// `/v2.0/extensions`, `/v2.0/extensions/ALIAS`
    Extensions(Option<String>),
    /// `/v2.0/COLLECTION`, `/v2.0/COLLECTION/ID`, and up to [`DEEPEST`] parts behind the id; the collection with `_` for `-`.
    Resource(String, Option<String>, Vec<String>),
    /// Below `/v2.0`, but nothing there.
    UnknownInVersion,
    /// Nothing there.
    Unknown,
}

impl Path {
    /// Reads a path. A suffix `.json` is accepted, and a slash at the end of a collection.
    pub(crate) fn parse(path: &str) -> Self {
        match path {
            "/" | "" => return Path::Root,
            "/healthcheck" => return Path::Health,
            "/v2.0/openapi.json" => return Path::Description,
            "/v2.0/" => return Path::Version,
            "/v2.0" => return Path::UnknownInVersion,
            _ => {}
        }
        let Some(rest) = path.strip_prefix("/v2.0/") else { return Path::Unknown };
        let below_prefix = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)?.strip_prefix('/'));
        let mut parts = below_prefix.unwrap_or(rest).split('/');
        let collection = parts.next().unwrap_or_default();
        let id = parts.next().filter(|id| !id.is_empty());
        let mut below: Vec<&str> = parts.collect();
        below.pop_if(|last| last.is_empty());
        if below.len() > DEEPEST || below.contains(&"") || (id.is_none() && !below.is_empty()) {
            return Path::UnknownInVersion;
        }
        let clean = |part: &str| decode(part.strip_suffix(".json").unwrap_or(part), false);
        let (collection, id) = (clean(collection), id.map(clean));
        match collection.replace('-', "_") {
            name if name == "extensions" && below.is_empty() => Path::Extensions(id),
            name if name.is_empty() || name == "extensions" => Path::UnknownInVersion,
            name => Path::Resource(name, id, below.into_iter().map(clean).collect()),
        }
    }

    /// Whether it can be asked for without a token.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Path::Root | Path::Health | Path::Description | Path::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_paths() {
        let resource =
            |name: &str, id: Option<&str>| Path::Resource(name.to_owned(), id.map(str::to_owned), vec![]);
        assert_eq!(Path::parse("/"), Path::Root);
        assert_eq!(Path::parse("/v2.0"), Path::UnknownInVersion);
        assert_eq!(Path::parse("/v2.0/"), Path::Version);
        assert_eq!(Path::parse("/v2.1"), Path::Unknown);
        assert_eq!(Path::parse("/v2.0/networks.json"), resource("networks", None));
        assert_eq!(Path::parse("/v2.0/networks/"), resource("networks", None));
        assert_eq!(Path::parse("/v2.0/log/logs/x"), resource("logs", Some("x")));
        assert_eq!(Path::parse("/v2.0/log/loggable-resources.json"), resource("loggable_resources", None));
        assert_eq!(Path::parse("/v2.0/log"), resource("log", None));
        assert_eq!(Path::parse("/v2.0/log/"), Path::UnknownInVersion);
        assert_eq!(Path::parse("/v2.0/network-things/a%2Fb.json"), resource("network_things", Some("a/b")));
        let below = |parts: &[&str]| {
            let parts = parts.iter().map(|part| (*part).to_owned()).collect();
            Path::Resource("things".to_owned(), Some("x".to_owned()), parts)
        };
        assert_eq!(Path::parse("/v2.0/things/x/y.json"), below(&["y"]));
        assert_eq!(Path::parse("/v2.0/things/x/y/"), below(&["y"]));
        assert_eq!(Path::parse("/v2.0/things/x/y/a%2Fb"), below(&["y", "a/b"]));
        assert_eq!(Path::parse("/v2.0/things/x//z"), Path::UnknownInVersion);
        assert_eq!(Path::parse("/v2.0/things/x/a/b/c/d"), Path::UnknownInVersion);
        assert_eq!(Path::parse("/v2.0/extensions/x/y"), Path::UnknownInVersion);
        assert_eq!(Path::parse("/v2.0/extensions/net-mtu"), Path::Extensions(Some("net-mtu".to_owned())));
        assert_eq!(Path::parse("/healthcheck"), Path::Health);
    }

    proptest! {
        #[test]
        fn no_path_stops_it(path in ".{0,40}|/v2.0/[a-z%/.-]{0,30}") {
            let _ = Path::parse(&path);
        }
    }
}
