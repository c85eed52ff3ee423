//! Findings as SARIF 2.1.0, which GitHub code scanning and many editors load.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use super::{RepositoryNames, in_words};
use crate::source::{FilePlace, LocatedFinding};
use abx_core::finding::{Code, Severity};
use serde::Serialize;
use std::fmt::Write as _;

/// One run, with the rules that found something.
#[must_use]
pub fn sarif(findings: &[LocatedFinding]) -> impl Serialize {
    let is_used = |code: &&Code| findings.iter().any(|it| it.code == **code);
    let codes: Vec<Code> = Code::ALL.iter().filter(is_used).copied().collect();
    let names = RepositoryNames::of(findings);
    let results = findings.iter().map(|it| SarifResult::of(it, &codes, &names)).collect();
    let rules = codes.iter().map(|code| SarifRule::of(*code)).collect();
    let driver = SarifDriver { name: "abx", semantic_version: env!("CARGO_PKG_VERSION"), rules };
    let run = SarifRun { tool: SarifTool { driver }, column_kind: "unicodeCodePoints", results };
    SarifLog { schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [run] }
}

// The names of these are those of the standard.

#[derive(Serialize)]
struct SarifLog {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [SarifRun; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifRun {
    tool: SarifTool,
    column_kind: &'static str,
    results: Vec<SarifResult>,
}

#[derive(Serialize)]
struct SarifTool {
    driver: SarifDriver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifDriver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<SarifRule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifRule {
    id: Code,
    name: Code,
    short_description: Message,
    full_description: Message,
    help: Help,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
struct Configuration {
    level: Severity,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: Code,
    rule_index: Option<usize>,
    /// `error` and `warning` are words of the standard, too.
    level: Severity,
    message: Message,
    locations: [Location; 1],
    related_locations: Vec<Location>,
}

#[derive(Serialize)]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    #[serde(rename = "physicalLocation")]
    physical: Physical,
    #[serde(rename = "logicalLocations", skip_serializing_if = "Vec::is_empty")]
    logical: Vec<Logical>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    fully_qualified_name: String,
}

impl SarifRule {
    fn of(code: Code) -> Self {
        let (summary, explanation) = (code.summary(), code.explanation());
        Self {
            id: code,
            name: code,
            short_description: Message { text: summary.to_owned() },
            full_description: Message { text: explanation.to_owned() },
            help: Help {
                text: format!("{summary} {explanation}"),
                markdown: format!("**{summary}**\n\n{explanation}"),
            },
            default_configuration: Configuration { level: code.severity() },
        }
    }
}

impl SarifResult {
    fn of(finding: &LocatedFinding, codes: &[Code], names: &RepositoryNames<'_>) -> Self {
        let mut location = Location::of(&finding.place, names);
        if !finding.path.is_root() {
            location.logical.push(Logical { fully_qualified_name: finding.path.to_string() });
        }
        let related = finding.related.iter().enumerate().map(|(index, it)| {
            let message = Some(Message { text: it.message.clone() });
            Location { id: Some(index + 1), message, ..Location::of(&it.place, names) }
        });
        Self {
            rule_id: finding.code,
            rule_index: codes.iter().position(|code| *code == finding.code),
            level: finding.severity,
            message: Message { text: in_words(finding) },
            locations: [location],
            related_locations: related.collect(),
        }
    }
}

impl Location {
    fn of(place: &FilePlace, names: &RepositoryNames<'_>) -> Self {
        let region = Region {
            start_line: place.line,
            start_column: place.column,
            end_line: place.end_line,
            end_column: place.end_column,
        };
        let physical = Physical { artifact_location: Artifact { uri: uri(names.get(&place.file)) }, region };
        Self { id: None, physical, logical: Vec::new(), message: None }
    }
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
        let references = [
            ("./a b/ü.yaml", "a%20b/%C3%BC.yaml"),
            ("/x/y:1.yaml", "file:///x/y%3A1.yaml"),
            ("C:/x.yaml", "file:///C:/x.yaml"),
            ("<stdin>", "%3Cstdin%3E"),
        ];
        assert_eq!(references.map(|(path, _)| uri(path)), references.map(|(_, reference)| reference));
    }
}
