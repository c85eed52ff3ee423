//! Findings as SARIF 2.1.0, which GitHub code scanning and many editors load.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use super::in_words;
use crate::source::{FilePlace, Located};
use abx_core::finding::{Code, Severity};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One run, with the rules that found something.
#[must_use]
pub fn sarif(findings: &[Located]) -> Value {
    let is_used = |code: &&Code| findings.iter().any(|it| it.code == **code);
    let codes: Vec<Code> = Code::ALL.iter().filter(is_used).copied().collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "abx",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(rule).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(|it| result(it, &codes)).collect::<Vec<_>>(),
        }],
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn rule(code: &Code) -> Value {
    let text = format!("{} {}", code.summary(), code.explanation());
    json!({
        "id": code,
        "name": code,
        "shortDescription": {"text": code.summary()},
        "fullDescription": {"text": code.explanation()},
        "help": {"text": text, "markdown": format!("**{}**\n\n{}", code.summary(), code.explanation())},
        "defaultConfiguration": {"level": level(code.severity())},
    })
}

fn result(finding: &Located, codes: &[Code]) -> Value {
    let mut location = physical(&finding.place);
    if !finding.path.is_empty() {
        location["logicalLocations"] = json!([{"fullyQualifiedName": finding.path}]);
    }
    let related = finding.related.iter().enumerate().map(|(index, it)| {
        let mut location = physical(&it.place);
        location["id"] = (index + 1).into();
        location["message"] = json!({"text": it.message});
        location
    });
    json!({
        "ruleId": finding.code,
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "level": level(finding.severity),
        "message": {"text": in_words(finding)},
        "locations": [location],
        "relatedLocations": related.collect::<Vec<_>>(),
    })
}

fn physical(place: &FilePlace) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&place.file)},
        "region": {
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
        },
    }})
}

/// A path as a reference: relative ones stay so, because the reader knows the root of the repository.
fn uri(file: &str) -> String {
    let file = file.strip_prefix("./").unwrap_or(file);
    let is_drive = matches!(file.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let mut uri = match (file.starts_with('/'), is_drive) {
        (true, _) => "file://".to_owned(),
        (_, true) => "file:///".to_owned(),
        _ => String::new(),
    };
    for byte in file.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) || (is_drive && byte == b':');
        if is_plain {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("./a b/ü.yaml"), "a%20b/%C3%BC.yaml");
        assert_eq!(uri("/x/y:1.yaml"), "file:///x/y%3A1.yaml");
        assert_eq!(uri("C:/x.yaml"), "file:///C:/x.yaml");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
    }
}
