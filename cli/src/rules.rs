//! Rules about the sources of this crate, as tests that read them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// The imports of a source file of this crate that it must not have. Its path is written as below `src`.
fn forbidden(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let inner = path.strip_prefix("commands/");
    let is_forbidden = |line: &&str| match inner {
        // One level up from `commands/NAME.rs` are the others, and two levels up from `commands/NAME/PART.rs`.
        Some(inner) => {
            let up = if inner.contains('/') { "super::super::" } else { "super::" };
            let named = line.split_once(up).is_some_and(|(_, rest)| {
                modules()
                    .iter()
                    .any(|name| rest.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with("::")))
            });
            let of_bench = line.contains("crate::bench") && inner != "bench.rs";
            named || line.contains("crate::commands") || of_bench
        }
        None => {
            let is_root = matches!(path, "lib.rs" | "main.rs");
            line.contains("crate::commands") || line.contains("crate::bench") && !is_root
        }
    };
    lines.filter(is_forbidden).map(str::to_owned).collect()
}

fn modules() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands");
    let files = sources(&folder).into_iter().filter(|path| path.parent() == Some(&folder));
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn no_command_imports_from_another_and_nothing_else_from_any() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    assert!(files.len() > 100, "{}", files.len());
    for file in files.iter().filter(|file| !file.ends_with("src/rules.rs")) {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
        assert_eq!(forbidden(path, &fs::read_to_string(file).unwrap()), [""; 0], "{path}");
    }
}

#[test]
fn the_rule_about_imports_can_fail() {
    for (path, line) in [
        ("commands/explain.rs", "use super::assign::hinted;"),
        ("commands/explain/since.rs", "use super::super::diff::side;"),
        ("commands/explain/since.rs", "use crate::commands::diff::side;"),
        ("commands/invoke/url.rs", "use crate::bench::http::connector;"),
        ("inputs/source.rs", "use crate::commands::publish::head;"),
        ("suspects.rs", "let tally = crate::bench::tally();"),
    ] {
        assert_eq!(forbidden(path, line), [line], "{path}");
    }
    for (path, line) in [
        ("commands/explain.rs", "use super::Abx;"),
        ("commands/dev/events.rs", "use super::invoke::invoke;"),
        ("commands/explain.rs", "use crate::inputs::DocumentSource;"),
        ("commands/bench.rs", "pub use crate::bench::Args;"),
        ("commands/explain.rs", "//! As crate::commands::assign does."),
    ] {
        assert_eq!(forbidden(path, line), [""; 0], "{path}");
    }
}

/// The errors of a source file whose message holds the text of another error, which is then not kept.
fn losing(text: &str) -> Vec<&str> {
    let messages = ["Error::world(format!(\"", "Error::caller(format!(\""];
    let starts = messages.iter().flat_map(|start| text.match_indices(start));
    let literals = starts.filter_map(|(at, start)| text.get(at + start.len()..)?.split('"').next());
    literals.filter(|literal| literal.contains("{error}")).collect()
}

#[test]
fn no_message_holds_the_text_of_another_error() {
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text: String = fs::read_to_string(&file).unwrap().lines().map(str::trim).collect();
        assert_eq!(losing(&text), [""; 0], "{}: give it to `because`", file.display());
    }
    let line = ["Error::world(format!(", r#""{name}: {error}"))"#].concat();
    assert_eq!(losing(&line), ["{name}: {error}"], "the rule can fail");
}
