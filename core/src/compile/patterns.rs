//! Regular expressions of all documents: equal ones are compiled once, and all of them share one budget.

use crate::document::quote;
use crate::finding::Code;
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;

/// The most memory that one expression may take when compiled, in bytes.
const ONE: usize = 1 << 20;
/// The most memory that all expressions of a catalog may take together. A function of 512 MB holds an old and
/// a new catalog and the memory that searching needs, several times over.
const ALL: usize = 32 << 20;
/// Sizes that are tried, the smallest first: the first that holds an expression is what it is charged, because the crate does not tell
/// how much one takes. An expression that no size holds is charged for all of them, since trying takes as long as compiling.
const SIZES: [usize; 3] = [1 << 14, 1 << 17, ONE];

/// The reason why an expression is refused.
#[derive(Debug, Clone)]
pub(super) struct PatternError {
    pub code: Code,
    pub message: String,
    pub help: &'static str,
}

/// The expressions that are compiled, and what is left of the budget.
#[derive(Debug)]
pub(super) struct Patterns {
    known: HashMap<String, Result<Regex, PatternError>>,
    left: usize,
}

impl Default for Patterns {
    fn default() -> Self {
        Self { known: HashMap::new(), left: ALL }
    }
}

impl Patterns {
    /// Compiles an expression, unless the budget is used up.
    pub(super) fn compile(&mut self, pattern: &str) -> Result<Regex, PatternError> {
        if let Some(known) = self.known.get(pattern) {
            return known.clone();
        }
        if self.left == 0 {
            return Err(PatternError {
                code: Code::RegexBudget,
                message: format!(
                    "{} is one expression too many: those before it take {} MiB when compiled",
                    quote(pattern),
                    ALL >> 20
                ),
                help: "use fewer or smaller expressions: `starts_with`, `contains` and `in` take no memory, and bounded \
                       repetitions such as `{1,500}` take most",
            });
        }
        let compiled = self.try_sizes(pattern);
        self.known.insert(pattern.to_owned(), compiled.clone());
        compiled
    }

    fn try_sizes(&mut self, pattern: &str) -> Result<Regex, PatternError> {
        let mut refused = String::new();
        for size in SIZES {
            match RegexBuilder::new(pattern).size_limit(size).nest_limit(100).build() {
                Ok(regex) => {
                    self.left = self.left.saturating_sub(size);
                    return Ok(regex);
                }
                Err(error @ regex::Error::CompiledTooBig(_)) => {
                    self.left = self.left.saturating_sub(size);
                    refused = error.to_string();
                }
                Err(error) => {
                    refused = error.to_string();
                    break;
                }
            }
        }
        let last = refused.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Err(PatternError {
            code: Code::InvalidRegex,
            message: format!("{} is not a regular expression: {last}", quote(pattern)),
            help: "look-around and back-references are not supported",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_expressions_are_compiled_once() {
        let mut patterns = Patterns::default();
        for _ in 0..10_000 {
            assert!(patterns.compile(r"\w{12}").is_ok());
        }
        assert!(patterns.left >= ALL - 2 * ONE, "{}", patterns.left);
    }

    #[test]
    fn many_large_expressions_use_the_budget_up_and_small_ones_do_not() {
        let mut patterns = Patterns::default();
        let large = |number: usize| patterns_code(patterns.compile(&format!(r"x{number}\w{{12}}")));
        let codes: Vec<_> = (0..400).map(large).collect();
        let refused = codes.iter().filter(|code| **code == Some(Code::RegexBudget)).count();
        assert!(refused > 300 && codes[0].is_none(), "{refused}");
        let mut patterns = Patterns::default();
        assert!((0..1_500).all(|number| patterns.compile(&format!("^shop-{number}-[0-9]+$")).is_ok()));
    }

    #[test]
    fn what_is_too_large_or_wrong_uses_the_budget_up_as_well() {
        let mut patterns = Patterns::default();
        let too_large =
            |number: usize| patterns_code(patterns.compile(&format!("{number}(x{{200}}){{200}}{{200}}")));
        let codes: Vec<_> = (0..1_000).map(too_large).collect();
        assert_eq!(codes[0], Some(Code::InvalidRegex));
        assert!(codes.iter().filter(|code| **code == Some(Code::InvalidRegex)).count() < 40);
        assert_eq!(codes[999], Some(Code::RegexBudget));
        assert_eq!(patterns_code(Patterns::default().compile("(a")), Some(Code::InvalidRegex));
    }

    fn patterns_code(compiled: Result<Regex, PatternError>) -> Option<Code> {
        compiled.err().map(|refusal| refusal.code)
    }
}
