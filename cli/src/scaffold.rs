//! New files of a project: the templates of `abx init` and `abx new`, and what they have in common.
//!
//! The templates are files of this repository, below `cli/templates/`, so that they can be read, validated and tested as what they
//! become.

use crate::error::Error;
use abx_core::document::Document;
use schemars::Schema;
use std::fs;
use std::path::{Path, PathBuf};

/// The file of the JSON Schema of documents, which their first lines name.
pub const SCHEMA_FILE: &str = "abx.schema.json";

/// The JSON Schema of documents.
#[must_use]
pub fn document_schema() -> Schema {
    schemars::schema_for!(Document)
}

/// A file of a new project.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Its path in the folder of the project.
    pub path: &'static str,
    /// Its purpose, in some words.
    pub about: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The documents of a new project, in the order in which they are read best.
pub const DOCUMENTS: [Template; 4] = [
    Template {
        path: "experiments/signup_button.yaml",
        about: "an experiment, with its metrics",
        text: include_str!("../templates/init/experiments/signup_button.yaml"),
    },
    Template {
        path: "experiments/new_dashboard.yaml",
        about: "a flag",
        text: include_str!("../templates/init/experiments/new_dashboard.yaml"),
    },
    Template {
        path: "experiments/catalog.yaml",
        about: "a segment and a layer",
        text: include_str!("../templates/init/experiments/catalog.yaml"),
    },
    Template {
        path: "experiments/tests/first.yaml",
        about: "rule tests",
        text: include_str!("../templates/init/experiments/tests/first.yaml"),
    },
];

/// What git does not keep: added to a file that is there.
pub const GITIGNORE: Template = Template {
    path: ".gitignore",
    about: "leaves out the store of `abx dev`",
    text: include_str!("../templates/init/gitignore"),
};

/// A workflow for GitHub Actions.
pub const GITHUB: Template = Template {
    path: ".github/workflows/abx.yml",
    about: "checks each pull request",
    text: include_str!("../templates/init/.github/workflows/abx.yml"),
};

/// A hook for pre-commit: added to a file that is there.
pub const PRE_COMMIT: Template = Template {
    path: ".pre-commit-config.yaml",
    about: "checks each commit",
    text: include_str!("../templates/init/.pre-commit-config.yaml"),
};

/// True if anything has this path, even a link that leads nowhere: nothing may be created there.
#[must_use]
pub fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Refuses a folder that a file stands in the place of, or in the way to.
pub fn check_folder(folder: &Path) -> Result<(), Error> {
    match folder.ancestors().find(|it| !it.as_os_str().is_empty() && is_taken(it)) {
        Some(there) if !there.is_dir() => {
            let message = format!("{} is a file, and not a folder", there.display());
            Err(Error::caller(message).help("name another folder, or move the file away"))
        }
        _ => Ok(()),
    }
}

/// The first line of a document in a folder, which names the schema for editors; empty where no schema is there. `folder` and what is
/// above it are searched up to the top of the git repository.
#[must_use]
pub fn schema_line(folder: &Path) -> String {
    let Some((start, missing)) = existing(folder) else { return String::new() };
    let mut up = "../".repeat(missing);
    for above in start.ancestors() {
        if above.join(SCHEMA_FILE).is_file() {
            return format!("# yaml-language-server: $schema={up}{SCHEMA_FILE}\n#\n");
        }
        if above.join(".git").exists() {
            break;
        }
        up.push_str("../");
    }
    String::new()
}

/// The top folder of the git repository that a folder is in; `None` outside of one, and for a folder that is the top itself.
#[must_use]
pub fn repository_around(folder: &Path) -> Option<PathBuf> {
    let (there, missing) = existing(folder)?;
    let top = there.ancestors().find(|it| it.join(".git").exists())?;
    (top != there || missing > 0).then(|| top.to_owned())
}

/// The part of a path that is there, and the number of folders below it that are not.
fn existing(folder: &Path) -> Option<(PathBuf, usize)> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = std::path::absolute(folder).ok()?;
    let missing = folder.ancestors().take_while(|it| !it.is_dir()).count();
    Some((fs::canonicalize(folder.ancestors().nth(missing)?).ok()?, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_named_by_its_way_from_the_document() {
        let place = tempfile::tempdir().unwrap();
        let line = |folder: &str| schema_line(&place.path().join(folder));
        fs::create_dir_all(place.path().join("a/.git")).unwrap();
        assert_eq!(line("a/b"), "");
        fs::write(place.path().join(SCHEMA_FILE), "{}").unwrap();
        assert_eq!(line("a/b"), "", "it belongs to somebody else");
        fs::write(place.path().join("a").join(SCHEMA_FILE), "{}").unwrap();
        for (folder, expected) in [("a", ""), ("a/b", "../"), ("a/b/c", "../../"), ("a/.git", "../")] {
            let expected = format!("# yaml-language-server: $schema={expected}abx.schema.json\n#\n");
            assert_eq!(line(folder), expected, "{folder}");
        }
    }

    #[test]
    fn a_folder_is_the_top_of_its_repository_or_inside_of_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().canonicalize().unwrap();
        fs::create_dir_all(folder.join("a/.git")).unwrap();
        let around = |it: &str| repository_around(&folder.join(it));
        assert_eq!((around(""), around("a")), (None, None));
        assert_eq!(around("a/b"), Some(folder.join("a")), "one that is not there yet");
    }
}
