//! Tags: words by which users sort their objects.

/// Most tags of an object.
pub const MAX_TAGS: usize = 50;
/// Most characters of a tag.
pub const MAX_TAG_LENGTH: usize = 255;

/// An object's tags, sorted and distinct.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tags(Vec<String>);

impl Tags {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tags in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `tag` is one of them; case matters.
    pub fn has(&self, tag: &str) -> bool {
        self.place(tag).is_ok()
    }

    /// Adds a tag; nothing happens if it is there.
    pub fn insert(&mut self, tag: &str) {
        if let Err(place) = self.place(tag) {
            self.0.insert(place, tag.to_owned());
        }
    }

    /// Removes a tag; whether it was there.
    pub fn remove(&mut self, tag: &str) -> bool {
        self.place(tag).map(|place| self.0.remove(place)).is_ok()
    }

    fn place(&self, tag: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|known| known.as_str().cmp(tag))
    }
}

impl<T: Into<String>> FromIterator<T> for Tags {
    fn from_iter<I: IntoIterator<Item = T>>(tags: I) -> Self {
        let mut tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        tags.sort_unstable();
        tags.dedup();
        Self(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_a_sorted_set() {
        let mut tags: Tags = ["red", "blue", "red"].into_iter().collect();
        assert_eq!(tags.iter().collect::<Vec<_>>(), ["blue", "red"]);
        tags.insert("green");
        tags.insert("green");
        assert!(tags.has("green") && !tags.has("Green"));
        assert_eq!(tags.iter().collect::<Vec<_>>(), ["blue", "green", "red"]);
        assert!(tags.remove("blue") && !tags.remove("blue"));
        assert_eq!((tags.len(), tags.is_empty()), (2, false));
    }
}
