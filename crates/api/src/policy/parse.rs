//! The language of rules: `not`, `and`, `or` (in this order of precedence), parentheses, and checks `kind:match`.
//!
//! | check | passes if |
//! |---|---|
//! | empty, `@` | always |
//! | `!` | never |
//! | `rule:NAME` | the rule does |
//! | `role:NAME` | the caller has the role |
//! | `service_roles:NAME` | the forwarding service has the role |
//! | `project_id:%(ATTRIBUTE)s`, `user_id:…`, `user_domain_id:…` | the caller's equals the target's |
//! | `project_id:TEXT` | the caller's is this |
//! | `field:RESOURCES:ATTRIBUTE=TEXT`, `…=~^TEXT` | the target's is this, or begins with it |

use super::RuleId;
use super::check::{Check, Property};

/// Deepest nesting of parentheses and `not`.
const DEPTH: usize = 64;

/// Reads a rule; the error is the reason.
pub(super) fn parse(text: &str, resolve: &dyn Fn(&str) -> Option<RuleId>) -> Result<Check, String> {
    if text.trim().is_empty() {
        return Ok(Check::Always);
    }
    let tokens = tokens(text);
    let mut parser = Parser { tokens: &tokens, resolve };
    let check = parser.any(0)?;
    match parser.tokens.first() {
        None => Ok(check),
        Some(token) => Err(format!("{token:?} is not expected")),
    }
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    resolve: &'a dyn Fn(&str) -> Option<RuleId>,
}

impl<'a> Parser<'a> {
    fn take(&mut self, word: &str) -> bool {
        let is_next = self.tokens.first().is_some_and(|token| token.eq_ignore_ascii_case(word));
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn any(&mut self, depth: usize) -> Result<Check, String> {
        let mut checks = vec![self.all(depth)?];
        while self.take("or") {
            checks.push(self.all(depth)?);
        }
        Ok(one_or(checks, Check::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Check, String> {
        let mut checks = vec![self.single(depth)?];
        while self.take("and") {
            checks.push(self.single(depth)?);
        }
        Ok(one_or(checks, Check::All))
    }

    fn single(&mut self, depth: usize) -> Result<Check, String> {
        if depth > DEPTH {
            return Err("it is nested too deeply".to_owned());
        }
        if self.take("not") {
            return Ok(Check::Not(Box::new(self.single(depth + 1)?)));
        }
        if self.take("(") {
            let check = self.any(depth + 1)?;
            return if self.take(")") { Ok(check) } else { Err("a parenthesis is not closed".to_owned()) };
        }
        match self.tokens.split_first() {
            Some((token, rest)) => {
                self.tokens = rest;
                leaf(token, self.resolve)
            }
            None => Err("a check is missing".to_owned()),
        }
    }
}

fn one_or(mut checks: Vec<Check>, many: impl FnOnce(Vec<Check>) -> Check) -> Check {
    if checks.len() == 1 { checks.remove(0) } else { many(checks) }
}

/// Words between blanks, with the parentheses at their ends split off. A parenthesis inside a word, as in `%(name)s`,
/// belongs to it.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for mut word in text.split_whitespace() {
        while let Some(rest) = word.strip_prefix('(') {
            tokens.push(&word[..1]);
            word = rest;
        }
        let end = word.trim_end_matches(')').len();
        if end > 0 {
            tokens.push(&word[..end]);
        }
        tokens.extend((end..word.len()).map(|at| &word[at..=at]));
    }
    tokens
}

fn leaf(token: &str, resolve: &dyn Fn(&str) -> Option<RuleId>) -> Result<Check, String> {
    match token {
        "@" => return Ok(Check::Always),
        "!" => return Ok(Check::Never),
        _ => {}
    }
    let (kind, matched) = token.split_once(':').ok_or_else(|| format!("{token:?} is not a check"))?;
    let property = match kind {
        "rule" => return Ok(Check::Rule(resolve(matched))),
        "role" => return Ok(Check::Role(matched.to_owned())),
        "service_roles" => return Ok(Check::ServiceRole(matched.to_owned())),
        "field" => return field(matched),
        "project_id" | "tenant_id" => Property::Project,
        "user_id" => Property::User,
        "user_domain_id" => Property::UserDomain,
        _ => return Err(format!("{kind:?} is not a kind of check")),
    };
    match matched.strip_prefix("%(").and_then(|rest| rest.strip_suffix(")s")) {
        Some(name) => Ok(Check::Same(property, name.to_owned())),
        None => Ok(Check::Is(property, matched.to_owned())),
    }
}

fn field(matched: &str) -> Result<Check, String> {
    let parts = matched.split_once(':').and_then(|(_, rest)| rest.rsplit_once('='));
    let (name, text) = parts.ok_or_else(|| format!("{matched:?} is not RESOURCES:ATTRIBUTE=VALUE"))?;
    match text.strip_prefix('~') {
        None => Ok(Check::Field(name.to_owned(), text.to_owned())),
        Some(pattern) => {
            let literal = pattern.strip_prefix('^').unwrap_or(pattern);
            let is_literal = literal.chars().all(|c| c.is_ascii_alphanumeric() || "_:-/".contains(c));
            if is_literal {
                Ok(Check::FieldBegins(name.to_owned(), literal.to_owned()))
            } else {
                Err(format!("the pattern {pattern:?} is more than a beginning"))
            }
        }
    }
}
