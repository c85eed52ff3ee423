//! Rendering of findings: for people, and for programs that show them.
//!
//! Every format is made from the same values, [`LocatedFinding`] findings.

mod github;
mod human;
mod junit;
mod sarif;

use crate::source::LocatedFinding;
use std::collections::HashMap;
use std::path::Path;

pub use github::github;
pub use human::human;
pub use junit::junit;
pub use sarif::sarif;

/// Renders the problem, the way to fix it and related places as lines of plain text.
#[must_use]
pub fn in_words(finding: &LocatedFinding) -> String {
    let help = finding.help.as_ref().map(|help| format!("\nhelp: {help}"));
    let related = finding.related.iter().map(|it| {
        let place = &it.place;
        format!("\n{}:{}:{}: {}", place.file, place.line, place.column, it.message)
    });
    finding.message.clone() + &help.into_iter().chain(related).collect::<String>()
}

/// The names that files have in their repositories, by those that they were given.
struct RepositoryNames<'f>(HashMap<&'f str, String>);

impl<'f> RepositoryNames<'f> {
    fn of(findings: &'f [LocatedFinding]) -> Self {
        let places = findings
            .iter()
            .flat_map(|it| std::iter::once(&it.place).chain(it.related.iter().map(|it| &it.place)));
        let mut names = HashMap::new();
        for place in places {
            names.entry(place.file.as_str()).or_insert_with(|| in_repository(&place.file));
        }
        Self(names)
    }

    fn get<'n>(&'n self, file: &'n str) -> &'n str {
        self.0.get(file).map_or(file, String::as_str)
    }
}

/// The path of a file from the root of the git work tree that it is in, as those know it who look at the repository;
/// elsewhere as given.
fn in_repository(file: &str) -> String {
    let inside = || {
        let path = Path::new(file).canonicalize().ok()?;
        let root = path.ancestors().skip(1).find(|folder| folder.join(".git").exists())?;
        path.strip_prefix(root).ok().map(|path| path.display().to_string().replace('\\', "/"))
    };
    inside().unwrap_or_else(|| file.to_owned())
}

#[cfg(test)]
mod tests {
    use super::in_repository;
    use std::fs;

    #[test]
    fn paths_are_those_of_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path).display().to_string();
        for inside in ["repo/.git", "repo/docs/deep", "repo/module/a", "elsewhere"] {
            fs::create_dir_all(at(inside)).unwrap();
        }
        // A work tree that is added, and a submodule, have a file there.
        fs::write(at("repo/module/.git"), "gitdir: ../.git/modules/module").unwrap();
        for file in ["repo/docs/deep/a.yaml", "repo/module/a/b.yaml", "elsewhere/c.yaml", "repo/d.yaml"] {
            fs::write(at(file), "").unwrap();
        }
        assert_eq!(in_repository(&at("repo/docs/deep/a.yaml")), "docs/deep/a.yaml");
        assert_eq!(in_repository(&at("repo/docs/../docs/deep/a.yaml")), "docs/deep/a.yaml");
        assert_eq!(in_repository(&at("repo/module/a/b.yaml")), "a/b.yaml");
        assert_eq!(in_repository(&at("repo/d.yaml")), "d.yaml");
        assert_eq!(in_repository(&at("elsewhere/c.yaml")), at("elsewhere/c.yaml"));
        assert_eq!(in_repository("<stdin>"), "<stdin>");
        assert_eq!(in_repository("no/such/file.yaml"), "no/such/file.yaml");
    }
}
