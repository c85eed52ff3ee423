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
    hash.iter().take(3).map(|byte| format!("{byte:02x}")).collect()
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
