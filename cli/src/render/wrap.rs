//! Sentences in lines of 80 columns.

/// The width that reports fit in.
const COLUMNS: usize = 80;

/// A text in lines that begin with `indent`, each with a line feed at its end. A word that is longer than a line has one of its own.
#[must_use]
pub fn wrapped(indent: &str, text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// The same where parts in backticks are commands or lines to paste, each of which stays whole.
#[must_use]
pub fn wrapped_around_code(indent: &str, text: &str) -> String {
    // No text has this character, which is no space.
    let glue =
        |(index, part): (usize, &str)| if index % 2 == 1 { part.replace(' ', "\0") } else { part.to_owned() };
    let glued: Vec<String> = text.split('`').enumerate().map(glue).collect();
    wrapped(indent, &glued.join("`")).replace('\0', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        let long = "w".repeat(90);
        let text = format!("one {long} {}", "two ".repeat(40));
        let lines: Vec<String> = wrapped("  ", &text).lines().map(str::to_owned).collect();
        assert_eq!(lines[..2], ["  one".to_owned(), format!("  {long}")]);
        assert!(lines[2..].iter().all(|line| line.starts_with("  two") && line.len() <= 80));
        assert_eq!(wrapped("", " "), "");
        let text = wrapped_around_code("  ", &format!("{} `abx a b` c", "w ".repeat(38)));
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [format!("  {}", "w ".repeat(38).trim_end()), "  `abx a b` c".to_owned()]
        );
    }
}
