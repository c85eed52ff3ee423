//! Text in XML.

/// Text between tags.
#[must_use]
pub fn escape_text(text: &str) -> String {
    // XML 1.0 has no way to write other control characters, nor these two.
    let is_writable = |c: char| {
        matches!(c, '\t' | '\n' | '\r') || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
    };
    let text: String = text.chars().map(|c| if is_writable(c) { c } else { '\u{fffd}' }).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}

/// Text in an attribute, where a reader would turn line ends and tabs into spaces.
#[must_use]
pub fn escape(text: &str) -> String {
    escape_text(text).replace('"', "&quot;").replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_escaped_or_replaced() {
        assert_eq!(escape("<a b=\"&\">\n\u{1b}]]>"), "&lt;a b=&quot;&amp;&quot;&gt;&#10;\u{fffd}]]&gt;");
    }
}
