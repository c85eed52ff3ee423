//! Implementations of the [`ports`](crate::ports).
//!
//! | module | what it is |
//! |---|---|
//! | [`aws`] | DynamoDB and Kinesis, with budgets that fit into a request |
//! | [`embedded`] | one `SQLite` file; no server and no account: the default of every local command |
//! | [`keys`] | rows, counters and marks as the texts that both keep them under |

#[cfg(feature = "aws")]
pub mod aws;
pub mod embedded;
pub mod keys;

use crate::ports::TransactionLimits;
use abx_core::event::Limits;

/// The limits of a transaction of DynamoDB: 100 actions of at most 4 MB, of which each update has at most 300 operators. The embedded
/// store has no such limits and keeps to them, so that what is rehearsed here is committed as the deployed function commits it.
pub const TRANSACTION_LIMITS: TransactionLimits = TransactionLimits {
    // Beside the head, its entry in the log, in which an id has 8 bytes, and the row of unknown events.
    commit: Limits { rows: 97, counters: 250, ids: 5_000, items: usize::MAX },
    // Beside the row of unknown events.
    redrive: Limits { rows: 69, counters: 250, ids: 5_000, items: 30 },
};

#[cfg(test)]
mod tests {
    use crate::catalog::decode;
    use crate::ports::{PortError, chain};
    use std::error::Error as _;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    /// The lines of an adapter that lose the cause of an error: that drop it, or keep its text alone.
    fn losing(text: &str) -> Vec<&str> {
        let product = text.split("#[cfg(test)]").next().unwrap();
        let is_losing = |line: &&str| {
            let is_text = ["error.to_string()", "{error}"].iter().any(|it| line.contains(it));
            line.contains("map_err(|_|") || line.contains(".parse().ok()") || is_text
        };
        product.lines().map(str::trim).filter(|line| !line.starts_with("//")).filter(is_losing).collect()
    }

    #[test]
    fn no_adapter_loses_the_cause_of_an_error() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files: Vec<_> = ["adapters", "ports"].iter().flat_map(|it| sources(&root.join(it))).collect();
        assert!(files.len() > 30, "{}", files.len());
        for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "rs")) {
            let text = fs::read_to_string(file).unwrap();
            // The text of a chain is made in one place.
            let found: Vec<_> =
                losing(&text).into_iter().filter(|it| *it != "let mut text = error.to_string();").collect();
            assert_eq!(found, [""; 0], "{}", file.display());
        }
        for line in [
            r#"at.map_err(|_| unreadable("at", "a time"))?"#,
            r#"Err(PortError::permanent(format!("the folder: {error}")))"#,
            "let why = failed.map_err(|error| error.to_string());",
        ] {
            assert_eq!(losing(line), [line], "the rule can fail");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let error = decode(b"this is not compressed").unwrap_err();
        assert!(error.source().unwrap().is::<std::io::Error>());
        let error = PortError::permanent(error).at("revision 7");
        assert_eq!(chain(&error), "revision 7: the revision cannot be read: invalid gzip header");
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "this is a letter, and not a store of anything: it goes on for a while")
            .unwrap();
        let error = super::embedded::EmbeddedStore::open(file.path()).unwrap_err();
        assert!(error.find::<rusqlite::Error>().is_some(), "{error}");
    }
}
