//! Sources of documents: files, a git revision, or a published revision.

use super::DOCUMENTS;
use crate::advice::unanswered;
use crate::command::block_on;
use crate::error::Error;
use crate::source::{Corpus, GitPlace};
use crate::stores::{AnyCatalog, StoreArgs};
use abx_functions::catalog::{PublishError, documents_of, head, name};
use abx_functions::ports::CatalogStore as _;
use jiff::Timestamp;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One place that documents are read from.
///
/// | written | what |
/// |---|---|
/// | `experiments/`, `a.yaml`, `-` | folders, files, standard input |
/// | `main:experiments`, `HEAD~3:./a.yaml` | a file or folder of a git commit |
/// | `main`, `HEAD~3` | the folder `experiments` here, as it is in a git commit |
/// | `@12`, `@head` | a published revision of the store or table that the command names |
///
/// An existing file or folder takes precedence over other meanings of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentSource {
    /// A file, a folder, or `-` for standard input.
    Path(PathBuf),
    /// A file or folder of a git commit.
    Git(GitPlace),
    /// A published revision; `None` is the head.
    Published(Option<u64>),
}

impl fmt::Display for DocumentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Git(place) => write!(f, "{place}"),
            Self::Published(None) => f.write_str("@head"),
            Self::Published(Some(revision)) => write!(f, "@{revision}"),
        }
    }
}

impl FromStr for DocumentSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let path = || Self::Path(PathBuf::from(text));
        if Path::new(text).exists() {
            return Ok(path());
        }
        if let Some(place) = GitPlace::parse(text) {
            return Ok(Self::Git(place));
        }
        if let Some(source) = published(text)? {
            return Ok(source);
        }
        let documents = || GitPlace::of_path(text, Path::new(DOCUMENTS));
        Ok(if GitPlace::is_revision(text) { Self::Git(documents()) } else { path() })
    }
}

/// `@12` or `@head`; `None` of what does not start with `@`.
fn published(text: &str) -> Result<Option<DocumentSource>, Error> {
    match text.strip_prefix('@') {
        None => Ok(None),
        Some("head") => Ok(Some(DocumentSource::Published(None))),
        Some(number) => {
            number.parse().map(|number| Some(DocumentSource::Published(Some(number)))).map_err(|_| {
                Error::caller(format!("{text:?} is not a published revision"))
                    .help("write @12, or @head for the one that serves; `abx revisions` lists them")
            })
        }
    }
}

impl DocumentSource {
    /// The sources that a revision alone stands for: a published one, or, for each of some other places, its content in a git
    /// commit.
    pub fn of_revision(text: &str, places: &[Self]) -> Result<Vec<Self>, Error> {
        if let Some(source) = published(text)? {
            return Ok(vec![source]);
        }
        if let Some(place) = GitPlace::parse(text) {
            return Ok(vec![Self::Git(place)]);
        }
        let at = |place: &Self| match place {
            Self::Path(path) if path != Path::new("-") => Ok(Self::Git(GitPlace::of_path(text, path))),
            other => Err(Error::caller(format!(
                "{text:?} is a git revision, and {other} is not a file or folder in it"
            ))
            .help("write the revision with its path, for example main:experiments")),
        };
        places.iter().map(at).collect()
    }

    /// Reads the documents of some places together. `store` is where published revisions are.
    pub fn read(sources: &[Self], store: &StoreArgs) -> Result<Corpus, Error> {
        let mut corpus = Corpus::default();
        // All paths at once, so that a file that two of them name is read once.
        let paths: Vec<PathBuf> = sources.iter().filter_map(Self::path).cloned().collect();
        corpus.add_paths(&paths)?;
        for source in sources {
            match source {
                Self::Path(_) => {}
                Self::Git(place) => corpus.add_git(place)?,
                Self::Published(revision) => add_published(&mut corpus, *revision, store)?,
            }
        }
        Ok(corpus)
    }

    /// The time of the latest of some revisions, at which it was committed or published. Files have no such time, and count as of now.
    pub fn made_at(sources: &[Self], store: &StoreArgs) -> Result<Timestamp, Error> {
        let mut latest = None;
        for source in sources {
            let made_at = match source {
                Self::Path(_) => Timestamp::now(),
                Self::Git(place) => place.committed_at()?,
                Self::Published(revision) => published_at(*revision, store)?,
            };
            latest = latest.max(Some(made_at));
        }
        Ok(latest.unwrap_or_else(Timestamp::now))
    }

    /// The files and folders of sources that are to be watched or written to, which no revision can be.
    pub fn paths(sources: &[Self], done: &str) -> Result<Vec<PathBuf>, Error> {
        let path = |source: &Self| {
            source.path().cloned().ok_or_else(|| {
                Error::caller(format!("{source} is a revision, and only files can be {done}")).help(
                    "name files or folders; `abx pull FOLDER` writes the published documents into files",
                )
            })
        };
        sources.iter().map(path).collect()
    }

    pub(super) fn path(&self) -> Option<&PathBuf> {
        if let Self::Path(path) = self { Some(path) } else { None }
    }
}

/// Adds the documents of a published revision; `None` is the head.
fn add_published(corpus: &mut Corpus, revision: Option<u64>, args: &StoreArgs) -> Result<(), Error> {
    let (number, documents) = in_store(revision, args, async |store, number| {
        Ok((number, documents_of(store, Some(number)).await?))
    })?;
    for document in documents {
        let name = name(&document).unwrap_or_default().replace(' ', "-");
        corpus.add_value(format!("@{number}/{name}"), document);
    }
    Ok(())
}

fn published_at(revision: Option<u64>, args: &StoreArgs) -> Result<Timestamp, Error> {
    in_store(revision, args, async |store, number| {
        let revisions = store.revisions().await.map_err(unanswered)?;
        let found = revisions.into_iter().find(|it| it.revision == number);
        found.map(|it| it.meta.created_at).ok_or_else(|| PublishError::NoRevision(number).into())
    })
}

/// Asks the store about a revision; `None` is the head.
fn in_store<T>(
    revision: Option<u64>,
    args: &StoreArgs,
    ask: impl AsyncFnOnce(&AnyCatalog, u64) -> Result<T, Error>,
) -> Result<T, Error> {
    let nothing = || {
        Error::caller(format!("{}: nothing was ever published", args.name()))
            .help("`abx publish` does; --store and --table name another place")
    };
    block_on(async {
        let store = args.open().await?.catalog();
        let number = match revision {
            Some(number) => number,
            None => head(&store).await?.ok_or_else(nothing)?,
        };
        ask(&store, number).await
    })
}
