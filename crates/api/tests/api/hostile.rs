//! Whatever is sent: an answer that is no fault of the server's, and a state that is whole.

mod security;

use crate::support::consistency;
use crate::support::*;
use axum::body::Body;
use axum::http::Request;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Words that mean something to the API, and some that don't.
const WORDS: &[&str] = &[
    "network",
    "networks",
    "subnet",
    "subnets",
    "port",
    "ports",
    "id",
    "name",
    "network_id",
    "ip_version",
    "cidr",
    "gateway_ip",
    "allocation_pools",
    "start",
    "end",
    "dns_nameservers",
    "host_routes",
    "destination",
    "nexthop",
    "enable_dhcp",
    "ipv6_ra_mode",
    "ipv6_address_mode",
    "slaac",
    "mac_address",
    "fixed_ips",
    "subnet_id",
    "ip_address",
    "delete_subnet",
    "device_id",
    "device_owner",
    "network:dhcp",
    "binding:host_id",
    "binding:profile",
    "binding:vnic_type",
    "provider:network_type",
    "provider:segmentation_id",
    "vxlan",
    "mtu",
    "shared",
    "tenant_id",
    "project_id",
    "description",
    "admin_state_up",
    "10.0.0.0/24",
    "10.0.0.7",
    "fd00::/64",
    "fd00::5",
    "::/0",
    "fa:16:3e:00:00:01",
    "\u{0}",
    "é\u{2028}",
    " ",
    "",
    "-1",
    "99999999999999999999",
    "limit",
    "marker",
    "sort_key",
    "sort_dir",
    "fields",
    "page_reverse",
    "True",
    "subnetpool_id",
    "prefixlen",
    "security_group",
    "security_group_rule",
    "address_group",
    "security_groups",
    "security_group_id",
    "remote_group_id",
    "remote_address_group_id",
    "remote_ip_prefix",
    "direction",
    "ingress",
    "protocol",
    "tcp",
    "port_range_min",
    "port_range_max",
    "ethertype",
    "stateful",
    "addresses",
    "add_addresses",
    "remove_addresses",
    "port_security_enabled",
    "allowed_address_pairs",
];

/// Method, path, body and token.
type Sent = (String, String, String, &'static str);

/// Stands for the ids of what exists.
const PLACES: usize = 7;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(str::to_owned),
        3 => (0..PLACES).prop_map(|n| format!("${n}")),
        1 => ".{0,12}",
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => word().prop_map(Value::String),
        1 => any::<bool>().prop_map(Value::Bool),
        2 => prop_oneof![Just(4), Just(6), Just(0), any::<i64>()].prop_map(|n| json!(n)),
        1 => any::<f64>().prop_map(|n| json!(n)),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((word(), inner), 0..6)
                .prop_map(|members| { Value::Object(members.into_iter().collect::<Map<_, _>>()) }),
        ]
    })
}

/// A value that an attribute takes, more often than not.
fn fitting(name: &'static str) -> BoxedStrategy<Value> {
    fn of(texts: &'static [&'static str]) -> BoxedStrategy<Value> {
        prop::sample::select(texts).prop_map(Value::from).boxed()
    }
    let address = || of(&["10.0.0.1", "10.0.0.5", "10.3.0.9", "fd00::5", "10.3.0.255", "$1"]);
    let fits = match name {
        "admin_state_up" | "shared" | "enable_dhcp" => {
            prop_oneof![any::<bool>().prop_map(Value::from), of(&["yes", "0", "FALSE"])].boxed()
        }
        "mtu" | "provider:segmentation_id" => (-1i64..1500).prop_map(Value::from).boxed(),
        "ip_version" => prop_oneof![4 => Just(json!(4)), 2 => Just(json!("6")), 1 => Just(json!(5))].boxed(),
        "cidr" => of(&[
            "10.3.0.0/24",
            "10.3.0.0/29",
            "10.3.0.7/30",
            "fd03::/64",
            "fd03::/120",
            "10.0.0.0/8",
            "::/0",
        ]),
        "gateway_ip" => prop_oneof![address(), Just(Value::Null)].boxed(),
        "allocation_pools" => {
            let pool = (address(), address()).prop_map(|(start, end)| json!({"start": start, "end": end}));
            prop::collection::vec(pool, 0..3).prop_map(Value::Array).boxed()
        }
        "dns_nameservers" => prop::collection::vec(address(), 0..7).prop_map(Value::Array).boxed(),
        "host_routes" => {
            let destination = of(&["10.9.0.0/16", "fd09::/64", "10.9.0.1/16", "0.0.0.0/0"]);
            let route =
                (destination, address()).prop_map(|(to, via)| json!({"destination": to, "nexthop": via}));
            prop::collection::vec(route, 0..3).prop_map(Value::Array).boxed()
        }
        "fixed_ips" => {
            let subnet = prop::option::of(prop_oneof![3 => Just("$2"), 1 => Just("$0")]);
            let ip = (subnet, prop::option::of(address()), any::<bool>()).prop_map(
                |(subnet, address, gives_up)| {
                    let mut ip = Map::new();
                    ip.extend(subnet.map(|subnet| ("subnet_id".to_owned(), subnet.into())));
                    ip.extend(address.map(|address| ("ip_address".to_owned(), address)));
                    ip.extend(gives_up.then(|| ("delete_subnet".to_owned(), true.into())));
                    Value::Object(ip)
                },
            );
            prop::collection::vec(ip, 0..4).prop_map(Value::Array).boxed()
        }
        "mac_address" => {
            prop_oneof![of(&["fa:16:3e:00:00:01", "02-00-00-00-00-02"]), Just(Value::Null)].boxed()
        }
        "ipv6_ra_mode" | "ipv6_address_mode" => of(&["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]),
        "provider:network_type" => of(&["vxlan", "local", "vlan"]),
        "device_owner" => of(&["compute:nova", "network:dhcp", "network:router_interface", ""]),
        "binding:vnic_type" => of(&["normal", "direct"]),
        "binding:profile" => Just(json!({"a": [1, {"b": null}]})).boxed(),
        name => security::fitting(name).unwrap_or_else(|| word().prop_map(Value::String).boxed()),
    };
    prop_oneof![9 => fits, 1 => json_value()].boxed()
}

const NETWORK: &[&str] = &[
    "name",
    "description",
    "admin_state_up",
    "shared",
    "mtu",
    "provider:network_type",
    "provider:segmentation_id",
];
const SUBNET: &[&str] = &[
    "name",
    "description",
    "gateway_ip",
    "allocation_pools",
    "dns_nameservers",
    "host_routes",
    "enable_dhcp",
    "ipv6_ra_mode",
    "ipv6_address_mode",
    "ip_version",
    "cidr",
];
const PORT: &[&str] = &[
    "name",
    "description",
    "admin_state_up",
    "mac_address",
    "fixed_ips",
    "device_id",
    "device_owner",
    "binding:host_id",
    "binding:profile",
    "binding:vnic_type",
    "security_groups",
    "port_security_enabled",
    "allowed_address_pairs",
];

/// An object that a resource takes, more often than not.
fn object(names: &'static [&'static str]) -> BoxedStrategy<Map<String, Value>> {
    let member =
        prop::sample::select(names).prop_flat_map(|name| fitting(name).prop_map(move |value| (name, value)));
    let members = prop::collection::vec(member, 0..4);
    let junk = prop::option::weighted(0.05, (word(), json_value()));
    (members, junk)
        .prop_map(|(members, junk)| {
            let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
            members.chain(junk).collect()
        })
        .boxed()
}

/// A request that a resource understands, more often than not.
fn near(member: &'static str, names: &'static [&'static str], own: usize) -> BoxedStrategy<Sent> {
    let method = prop::sample::select(vec!["POST", "POST", "POST", "PUT", "PUT", "PUT", "DELETE", "GET"]);
    let objects = prop::collection::vec(object(names), 1..4);
    let token = prop::sample::select(vec![MEMBER, MEMBER, MEMBER, ADMIN, OTHER, SERVICE]);
    (method, objects, 0usize..2, prop::option::of(0..PLACES), token)
        .prop_map(move |(method, objects, network, place, token)| {
            let objects = objects.into_iter().map(|mut object| {
                if method == "POST" && member == "security_group_rule" {
                    object.entry("security_group_id").or_insert(json!("$4"));
                    object.entry("direction").or_insert(json!("ingress"));
                }
                if method == "POST" && matches!(member, "subnet" | "port") {
                    object.insert("network_id".to_owned(), format!("${network}").into());
                }
                if method == "POST" && member == "subnet" {
                    object.entry("ip_version").or_insert(json!(4));
                    object.entry("cidr").or_insert(json!("10.3.0.0/24"));
                }
                object
            });
            let objects: Vec<Map<String, Value>> = objects.collect();
            let is_bulk = method == "POST" && objects.len() > 1;
            let body = match method {
                "DELETE" | "GET" => String::new(),
                _ if is_bulk => json!({ format!("{member}s"): objects }).to_string(),
                _ => json!({ member: objects[0] }).to_string(),
            };
            let id = if method == "POST" { String::new() } else { format!("/${}", place.unwrap_or(own)) };
            (method.to_owned(), format!("/v2.0/{member}s{id}"), body, token)
        })
        .boxed()
}

fn junk() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => json_value().prop_map(|value| value.to_string()),
        1 => ".{0,40}",
        1 => Just(String::new()),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let pair = (word(), word(), any::<bool>()).prop_map(|(name, value, nested)| {
        let value = if nested { format!("ip_address%3D{value}") } else { value };
        format!("{name}={value}")
    });
    prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"))
}

fn request() -> impl Strategy<Value = Sent> {
    let method = prop::sample::select(vec!["GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]);
    let collections = prop::sample::select(vec![
        "networks",
        "subnets",
        "ports",
        "security-groups",
        "security-group-rules",
        "address-groups",
        "default-security-group-rules",
        "log/logs",
        "log/loggable-resources",
    ])
    .prop_map(str::to_owned);
    let collection = prop_oneof![5 => collections, 1 => word()];
    let token = prop::sample::select(vec![MEMBER, MEMBER, ADMIN, OTHER, SERVICE, "unscoped"]);
    let far = (method, collection, prop::option::of(word()), query(), junk(), token).prop_map(
        |(method, collection, id, query, body, token)| {
            let id = id.map_or_else(String::new, |id| format!("/{id}"));
            let query = if query.is_empty() { query } else { format!("?{query}") };
            (method.to_owned(), format!("/v2.0/{collection}{id}{query}"), body, token)
        },
    );
    prop_oneof![
        3 => far,
        2 => near("network", NETWORK, 0),
        4 => near("subnet", SUBNET, 2),
        6 => near("port", PORT, 3),
        2 => near("security_group", security::GROUP, 4),
        4 => near("security_group_rule", security::RULE, 5),
        1 => near("default_security_group_rule", security::TEMPLATE, 5),
        1 => near("address_group", security::ADDRESS_GROUP, 6),
        2 => security::action(),
    ]
}

/// What a path may hold, percent-encoded.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?=&%.:-_$".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

async fn places(cloud: &Cloud) -> Vec<String> {
    let network = cloud.create(MEMBER, "networks", json!({})).await;
    let other = cloud.create(ADMIN, "networks", json!({"shared": true})).await;
    let subnet = json!({"network_id": id(&network), "ip_version": 4, "cidr": "10.0.0.0/28"});
    let subnet = cloud.create(MEMBER, "subnets", subnet).await;
    let port = cloud.create(MEMBER, "ports", json!({"network_id": id(&network)})).await;
    let group = cloud.create(MEMBER, "security-groups", json!({})).await;
    let rule = json!({"security_group_id": id(&group), "direction": "ingress"});
    let rule = cloud.create(MEMBER, "security-group-rules", rule).await;
    let addresses = cloud.create(MEMBER, "address-groups", json!({"addresses": ["10.0.0.0/24"]})).await;
    [network, other, subnet, port, group, rule, addresses].iter().map(id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_request_is_the_server_s_fault(requests in prop::collection::vec(request(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cloud = Cloud::new().await;
            let places = places(&cloud).await;
            for (method, path, body, token) in requests {
                let fill = |text: &str| {
                    (0..PLACES).fold(text.to_owned(), |text, n| text.replace(&format!("${n}"), &places[n]))
                };
                let (path, body) = (fill(&encoded(&path)), fill(&body));
                let Ok(request) = Request::builder()
                    .method(method.as_str())
                    .uri(&path)
                    .header("X-Auth-Token", token)
                    .header("If-Match", if body.len() % 7 == 0 { "revision_number=1" } else { "*" })
                    .body(Body::from(body.clone()))
                else {
                    continue;
                };
                let answer = cloud.send(request).await;
                assert!(answer.status < 500, "{method} {path} {body}: {} {}", answer.status, answer.text);
                let is_json = answer.body != Value::Null || answer.text.is_empty();
                assert!(is_json, "{method} {path}: {}", answer.text);
                if answer.status >= 400 {
                    assert!(!answer.error().1.contains("Internal"), "{}", answer.text);
                }
                consistency::check(&cloud.store.snapshot());
            }
        });
    }
}
