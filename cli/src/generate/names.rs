//! Identifiers out of keys and of names of fields.

use crate::error::Error;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The words of a name: letters and digits of ASCII, divided by anything else and before a capital letter. There is at least one, and
/// it begins with a letter.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last_is_small = false;
    for c in name.chars() {
        let begins = !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && last_is_small);
        last_is_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        if begins && words.last().is_some_and(|it| !it.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    match words.first_mut() {
        None => words.push("field".to_owned()),
        // `n` for number; an underscore would hide the name in Go and Python.
        Some(first) if first.starts_with(|c: char| c.is_ascii_digit()) => first.insert(0, 'n'),
        Some(_) => {}
    }
    words
}

fn capital(word: &str) -> String {
    let mut word = word.to_owned();
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    word
}

/// `CheckoutRedesign`
#[must_use]
pub fn pascal(name: &str) -> String {
    words(name).iter().map(|word| capital(word)).collect()
}

/// `checkoutRedesign`
#[must_use]
pub fn camel(name: &str) -> String {
    let words = words(name);
    let rest = words.iter().skip(1).map(|word| capital(word));
    words.first().cloned().into_iter().chain(rest).collect()
}

/// `checkout_redesign`
#[must_use]
pub fn snake(name: &str) -> String {
    words(name).join("_")
}

/// `CHECKOUT_REDESIGN`
#[must_use]
pub fn shouting(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

/// Identifiers that stand in one scope and must differ.
///
/// Where two are alike, *each* gets a suffix that depends on nothing but what it stands for. If only the second one got a suffix, a new
/// document could take over the name of an old one, and programs would ask for another flag without any error.
#[derive(Debug)]
pub struct Scope {
    reserved: &'static [&'static str],
    /// What it stands for, and the identifier that it would have alone.
    wanted: BTreeMap<String, String>,
}

/// The identifiers of a scope, by what they stand for.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Scope {
    /// A scope in which some identifiers are taken.
    #[must_use]
    pub const fn new(reserved: &'static [&'static str]) -> Self {
        Self { reserved, wanted: BTreeMap::new() }
    }

    /// The identifiers of keys, each by its key.
    pub fn of_keys<'k>(
        reserved: &'static [&'static str],
        keys: impl IntoIterator<Item = &'k str>,
        style: impl Fn(&str) -> String,
    ) -> Result<Names, Error> {
        let mut scope = Self::new(reserved);
        for key in keys {
            scope.want(key, style(key));
        }
        scope.resolve()
    }

    /// Asks for an identifier.
    pub fn want(&mut self, what: impl Into<String>, plain: String) {
        self.wanted.insert(what.into(), plain);
    }

    /// Gives each its identifier. The error, that two suffixes are alike, needs a collision of hashes.
    pub fn resolve(self) -> Result<Names, Error> {
        // Classes of Java are files, and some file systems take `Ab` and `aB` for one.
        let mut alike: BTreeMap<String, usize> = BTreeMap::new();
        for plain in self.wanted.values() {
            *alike.entry(plain.to_ascii_lowercase()).or_default() += 1;
        }
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        let mut names = Names::default();
        for (what, plain) in self.wanted {
            let name = if alike.get(&plain.to_ascii_lowercase()).is_some_and(|count| *count > 1) {
                // No other identifier has two underscores.
                format!("{plain}__{}", suffix(&what))
            } else if self.reserved.contains(&plain.as_str()) {
                format!("{plain}_")
            } else {
                plain
            };
            if let Some(other) = taken.insert(name.clone(), what.clone()) {
                let message = format!("{other} and {what} would have the same name in code, {name}");
                return Err(Error::caller(message).help("rename one of the two"));
            }
            names.0.insert(what, name);
        }
        Ok(names)
    }
}

/// Six digits of a hash.
fn suffix(what: &str) -> String {
    let hash = Sha256::digest(what.as_bytes());
    let [first, second, third, ..]: [u8; 32] = hash.into();
    format!("{first:02x}{second:02x}{third:02x}")
}

impl Names {
    /// The identifier of what was asked for.
    ///
    /// # Panics
    ///
    /// If it was never asked for, which would be a bug.
    #[must_use]
    pub fn get(&self, what: &str) -> &str {
        #[expect(clippy::expect_used, reason = "a language asks for what it uses")]
        self.0.get(what).expect("a name that was asked for")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_written_as_each_language_does() {
        for (name, in_pascal, in_camel, in_snake) in [
            ("checkout_redesign", "CheckoutRedesign", "checkoutRedesign", "checkout_redesign"),
            ("a-b.c", "ABC", "aBC", "a_b_c"),
            ("2fa", "N2fa", "n2fa", "n2fa"),
            ("freeFrom", "FreeFrom", "freeFrom", "free_from"),
            ("HTTPPort2Use", "Httpport2Use", "httpport2Use", "httpport2_use"),
            ("", "Field", "field", "field"),
            ("größe", "GrE", "grE", "gr_e"),
        ] {
            assert_eq!(pascal(name), in_pascal);
            assert_eq!(camel(name), in_camel);
            assert_eq!(snake(name), in_snake);
            assert_eq!(shouting(name), in_snake.to_ascii_uppercase());
        }
    }

    #[test]
    fn keys_that_are_alike_all_have_a_suffix_of_their_own() {
        let names = Scope::of_keys(&["class"], ["a-b", "a_b", "c", "class"], snake).unwrap();
        assert_eq!(names.get("c"), "c");
        assert_eq!(names.get("class"), "class_");
        let (dash, line) = (names.get("a-b"), names.get("a_b"));
        assert!(dash.starts_with("a_b__") && line.starts_with("a_b__") && dash != line, "{dash} {line}");
        let with_more = Scope::of_keys(&[], ["a.b", "a-b", "a_b"], snake).unwrap();
        assert_eq!(with_more.get("a-b"), dash, "another key changes no suffix");
        let only = Scope::of_keys(&[], ["a_b"], snake).unwrap();
        assert_eq!(only.get("a_b"), "a_b");
    }

    fn is_identifier(name: &str) -> bool {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
    }

    const SOME: &[&str] = &["a", "class", "A", "Self"];

    proptest! {
        #[test]
        fn every_identifier_is_valid_and_unique(
            keys in proptest::collection::btree_set("[ab2][ab2._-]{0,4}|class|.{0,6}", 0..40),
        ) {
            for style in [pascal, camel, snake, shouting] {
                let names = Scope::of_keys(SOME, keys.iter().map(String::as_str), style).unwrap();
                let mut seen = BTreeSet::new();
                for key in &keys {
                    let name = names.get(key);
                    prop_assert!(is_identifier(name), "{key:?}: {name}");
                    prop_assert!(!SOME.contains(&name), "{key:?}: {name}");
                    prop_assert!(seen.insert(name.to_ascii_lowercase()), "{key:?}: {name} is there twice");
                }
            }
        }

        /// A program that compiles with some documents asks for no other flag with some more of them.
        #[test]
        fn a_name_never_passes_to_another_key(
            keys in proptest::collection::btree_set("[ab2][ab2._-]{0,4}", 2..20),
            more in proptest::collection::btree_set("[ab2][ab2._-]{0,4}", 0..20),
        ) {
            let before = Scope::of_keys(SOME, keys.iter().map(String::as_str), camel).unwrap();
            let all: BTreeSet<&str> = keys.iter().chain(&more).map(String::as_str).collect();
            let after = Scope::of_keys(SOME, all.iter().copied(), camel).unwrap();
            for (a, b) in keys.iter().flat_map(|a| all.iter().map(move |b| (a, *b))) {
                prop_assert!(a == b || before.get(a) != after.get(b), "{a} was {}, and {b} is now", before.get(a));
            }
        }
    }
}
