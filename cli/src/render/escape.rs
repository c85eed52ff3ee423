//! Text in formats where some characters have a meaning.

/// The characters of a format, and how each is written so that it has no meaning.
pub type Escapes = [(char, &'static str)];

/// A sentence in Markdown, in a cell of a table too.
pub const MARKDOWN: &Escapes = &[('&', "&amp;"), ('<', "&lt;"), ('|', "\\|"), ('\n', " "), ('\r', " ")];
/// Code in a cell of a table in Markdown.
pub const MARKDOWN_CODE: &Escapes = &[('|', "\\|"), ('\n', " "), ('\r', " ")];
/// The text after `::` of a workflow command of GitHub.
pub const WORKFLOW_DATA: &Escapes = &[('%', "%25"), ('\r', "%0D"), ('\n', "%0A")];
/// A value before it, which ends at a comma or colon.
pub const WORKFLOW_PROPERTY: &Escapes =
    &[('%', "%25"), ('\r', "%0D"), ('\n', "%0A"), (':', "%3A"), (',', "%2C")];
const XML_TEXT: &Escapes = &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('\r', "&#13;")];
/// A reader of attributes would turn line ends and tabs into spaces.
const XML_ATTRIBUTE: &Escapes = &[('"', "&quot;"), ('\n', "&#10;"), ('\t', "&#9;")];

/// A text in a format.
#[must_use]
pub fn escaped(text: &str, format: &Escapes) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match format.iter().find(|(special, _)| *special == c) {
            Some((_, written)) => escaped.push_str(written),
            None => escaped.push(c),
        }
    }
    escaped
}

/// Text between tags of XML.
#[must_use]
pub fn xml_text(text: &str) -> String {
    // XML 1.0 has no way to write other control characters, nor these two.
    let is_writable = |c: char| {
        matches!(c, '\t' | '\n' | '\r') || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
    };
    let text: String = text.chars().map(|c| if is_writable(c) { c } else { '\u{fffd}' }).collect();
    escaped(&text, XML_TEXT)
}

/// Text in an attribute of XML.
#[must_use]
pub fn xml_attribute(text: &str) -> String {
    escaped(&xml_text(text), XML_ATTRIBUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_format_is_escaped() {
        for (format, text, written) in [
            (MARKDOWN, "<img> & | x\r\ny", "&lt;img> &amp; \\| x  y"),
            (MARKDOWN_CODE, "a|b\n&", "a\\|b &"),
            (WORKFLOW_PROPERTY, "a%,b:c\r\nd", "a%25%2Cb%3Ac%0D%0Ad"),
            (WORKFLOW_DATA, "50%, so: yes\n::error::x", "50%25, so: yes%0A::error::x"),
        ] {
            assert_eq!(escaped(text, format), written, "{format:?}");
        }
    }

    #[test]
    fn what_xml_cannot_hold_is_escaped_or_replaced() {
        assert_eq!(
            xml_attribute("<a b=\"&\">\n\u{1b}]]>"),
            "&lt;a b=&quot;&amp;&quot;&gt;&#10;\u{fffd}]]&gt;"
        );
    }
}
