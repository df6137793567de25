//! A form as it was written: its fields are read one by one, what is wrong with each is kept beside it, and it can be
//! shown again with all of it. Knows no rule about any field.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use serde::Deserialize;

/// A form's fields, and what is wrong with them.
#[derive(Default, Deserialize)]
#[serde(from = "HashMap<String, String>")]
pub(in crate::http) struct Written {
    fields: HashMap<String, String>,
    /// In the order in which they were read.
    wrong: Vec<(&'static str, String)>,
}

impl From<HashMap<String, String>> for Written {
    fn from(fields: HashMap<String, String>) -> Self {
        Self {
            fields,
            wrong: Vec::new(),
        }
    }
}

impl Written {
    /// As it is before anybody wrote in it.
    pub(super) fn fresh<const N: usize>(fields: [(&str, String); N]) -> Self {
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        HashMap::from(fields).into()
    }

    /// What stands in a field; nothing where the form has none of that name.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |text| text.trim())
    }

    /// Whether that stands in it, or was chosen.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.text(name) == value
    }

    /// What is wrong with it.
    pub(super) fn wrong(&self, name: &str) -> Option<&str> {
        let found = self.wrong.iter().find(|(wrong, _)| *wrong == name);
        found.map(|(_, why)| why.as_str())
    }

    /// Every field that something is wrong with.
    pub(super) fn all_wrong(&self) -> &[(&'static str, String)] {
        &self.wrong
    }

    /// Says that something is wrong with a field; what was said of it first, stays.
    pub(super) fn refuse(&mut self, name: &'static str, why: impl Into<String>) {
        if self.wrong(name).is_none() {
            self.wrong.push((name, why.into()));
        }
    }

    /// Reads a field; `None`, and what is wrong is kept, where that cannot be done.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let read = read(self.text(name));
        read.map_err(|why| self.refuse(name, why)).ok()
    }

    /// The same for a field that may be left empty.
    pub(super) fn read_if_any<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match self.text(name) {
            "" => Some(None),
            _ => self.read(name, read).map(Some),
        }
    }

    /// Reads a whole number within bounds.
    pub(super) fn number(&mut self, name: &'static str, bounds: &RangeInclusive<u32>) -> Option<u32> {
        self.read(name, |text| {
            let number = text.parse().ok().filter(|number| bounds.contains(number));
            number.ok_or_else(|| {
                let (least, most) = (bounds.start(), bounds.end());
                format!("{text:?} is no whole number from {least} to {most}")
            })
        })
    }
}

/// The words of a text, however they are set apart.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || letter == ',')
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_kept_beside_what_was_written() {
        let mut form = Written::fresh([("count", " 7 ".to_owned()), ("percent", "many".to_owned())]);
        assert_eq!(form.number("count", &(1..=9)), Some(7));
        assert_eq!(form.number("percent", &(1..=100)), None);
        assert_eq!(form.number("none", &(1..=100)), None);
        assert_eq!(
            form.read_if_any("none", |_| Err::<(), _>("read".to_owned())),
            Some(None)
        );
        form.refuse("percent", "said later");
        assert_eq!(form.text("percent"), "many");
        assert_eq!(
            form.wrong("percent"),
            Some("\"many\" is no whole number from 1 to 100")
        );
        assert_eq!(form.wrong("count"), None);
        let wrong: Vec<&str> = form.all_wrong().iter().map(|(name, _)| *name).collect();
        assert_eq!(wrong, ["percent", "none"]);
    }

    #[test]
    fn numbers_are_within_their_bounds() {
        for wrong in ["0", "10", "-1", "1.5", "1e1", "", "99999999999999999999"] {
            let mut form = Written::fresh([("count", wrong.to_owned())]);
            assert_eq!(form.number("count", &(1..=9)), None, "{wrong}");
        }
    }
}
