use super::*;
use proptest::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

struct Object(&'static [(&'static str, &'static str)]);

impl Target for Object {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Borrowed(*value))
    }
}

fn caller(project: &str, roles: &[&str]) -> Caller {
    Caller {
        user_id: "u".to_owned(),
        project_id: Some(project.to_owned()),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..Caller::default()
    }
}

fn passes(rule: &str, caller: &Caller, target: &Object) -> bool {
    let policy = Policy::new([("r".to_owned(), rule.to_owned())]).unwrap();
    policy.check(policy.find("r"), caller, target)
}

#[test]
fn precedence_is_not_then_and_then_or() {
    let caller = caller("p", &["a"]);
    let target = Object(&[]);
    for (rule, expected) in [
        ("", true),
        ("@", true),
        ("!", false),
        ("role:a or role:b and role:c", true),
        ("role:c and role:b or role:a", true),
        ("(role:a or role:b) and role:c", false),
        ("not role:b and role:A", true),
        ("not (role:a and not role:b)", false),
        ("project_id:p", true),
        ("rule:nobody_wrote_this", false),
    ] {
        assert_eq!(passes(rule, &caller, &target), expected, "{rule}");
    }
}

#[test]
fn owners_and_fields_are_read_from_the_target() {
    let target = Object(&[
        ("project_id", "p"),
        ("network:project_id", "q"),
        ("router:external", "True"),
        ("device_owner", "network:dhcp"),
    ]);
    let p = caller("p", &[]);
    assert!(passes("project_id:%(project_id)s", &p, &target));
    assert!(!passes("project_id:%(network:project_id)s", &p, &target));
    assert!(!passes("project_id:%(absent)s", &p, &target));
    assert!(passes("field:networks:router:external=True", &p, &target));
    assert!(passes("field:port:device_owner=~^network:", &p, &target));
    assert!(!passes("field:port:device_owner=~^compute:", &p, &target));
    let nobody = Caller::default();
    assert!(!passes("project_id:%(project_id)s", &nobody, &Object(&[("project_id", "")])));
}

#[test]
fn circles_and_endless_chains_are_refused() {
    let rule = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let circle = Policy::new([rule("a", "rule:b or role:x"), rule("b", "not rule:a")]);
    assert!(matches!(circle, Err(PolicyError::Circle(names)) if names == ["a", "b"]));
    let by_default = Policy::new([rule("default", "rule:nobody_wrote_this")]);
    assert!(matches!(by_default, Err(PolicyError::Circle(_))));
    let chain = (0..100).map(|n| rule(&n.to_string(), &format!("rule:{}", n + 1)));
    assert!(matches!(Policy::new(chain.clone()), Err(PolicyError::Chain(_))));
    assert!(Policy::new(chain.take(50)).is_ok());
    // Many ways to the same rule are no circle, and no exponential amount of work.
    let diamond = (0..40).map(|n| rule(&n.to_string(), &format!("rule:{} or rule:{}", n + 1, n + 1)));
    assert!(Policy::new(diamond).is_ok());
}

#[test]
fn the_defaults_know_administrators() {
    let policy = Policy::defaults();
    assert!(policy.is_admin(&caller("p", &["Admin"])));
    assert!(!policy.is_admin(&caller("p", &["member"])));
    assert!(policy.is_unscoped(&caller("p", &["service"])));
    assert!(!policy.needs_target(policy.find("get_port:binding:host_id").unwrap()));
    assert!(policy.needs_target(policy.find("get_port").unwrap()));
}

#[test]
fn faults_are_named() {
    for rule in [
        "role:a and",
        "(role:a",
        "role:a)",
        "role",
        "field:x",
        "field:a:b=~^x(y",
        " ",
        "role:%(a",
        "role:%a",
        "http://x:1/%(a)s",
        "https:x",
        "\"role:a\"",
        "not",
        "role:a role:b",
        "()",
        "field:a:b=~(?=x)y",
    ] {
        let policy = Policy::new([("r".to_owned(), rule.to_owned())]);
        assert!(matches!(policy, Err(PolicyError::Rule { .. })), "{rule}");
    }
}

#[test]
fn callers_are_asked_by_their_properties() {
    let target = Object(&[("project_id", "p"), ("role", "Auditor"), ("n", "7")]);
    let service =
        Caller { user_id: "nova".to_owned(), roles: vec!["service".to_owned()], ..Caller::default() };
    let caller = Caller { service: Some(Arc::new(service)), ..caller("p", &["auditor", "admin"]) };
    for (rule, expected) in [
        ("role:%(role)s", true),
        ("roles:auditor", true),
        ("roles:Auditor", false),
        ("service_roles:service", true),
        ("service_user_id:nova", true),
        ("tenant_id:%(project_id)s", true),
        ("user_id:u", true),
        ("domain_id:None", true),
        ("system_scope:all", false),
        ("is_admin_project:True", true),
        ("'7':%(n)s", true),
        ("7:%(n)s", true),
        ("True:%(n)s", false),
        ("token.is_admin:True", false),
        ("user_id:%%u", false),
        ("domain_id:%(absent)s", false),
        ("field:x:n=~[0-9]+", true),
        ("field:x:n=~[a-z]", false),
    ] {
        assert_eq!(passes(rule, &caller, &target), expected, "{rule}");
    }
    let rules = [("context_is_admin", "role:admin"), ("r", "is_admin:True and has_global_access:True")];
    let rules = rules.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let policy = Policy::new(rules).unwrap();
    assert!(policy.check(policy.find("r"), &caller, &target));
}

fn with(text: &str, enforce_new_defaults: bool) -> Policy {
    build::policy(file::parse(text).unwrap(), enforce_new_defaults).unwrap()
}

fn may(policy: &Policy, rule: &str, caller: &Caller, target: &Object) -> bool {
    policy.check(policy.deciding(rule), caller, target)
}

#[test]
fn an_operator_s_rules_override_defaults() {
    let own = Object(&[("project_id", "p")]);
    let policy =
        with("create_network: role:net_admin\nnet_ops: role:ops\ndelete_network: rule:net_ops\n", true);
    assert!(!may(&policy, "create_network", &caller("p", &["member"]), &own));
    assert!(may(&policy, "create_network", &caller("p", &["net_admin"]), &own));
    assert!(may(&policy, "delete_network", &caller("q", &["ops"]), &own));
    assert!(may(&policy, "update_network", &caller("p", &["member"]), &own));
    assert_eq!(policy.warnings(), [""; 0]);
    let origins: Vec<_> = policy.rules().filter(|(_, _, origin)| *origin == Origin::File).collect();
    assert_eq!(origins.len(), 3);
}

#[test]
fn deprecated_defaults_are_in_force_when_they_are_asked_for() {
    let own = Object(&[("project_id", "p")]);
    let roleless = caller("p", &["custom"]);
    assert!(!may(&Policy::defaults(), "get_network", &roleless, &own));
    let before = with("", false);
    assert!(may(&before, "get_network", &roleless, &own));
    assert!(!may(&before, "get_network", &caller("q", &["custom"]), &own));
    // An overridden rule has no deprecated part, and administrators pass even what nobody should.
    let before = with("get_network: \"!\"", false);
    assert!(!may(&before, "get_network", &roleless, &own));
    assert!(may(&before, "get_network", &caller("q", &["admin"]), &own));
    assert!(!may(&with("get_network: \"!\"", true), "get_network", &caller("q", &["admin"]), &own));
}

#[test]
fn a_rule_s_former_name_still_overrides_it() {
    let own = Object(&[("project_id", "p")]);
    let former = defaults::all().into_iter().find(|rule| rule.name == "create_network:tags").unwrap();
    let former = former.deprecated.unwrap().name;
    let policy = with(&format!("{former}: role:tagger"), true);
    assert!(may(&policy, "create_network:tags", &caller("p", &["tagger"]), &own));
    assert!(!may(&policy, "create_network:tags", &caller("p", &["member"]), &own));
    assert!(policy.warnings()[0].contains("is now called"), "{:?}", policy.warnings());
}

#[test]
fn a_token_of_another_scope_does_not_pass() {
    let policy = Policy::defaults();
    let own = Object(&[("project_id", "p")]);
    let system = Caller { project_id: None, is_system_scoped: true, ..caller("", &["admin"]) };
    let domain = Caller { project_id: None, domain_id: Some("d".to_owned()), ..caller("", &["admin"]) };
    for caller in [&system, &domain] {
        assert!(policy.is_admin(caller) && !may(&policy, "get_network", caller, &own));
        assert!(!policy.is_in_scope(policy.find("get_network").unwrap(), caller));
    }
    assert!(may(&policy, "get_network", &caller("q", &["admin"]), &own));
}

#[test]
fn what_is_odd_in_a_file_is_said() {
    let policy = with(
        "get_netwrok: role:a\nget_network: \"(rule:admin_only) or (role:member and rule:nobody)\"\nget_port: group:x\n\
         update_port:fixed_ips:anything: role:a\nadmin_only: rule:context_is_admin\n",
        true,
    );
    let has = |text: &str| policy.warnings().iter().any(|warning| warning.contains(text));
    assert!(
        has("get_netwrok") && has("nobody") && has("\"group\"") && has("admin_only"),
        "{:?}",
        policy.warnings()
    );
    assert_eq!(policy.warnings().len(), 4, "{:?}", policy.warnings());
}

#[test]
fn files_are_yaml_or_json() {
    let line = |text: &str| Text::Line(text.to_owned());
    let lists = |lists: &[&[&str]]| {
        Text::Lists(lists.iter().map(|list| list.iter().map(|check| (*check).to_owned()).collect()).collect())
    };
    for (text, expected) in [
        ("", vec![]),
        ("# nothing but a comment\n", vec![]),
        ("---\n{}\n", vec![]),
        ("a: role:x\n\"b:c\": \"!\" # nobody\n", vec![("a", line("role:x")), ("b:c", line("!"))]),
        ("{\"a\": \"\", \"b\": \"role:\\u0078\"}", vec![("a", line("")), ("b", line("role:x"))]),
        ("a: >-\n  role:x or\n  role:y\n", vec![("a", line("role:x or role:y"))]),
        (
            "a: [[role:x, role:y], role:z, []]\nb: []",
            vec![("a", lists(&[&["role:x", "role:y"], &["role:z"], &[]])), ("b", lists(&[]))],
        ),
    ] {
        let rules = file::parse(text).unwrap();
        let rules: Vec<(&str, Text)> =
            rules.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        assert_eq!(rules, expected, "{text}");
    }
    for (text, line) in [
        ("a: x\na: y\n", 2),
        ("- a\n", 1),
        ("a: @\n", 1),
        ("a:\nb: x\n", 1),
        ("a: {b: c}\n", 1),
        ("a: x\n---\nb: y\n", 2),
        ("a: *x\n", 1),
        ("a: [x\n", 2),
        ("text", 1),
    ] {
        let (at, reason) = file::parse(text).unwrap_err();
        assert!(at.abs_diff(line) <= 1, "{text:?}: {at} {reason}");
    }
}

#[test]
fn a_changed_file_is_taken_and_a_broken_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    let own = Object(&[("project_id", "p")]);
    let member = caller("p", &["member"]);
    write("create_network: role:a");
    let config = PolicyConfig { files: vec![path.clone()], ..PolicyConfig::default() };
    let live = LivePolicy::open(config).unwrap();
    let may_create = || may(&live.current(), "create_network", &member, &own);
    assert!(!may_create());
    write("create_network: role:member");
    live.reload_if_changed();
    assert!(may_create());
    for broken in
        ["create_network: (role:a", "a: rule:b\nb: rule:a", "[", "create_network: http://localhost/"]
    {
        write(broken);
        live.reload_if_changed();
        assert!(may_create(), "{broken}");
    }
    std::fs::remove_file(&path).unwrap();
    live.reload_if_changed();
    assert!(may_create());
    write("create_network: role:b");
    live.reload_if_changed();
    assert!(!may_create());
    let same = live.current();
    live.reload_if_changed();
    assert!(Arc::ptr_eq(&same, &live.current()));
    let missing = PolicyConfig { files: vec![directory.path().join("none")], ..PolicyConfig::default() };
    assert!(matches!(LivePolicy::open(missing), Err(PolicyError::Read { .. })));
}

proptest! {
    #[test]
    fn no_text_stops_the_parser(text in "[()a-z:%!@ ]{0,60}|[( ]{0,400}|(not ){0,300}|.{0,40}") {
        let _ = Policy::new([("r".to_owned(), text.clone())]);
        let _ = file::parse(&text);
    }
}
