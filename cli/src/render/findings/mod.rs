//! How findings look: to a person, and to the programs that show them.
//!
//! Every format is made from the same values, [`Located`] findings.

mod github;
mod human;
mod junit;
mod sarif;

use crate::source::Located;

pub use github::github;
pub use human::human;
pub use junit::junit;
pub use sarif::sarif;

/// What is wrong, how to mend it, and what else belongs to it, in lines of plain text.
#[must_use]
pub fn in_words(finding: &Located) -> String {
    let help = finding.help.as_ref().map(|help| format!("\nhelp: {help}"));
    let related = finding.related.iter().map(|it| {
        let place = &it.place;
        format!("\n{}:{}:{}: {}", place.file, place.line, place.column, it.message)
    });
    finding.message.clone() + &help.into_iter().chain(related).collect::<String>()
}
