//! What is wrong in a text before it has a meaning.

use abx_core::finding::Code;
use std::ops::Range;

/// Something in a text that is not YAML, or not the YAML of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of thing.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// Where: bytes of the text.
    pub span: Range<usize>,
    /// How to mend it.
    pub help: Option<String>,
    /// An earlier place that it is about.
    pub related: Option<(Range<usize>, String)>,
}

impl Fault {
    pub(super) fn new(code: Code, span: Range<usize>, message: impl Into<String>, help: &str) -> Self {
        Self { code, message: message.into(), span, help: Some(help.to_owned()), related: None }
    }
}
