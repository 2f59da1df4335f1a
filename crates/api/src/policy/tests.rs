use super::*;
use proptest::prelude::*;
use std::borrow::Cow;

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
fn a_circle_of_rules_refuses() {
    let rules = [("a".to_owned(), "rule:b".to_owned()), ("b".to_owned(), "not rule:a".to_owned())];
    let policy = Policy::new(rules).unwrap();
    let caller = caller("p", &[]);
    // What matters is that it ends.
    let _ = policy.check(policy.find("a"), &caller, &Object(&[]));
    assert!(!policy.check(policy.find("c"), &caller, &Object(&[])));
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
    for rule in ["role:a and", "(role:a", "role:a)", "role", "what:ever", "field:x", "field:a:b=~^(x|y)"] {
        assert!(Policy::new([("r".to_owned(), rule.to_owned())]).is_err(), "{rule}");
    }
}

proptest! {
    #[test]
    fn no_text_stops_the_parser(text in "[()a-z:%!@ ]{0,60}|[( ]{0,400}|(not ){0,300}") {
        let _ = Policy::new([("r".to_owned(), text)]);
    }
}
