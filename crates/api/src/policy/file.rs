//! An operator's file: a mapping from names to rules, in YAML 1.2 or JSON.

use super::{PolicyError, Text};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::path::Path;

/// Largest file, in octets.
const MOST: u64 = 4 * 1024 * 1024;

/// The rules of a file, in its order.
pub(super) fn read(path: &Path) -> Result<Vec<(String, Text)>, PolicyError> {
    let fault = |source| PolicyError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(fault)?.len() > MOST {
        return Err(fault(std::io::Error::other(format!("it has more than {MOST} octets"))));
    }
    let text = std::fs::read_to_string(path).map_err(fault)?;
    parse(&text).map_err(|(line, reason)| PolicyError::Form { path: path.to_owned(), line, reason })
}

type Fault = (usize, String);

/// Reads rules; an error is a line and a reason.
pub(super) fn parse(text: &str) -> Result<Vec<(String, Text)>, Fault> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    let mut rules: Vec<(String, Text)> = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            // A file of comments alone, or with an empty document.
            (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(rules),
            (Event::Scalar(text, ScalarStyle::Plain, ..), _) if is_nothing(&text) => {}
            (Event::MappingStart(..), _) => break,
            (_, span) => return Err(at(&span, "the file must be a mapping from names to rules")),
        }
    }
    loop {
        let name = match reader.next()? {
            (Event::MappingEnd, _) => break,
            (Event::Scalar(name, ..), span) => {
                if rules.iter().any(|(known, _)| *known == name) {
                    return Err(at(&span, &format!("the rule {name:?} stands here a second time")));
                }
                name.into_owned()
            }
            (_, span) => return Err(at(&span, "the name of a rule is expected")),
        };
        let rule = reader.rule(&name)?;
        rules.push((name, rule));
    }
    reader.end()?;
    Ok(rules)
}

fn at(span: &Span, reason: &str) -> Fault {
    (span.start.line(), reason.to_owned())
}

fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err((error.marker().line(), error.info().to_owned())),
            None => Err((0, "the file ends too early".to_owned())),
        }
    }

    fn rule(&mut self, name: &str) -> Result<Text, Fault> {
        match self.next()? {
            (Event::Scalar(text, style, ..), span) => {
                if style == ScalarStyle::Plain && is_nothing(&text) {
                    let reason = format!(
                        "the rule {name:?} has no text; write \"@\" to let everybody pass, \"!\" for nobody"
                    );
                    return Err(at(&span, &reason));
                }
                Ok(Text::Line(text.into_owned()))
            }
            (Event::SequenceStart(..), _) => self.lists(),
            (_, span) => Err(at(&span, &format!("the rule {name:?} is neither text nor a list of lists"))),
        }
    }

    /// The inside of a list of lists of checks; a check that stands alone is a list of one.
    fn lists(&mut self) -> Result<Text, Fault> {
        let mut lists = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Text::Lists(lists)),
                (Event::Scalar(check, ..), _) if check.is_empty() => {}
                (Event::Scalar(check, ..), _) => lists.push(vec![check.into_owned()]),
                (Event::SequenceStart(..), _) => lists.push(self.list()?),
                (_, span) => return Err(at(&span, "a list of checks is expected")),
            }
        }
    }

    fn list(&mut self) -> Result<Vec<String>, Fault> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(list),
                (Event::Scalar(check, ..), _) => list.push(check.into_owned()),
                (_, span) => return Err(at(&span, "a check is expected")),
            }
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(()),
                (_, span) => return Err(at(&span, "the file has more than one document")),
            }
        }
    }
}
