//! The language of rules: `not`, `and`, `or` (in this order of precedence), parentheses, and checks `kind:match`.
//!
//! | check | passes if |
//! |---|---|
//! | empty, `@` | always |
//! | `!` | never |
//! | `rule:NAME` | the rule does |
//! | `role:TEXT` | the caller has the role, whatever its case |
//! | `PROPERTY:TEXT` | the caller's property (`project_id`, `user_id`, `domain_id`, `system_scope`, `service_roles` …) is this |
//! | `'LITERAL':TEXT`, `True:TEXT`, `7:TEXT` | the two are the same |
//! | `field:RESOURCES:ATTRIBUTE=TEXT`, `…=~PATTERN` | the target's is this, or its beginning matches |
//!
//! In `TEXT`, `%(ATTRIBUTE)s` is an attribute of the target. The older form is a list of lists: one of the inner lists must
//! hold, of which all checks must.

use super::RuleId;
use super::check::Check;
use super::property::Property;
use super::template::Template;
use regex::RegexBuilder;

/// Deepest nesting of parentheses and `not`.
const DEPTH: usize = 64;
/// Largest compiled pattern, in octets.
const PATTERN_SIZE: usize = 64 * 1024;

/// A rule as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Text {
    /// In the language.
    Line(String),
    /// As a list of lists of checks.
    Lists(Vec<Vec<String>>),
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Text::Line(line) => f.write_str(line),
            Text::Lists(lists) => write!(f, "{lists:?}"),
        }
    }
}

/// What a parser finds beside the check.
#[derive(Default)]
pub(super) struct Notes {
    /// Rules that are named and that there are none of.
    pub(super) undefined: Vec<String>,
    /// Properties that no caller has.
    pub(super) unknown: Vec<String>,
}

/// Where rules are looked up, and what is noted on the way.
pub(super) struct Context<'a> {
    pub(super) resolve: &'a dyn Fn(&str) -> Option<RuleId>,
    pub(super) is_defined: &'a dyn Fn(&str) -> bool,
    pub(super) notes: Notes,
}

/// Reads a rule; the error is the reason.
pub(super) fn parse(text: &Text, context: &mut Context<'_>) -> Result<Check, String> {
    match text {
        Text::Line(line) => parse_line(line, context),
        Text::Lists(lists) => parse_lists(lists, context),
    }
}

fn parse_lists(lists: &[Vec<String>], context: &mut Context<'_>) -> Result<Check, String> {
    if lists.is_empty() {
        return Ok(Check::Always);
    }
    let mut any = Vec::new();
    for list in lists.iter().filter(|list| !list.is_empty()) {
        let all = list.iter().map(|check| leaf(check, context)).collect::<Result<Vec<_>, _>>()?;
        any.push(one_or(all, Check::All));
    }
    Ok(if any.is_empty() { Check::Never } else { one_or(any, Check::Any) })
}

fn parse_line(line: &str, context: &mut Context<'_>) -> Result<Check, String> {
    if line.is_empty() {
        return Ok(Check::Always);
    }
    let tokens = tokens(line);
    let mut parser = Parser { tokens: &tokens, context };
    let check = parser.any(0)?;
    match parser.tokens.first() {
        None => Ok(check),
        Some(token) => Err(format!("{token:?} is not expected")),
    }
}

struct Parser<'a, 'c> {
    tokens: &'a [&'a str],
    context: &'a mut Context<'c>,
}

impl Parser<'_, '_> {
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
                leaf(token, self.context)
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
    let is_blank = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let mut tokens = Vec::new();
    for mut word in text.split(is_blank).filter(|word| !word.is_empty()) {
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

fn leaf(token: &str, context: &mut Context<'_>) -> Result<Check, String> {
    match token {
        "@" => return Ok(Check::Always),
        "!" => return Ok(Check::Never),
        _ => {}
    }
    let is_quoted = |quote: char| token.len() > 1 && token.starts_with(quote) && token.ends_with(quote);
    if is_quoted('"') || is_quoted('\'') {
        return Err(format!("{token} is text, not a check"));
    }
    let (kind, matched) = token.split_once(':').ok_or_else(|| format!("{token:?} is not a check"))?;
    match kind {
        "rule" => {
            if !(context.is_defined)(matched) {
                context.notes.undefined.push(matched.to_owned());
            }
            return Ok(Check::Rule((context.resolve)(matched)));
        }
        "role" => return Ok(Check::Role(Template::parse(matched)?)),
        "field" => return field(matched),
        "http" | "https" => {
            return Err(format!(
                "{kind:?} asks another server, which is not supported; write the rule in terms of roles and attributes"
            ));
        }
        _ => {}
    }
    let text = Template::parse(matched)?;
    if let Some(property) = Property::named(kind) {
        return Ok(Check::Caller(property, text));
    }
    if let Some(literal) = literal(kind) {
        return Ok(Check::Literal(literal, text));
    }
    context.notes.unknown.push(kind.to_owned());
    Ok(Check::Never)
}

/// A text in quotes, a number or a named constant, as the text that it is compared by.
fn literal(kind: &str) -> Option<String> {
    if matches!(kind, "True" | "False" | "None") {
        return Some(kind.to_owned());
    }
    for quote in ['\'', '"'] {
        let inner = kind.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.contains([quote, '\\'])) {
            return Some(inner.to_owned());
        }
    }
    let digits = kind.strip_prefix('-').unwrap_or(kind);
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let is_plain = digits == "0" || !digits.starts_with('0');
    (is_number && is_plain).then(|| if digits == "0" { "0".to_owned() } else { kind.to_owned() })
}

fn field(matched: &str) -> Result<Check, String> {
    let (_, rest) = matched.split_once(':').ok_or_else(|| not_a_field(matched))?;
    // The attribute's own name may have a colon, but no equals sign.
    let (name, text) = rest.split_once('=').ok_or_else(|| not_a_field(matched))?;
    let name = name.to_owned();
    let Some(pattern) = text.strip_prefix('~') else { return Ok(Check::Field(name, text.to_owned())) };
    let literal = pattern.strip_prefix('^').unwrap_or(pattern);
    if literal.chars().all(|c| c.is_ascii_alphanumeric() || "_:-/".contains(c)) {
        return Ok(Check::FieldBegins(name, literal.to_owned()));
    }
    let regex = RegexBuilder::new(&format!("^(?:{pattern})")).size_limit(PATTERN_SIZE).build();
    let regex = regex.map_err(|error| format!("the pattern {pattern:?} can't be used: {error}"))?;
    Ok(Check::FieldMatches(name, regex))
}

fn not_a_field(matched: &str) -> String {
    format!("{matched:?} is not RESOURCES:ATTRIBUTE=VALUE")
}
