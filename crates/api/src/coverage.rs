//! What the API takes and shows, but the packet path does not do yet.

/// An effect that is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing {
    /// The extension of the API that promises it.
    pub alias: &'static str,
    /// What does not happen.
    pub effect: &'static str,
}

/// Every effect that is missing. None of them protects anything: what protects is refused until it works.
pub const MISSING: &[Missing] = &[
    Missing { alias: "router", effect: "external networks of no physical network carry no traffic" },
    Missing { alias: "agent", effect: "admin_state_up of an agent changes what is shown, and nothing else" },
    Missing {
        alias: "network_availability_zone",
        effect: "hints place nothing: every host serves a network itself",
    },
    Missing {
        alias: "router_availability_zone",
        effect: "hints place nothing: every host routes for its ports",
    },
    Missing { alias: "port-hardware-offload-type", effect: "for compute services: hosts offload nothing" },
    Missing {
        alias: "uplink-status-propagation",
        effect: "interfaces don't follow the uplink, whatever is said",
    },
    Missing { alias: "port-hints", effect: "hints are kept and shown" },
    Missing { alias: "l3_agent_scheduler", effect: "every host routes for its ports, whatever is scheduled" },
    Missing { alias: "dhcp_agent_scheduler", effect: "every host answers DHCP, whatever is scheduled" },
];

/// The page of `docs/` that lists them.
pub fn page() -> String {
    let rows = MISSING.iter().map(|missing| format!("| `{}` | {} |\n", missing.alias, missing.effect));
    let head = "# What the API takes, and the packet path does not do yet\n\n\
        A server says the same in its log when it starts. Nothing here protects anything: what protects is refused until it works.\n\n\
        | extension | what does not happen |\n|---|---|\n";
    head.to_owned() + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::EXTENSIONS;

    #[test]
    fn the_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/coverage.md");
        if std::env::var_os("HADRON_UPDATE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(written, page(), "docs/coverage.md is behind; HADRON_UPDATE=1 rewrites it");
    }

    #[test]
    fn what_is_missing_is_of_what_is_announced() {
        for missing in MISSING {
            assert!(EXTENSIONS.iter().any(|extension| extension.alias == missing.alias), "{}", missing.alias);
        }
    }
}
