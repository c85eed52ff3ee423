//! Faults of a text that are found before its values are interpreted.

use abx_core::finding::Code;
use std::ops::Range;

/// A fault of a text that is not YAML, or not the subset of YAML that documents use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    /// The code of the fault's finding.
    pub code: Code,
    /// The problem, in a sentence.
    pub message: String,
    /// The byte range in the text.
    pub span: Range<usize>,
    /// The way to fix it.
    pub help: Option<String>,
    /// An earlier place that it is about.
    pub related: Option<(Range<usize>, String)>,
}

impl SourceFault {
    pub(super) fn new(code: Code, span: Range<usize>, message: impl Into<String>, help: &str) -> Self {
        Self { code, message: message.into(), span, help: Some(help.to_owned()), related: None }
    }
}
