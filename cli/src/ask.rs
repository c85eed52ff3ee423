//! Questions to a person. Nobody is asked where no terminal is, or where a program reads the report.

use crate::error::Error;
use crate::render::{printable, progress};
use crate::report::{Format, FormatArg};
use std::io::{self, BufRead, IsTerminal as _, Write};

/// True if a person can be asked: the question is seen, and the answer is typed.
#[must_use]
pub fn is_possible(format: FormatArg) -> bool {
    let is_for_person = format.format == Format::Human && !progress::is_hidden();
    is_for_person && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Shows a text where questions are asked.
pub fn show(text: &str) {
    let _ = write!(anstream::stderr(), "{text}");
}

/// Asks for a text; an empty answer is the default.
pub fn text(question: &str, default: &str) -> Result<String, Error> {
    answer(&mut io::stdin().lock(), &mut anstream::stderr(), question, default)
}

/// Asks for a yes, which an empty answer is. The end of the input is none.
pub fn yes(question: &str) -> Result<bool, Error> {
    confirmed(&mut io::stdin().lock(), &mut anstream::stderr(), question)
}

fn answer(
    input: &mut impl BufRead,
    output: &mut impl Write,
    question: &str,
    default: &str,
) -> Result<String, Error> {
    let shown = if default.is_empty() { String::new() } else { format!(" [{}]", printable(default)) };
    let line = line(input, output, &format!("{question}{shown}: "))?;
    let line = line.ok_or_else(|| Error::caller("the input ended before every question was answered"))?;
    Ok(if line.is_empty() { default.to_owned() } else { line })
}

fn confirmed(input: &mut impl BufRead, output: &mut impl Write, question: &str) -> Result<bool, Error> {
    loop {
        let Some(line) = line(input, output, &format!("{question} [Y/n] "))? else { return Ok(false) };
        match line.to_ascii_lowercase().as_str() {
            "" | "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => {}
        }
    }
}

/// A line without spaces around it; `None` at the end of the input.
fn line(input: &mut impl BufRead, output: &mut impl Write, question: &str) -> Result<Option<String>, Error> {
    let failed = |error: io::Error| Error::world("the terminal").because(error);
    write!(output, "{question}").and_then(|()| output.flush()).map_err(failed)?;
    let mut line = String::new();
    let length = input.read_line(&mut line).map_err(failed)?;
    Ok((length > 0).then(|| line.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_answer_is_the_default_and_the_end_is_no_answer() {
        let mut seen = Vec::new();
        let mut asked = |typed: &str| answer(&mut typed.as_bytes(), &mut seen, "Unit", "user_id").ok();
        assert_eq!(asked("\n").as_deref(), Some("user_id"));
        assert_eq!(asked(" account_id \n").as_deref(), Some("account_id"));
        assert_eq!(asked(""), None);
        assert!(seen.starts_with(b"Unit [user_id]: "));
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_asked_again() {
        let said = |typed: &str| confirmed(&mut typed.as_bytes(), &mut Vec::new(), "Write?").unwrap();
        assert!(said("\n") && said("y\n") && said("maybe\nYES\n"));
        assert!(!said("n\n") && !said("") && !said("what\nNo\n") && !said("what\n"));
    }
}
