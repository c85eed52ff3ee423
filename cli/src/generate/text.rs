//! Comments and literals. Texts of documents are written by people, and must not become code.

use crate::render::{printable, steers};

/// Lines of a text that stay on their lines: all that ends a line in some language, or turns the direction of text, is gone.
#[must_use]
pub fn doc_lines(text: &str) -> Vec<String> {
    let ends_line = |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let lines = text.split(ends_line).map(|line| printable(line.replace('\t', " ").trim()));
    lines.map(|line| line.replace('\u{feff}', "")).filter(|line| !line.is_empty()).collect()
}

/// A literal in double quotes. `escaped` writes characters that a reader would not see, or a compiler would refuse.
#[must_use]
pub fn quoted(text: &str, escaped: impl Fn(char) -> String) -> String {
    let mut literal = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            '\t' => literal.push_str("\\t"),
            c if steers(c) || c == '\u{feff}' => literal.push_str(&escaped(c)),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

/// The escape `\u{feff}`, of TypeScript and Rust.
#[must_use]
pub fn braced(c: char) -> String {
    format!("\\u{{{:x}}}", u32::from(c))
}

/// The escapes `\ufeff` and `\U0001f600`, of Python and Go.
#[must_use]
pub fn long(c: char) -> String {
    match u32::from(c) {
        code @ 0..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

/// Lines behind a sign, as comments of one line.
#[must_use]
pub fn behind(sign: &str, indent: &str, lines: &[String]) -> String {
    lines.iter().map(|line| format!("{indent}{sign} {line}").trim_end().to_owned() + "\n").collect()
}

/// Lines between `/**` and `*/`.
#[must_use]
pub fn block(indent: &str, lines: &[String], escape: impl Fn(&str) -> String) -> String {
    match lines {
        [] => String::new(),
        [line] => format!("{indent}/** {} */\n", escape(line)),
        lines => {
            let lines =
                lines.iter().map(|line| format!("{indent} * {}", escape(line)).trim_end().to_owned() + "\n");
            format!("{indent}/**\n{}{indent} */\n", lines.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_stay_lines(text in any::<String>()) {
            for line in doc_lines(&text) {
                prop_assert!(!line.chars().any(|c| c.is_control() || steers(c)), "{line:?}");
                prop_assert!(!line.is_empty());
            }
        }

        /// `serde_json` knows the same escapes, but for those in braces.
        #[test]
        fn a_literal_is_the_text(text in any::<String>()) {
            let literal = quoted(&text, |c| format!("\\u{:04x}", u32::from(c)));
            prop_assert_eq!(serde_json::from_str::<String>(&literal).ok(), Some(text));
        }
    }

    #[test]
    fn characters_that_nobody_sees_are_escaped() {
        assert_eq!(quoted("\u{feff}\u{202e}\"\\\n", braced), r#""\u{feff}\u{202e}\"\\\n""#);
        assert_eq!(long('\u{202e}'), r"\u202e");
        assert_eq!(long('\u{e0001}'), r"\U000e0001");
        assert_eq!(block("", &["a */ b".to_owned()], |it| it.replace("*/", "*\\/")), "/** a *\\/ b */\n");
    }
}
