//! Prerequisites: flags that exist, variants that they have, and no circles.

use super::{FlagCompiler, variant_keys};
use crate::compile::chains::{self, ChainError, LARGEST, LONGEST};
use crate::compile::names::{Names, unknown};
use crate::document::Document;
use crate::finding::{Code, Findings, Path};

/// Notes flags that are their own prerequisite, and chains of prerequisites that are too long. A flag that only
/// needs such a one stays, and serves its default because the other is left out.
pub(super) fn check_chains(documents: &[Option<Document>], names: &Names<'_>, findings: &mut Findings) {
    let named_by = |document: &Option<Document>| match document {
        Some(Document::Flag(flag)) => {
            flag.prerequisites.iter().filter_map(|it| names.flags.get(it.flag.as_str()).copied()).collect()
        }
        _ => Vec::new(),
    };
    let named: Vec<Vec<usize>> = documents.iter().map(named_by).collect();
    for (index, fault) in chains::sort(&named, &vec![1; named.len()]).faults {
        let Some(Some(Document::Flag(written))) = documents.get(index) else { continue };
        let key = &*written.flag;
        let (message, help) = match fault {
            ChainError::Circle => {
                (format!("`{key}` requires itself"), "drop one of the prerequisites on the circle")
            }
            ChainError::Long => {
                let message = format!("more than {LONGEST} prerequisites follow one another below `{key}`");
                (message, "name the last one directly")
            }
            ChainError::Large => {
                let message =
                    format!("`{key}` evaluates more than {LARGEST} flags through its prerequisites");
                (message, "remove prerequisites that others already require")
            }
        };
        findings.turn_to(index);
        findings.add(Code::PrerequisiteCycle, "prerequisites", message).help(help);
    }
}

impl FlagCompiler<'_> {
    pub(super) fn check_prerequisites(&mut self) {
        for (at, prerequisite) in self.written.prerequisites.iter().enumerate() {
            let path = Path::of("prerequisites").index(at);
            let index = self.names.flags.get(prerequisite.flag.as_str()).copied();
            let found = index.and_then(|index| Some((index, self.documents.get(index)?.as_ref()?)));
            let Some((index, Document::Flag(other))) = found else {
                if !self.names.incomplete {
                    let known = self.names.flags.keys().copied();
                    let path = path.field("flag");
                    unknown(Code::UnknownFlag, "flag", &prerequisite.flag, known, &path, self.findings);
                }
                continue;
            };
            let keys = variant_keys(other);
            // Variants that could not be read are the other document's mistake, and must not cost this one.
            let readable = !self.findings.is_broken_in(index, "variants");
            if readable && !keys.contains(&&*prerequisite.variant) {
                let kind = format!("variant of the flag `{}`:", prerequisite.flag);
                let path = path.field("variant");
                unknown(Code::UnknownVariant, &kind, &prerequisite.variant, keys, &path, self.findings);
            }
        }
    }
}
