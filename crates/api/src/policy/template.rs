//! What a check compares with: text with attributes of the target in it.

use super::Target;
use std::borrow::Cow;

/// Text in which `%(NAME)s` stands for an attribute of the target and `%%` for a per cent sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Attribute(String),
}

impl Template {
    /// Reads a template; the error is the reason.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                plain.push('%');
                rest = after;
                continue;
            }
            let inner = after.strip_prefix('(').and_then(|inner| inner.split_once(")s"));
            let (name, after) = inner.ok_or_else(|| format!("a '%' in {text:?} begins no '%(NAME)s'"))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Attribute(name.to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Whether it is the same for every target.
    pub(super) fn is_constant(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// The text for `target`; `None` if that lacks an attribute, or has nothing as its value.
    pub(super) fn fill<'a>(&'a self, target: &'a dyn Target) -> Option<Cow<'a, str>> {
        let of = |piece: &'a Piece| match piece {
            Piece::Text(text) => Some(Cow::Borrowed(text.as_str())),
            Piece::Attribute(name) => target.value(name),
        };
        match self.0.as_slice() {
            [] => Some(Cow::Borrowed("")),
            [piece] => of(piece),
            pieces => pieces.iter().map(of).collect::<Option<String>>().map(Cow::Owned),
        }
    }
}
