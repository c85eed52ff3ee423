//! The YAML files of a git revision, through the program `git`, so that whatever names a commit there does here.

use super::files::is_document;
use super::yaml::MAX_BYTES;
use crate::error::Error;
use jiff::Timestamp;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

/// A file or folder of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitPlace {
    /// Whatever `git` takes for a commit: a branch, a tag, `HEAD~3`, a hash.
    pub revision: String,
    /// From the top of the repository; from `folder`, where it starts with `./` or `../`.
    pub path: String,
    /// The folder in which `git` is run; empty is the current folder.
    pub folder: PathBuf,
    /// The name for a person, for example `main:experiments`.
    pub name: String,
}

impl fmt::Display for GitPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl GitPlace {
    /// A text as `main:experiments`; `None` where there is no colon. A colon in braces is part of the revision, as in
    /// `main@{2026-03-01 09:00}`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut depth = 0_i32;
        let colon = text.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            *c == ':' && depth <= 0
        });
        let (revision, path) = text.split_at(colon?.0);
        let path = match path.strip_prefix(':')?.trim_end_matches('/') {
            // Without the slash git would look for a file of this name.
            dots @ ("." | "..") => format!("{dots}/"),
            path => path.to_owned(),
        };
        let (revision, name) = (revision.to_owned(), text.trim_end_matches('/').to_owned());
        Some(Self { revision, path, folder: PathBuf::new(), name })
    }

    /// True if `git` takes a text for a commit, in the present folder. Whatever keeps `git` from an answer is no commit.
    #[must_use]
    pub fn is_revision(text: &str) -> bool {
        let place = Self {
            revision: text.to_owned(),
            path: String::new(),
            folder: PathBuf::new(),
            name: text.to_owned(),
        };
        !text.starts_with('-') && place.commit().is_ok()
    }

    /// The content of a path of this machine in a revision, of the repository that the path is in.
    #[must_use]
    pub fn of_path(revision: &str, path: &Path) -> Self {
        let written = path.display().to_string().replace('\\', "/");
        let name = format!("{revision}:{}", written.trim_end_matches('/'));
        let file_and_folder = path.file_name().zip(path.parent()).filter(|_| path.is_file());
        let (folder, path) = match file_and_folder {
            Some((name, folder)) => (folder, format!("./{}", name.to_string_lossy())),
            None if path.is_dir() => (path, "./".to_owned()),
            // It may have been there then.
            None => (Path::new(""), format!("./{written}")),
        };
        Self { revision: revision.to_owned(), path, folder: folder.to_owned(), name }
    }

    /// The files, each with its place and bytes, in the order of their names. Of a file that is larger than any
    /// document no more is kept than is needed to know that.
    pub fn read(&self) -> Result<Vec<(Self, Vec<u8>)>, Error> {
        let commit = self.commit()?;
        let object = self.object(&commit)?;
        let kind = text(&self.git(&["cat-file", "-t", &object])?.stdout);
        // The commit stands for the revision, which may move to another one before the next look.
        let pinned = Self { revision: commit, ..self.clone() };
        let found = if kind == "blob" {
            vec![(pinned, object)]
        } else {
            let listed = self.git(&["ls-tree", "-r", "-z", "--full-tree", &object])?;
            let files = listed.stdout.split(|byte| *byte == 0).filter_map(entry);
            let file = |(path, found): (&str, TreeEntry<'_>)| {
                let object = match found {
                    TreeEntry::File(object) => object.to_owned(),
                    TreeEntry::Link => self.follow(&object, path)?,
                };
                Ok((pinned.inside(path), object))
            };
            files.map(file).collect::<Result<_, Error>>()?
        };
        if found.is_empty() {
            return Err(Error::caller(format!("{self}: no .yaml or .yml file in this folder")));
        }
        let (places, objects): (Vec<Self>, Vec<String>) = found.into_iter().unzip();
        Ok(places.into_iter().zip(self.contents(&objects, MAX_BYTES)?).collect())
    }

    /// The bytes of this file, which another one names, cut where they are more than a limit.
    pub(super) fn read_named(&self, limit: usize) -> Result<Vec<u8>, Error> {
        let commit = self.commit()?;
        let (folder, file) = self.path.rfind('/').map_or(("", &*self.path), |at| self.path.split_at(at + 1));
        let missing = || Error::caller(format!("there is no {self}"));
        let tree = self.resolve(&format!("{commit}:{folder}"))?.ok_or_else(missing)?;
        let listed = self.git(&["ls-tree", "-z", "--full-tree", &tree, "--", file])?;
        let listed = text(listed.stdout.split(|byte| *byte == 0).next().unwrap_or_default());
        let about: Vec<&str> = listed.split(['\t', ' ']).take(3).collect();
        match about[..] {
            ["120000", ..] => Err(Error::caller(format!("{self} is a link"))),
            [_, "blob", object] => {
                let contents = self.contents(&[object.to_owned()], limit)?;
                contents.into_iter().next().ok_or_else(missing)
            }
            [_, _, _] => Err(Error::caller(format!("{self} is not a file"))),
            _ => Err(missing()),
        }
    }

    /// The object that a link in a folder leads to. What it stands for would be left out where it leads to nothing.
    fn follow(&self, folder: &str, path: &str) -> Result<String, Error> {
        let mut command =
            self.command(&["cat-file", "--batch-check=%(objecttype) %(objectname)", "--follow-symlinks"]);
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(unstartable)?;
        let written = child.stdin.take().map(|mut stdin| writeln!(stdin, "{folder}:{path}"));
        let broken = |error: io::Error| Error::world(format!("{self}: git cat-file")).because(error);
        written.transpose().map_err(broken)?;
        let answer = text(&child.wait_with_output().map_err(broken)?.stdout);
        // A link that cannot be followed has an answer of two lines, `dangling SIZE` and the path.
        match answer.strip_prefix("blob ") {
            Some(object) if !object.contains('\n') => Ok(object.to_owned()),
            _ => {
                let link = self.inside(path);
                Err(Error::caller(format!("{link}: this link leads to no file of {self}"))
                    .help("name the folder that holds both, or the file that it leads to"))
            }
        }
    }

    /// A file in this folder.
    fn inside(&self, path: &str) -> Self {
        let joined = |folder: &str| {
            let separator = if folder.is_empty() || folder.ends_with(['/', ':']) { "" } else { "/" };
            format!("{folder}{separator}{path}")
        };
        Self { path: joined(&self.path), name: joined(&self.name), ..self.clone() }
    }

    /// The time of its commit.
    pub fn committed_at(&self) -> Result<Timestamp, Error> {
        let commit = self.commit()?;
        let shown = self.git(&["show", "--no-patch", "--format=%cI", &commit])?;
        text(&shown.stdout).parse().map_err(|error| Error::world(format!("{self}: git show")).because(error))
    }

    fn commit(&self) -> Result<String, Error> {
        // What starts with `-` would be an option of git's.
        if self.revision.is_empty() || self.revision.starts_with('-') {
            return Err(Error::caller(format!("{self}: no revision stands before the colon"))
                .help("write a branch, tag or commit, as main:experiments"));
        }
        let peeled = format!("{}^{{commit}}", self.revision);
        self.resolve(&peeled)?.ok_or_else(|| {
            Error::caller(format!("{self}: there is no git revision {:?}", self.revision)).help(
                "`git branch --all`, `git tag` and `git log` list them; a clone of a CI server may lack them: fetch first",
            )
        })
    }

    fn object(&self, commit: &str) -> Result<String, Error> {
        self.resolve(&format!("{commit}:{}", self.path))?.ok_or_else(|| {
            let error = Error::caller(format!("{self}: there was no such file or folder in this revision"));
            error.help(
                "paths are those from the top of the repository; start one with ./ for the present folder",
            )
        })
    }

    /// The hash of what a text names; `None` of nothing.
    fn resolve(&self, name: &str) -> Result<Option<String>, Error> {
        let output = self.run(&["rev-parse", "--verify", "--quiet", name])?;
        if output.status.success() {
            return Ok(Some(text(&output.stdout)));
        }
        let complaint = text(&output.stderr);
        // It is quiet about what it does not know, but for a path. Whatever else it says is in the way of finding out.
        let is_unknown = ["does not exist in", "exists on disk, but not in"];
        if complaint.is_empty() || is_unknown.iter().any(|it| complaint.contains(it)) {
            return Ok(None);
        }
        Err(self.refused(&complaint))
    }

    /// The bytes of blobs, by one process for all of them.
    fn contents(&self, objects: &[String], limit: usize) -> Result<Vec<Vec<u8>>, Error> {
        let mut command = self.command(&["cat-file", "--batch", "--buffer"]);
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(unstartable)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let wanted: String = objects.iter().flat_map(|object| [object.as_str(), "\n"]).collect();
        // Written from a thread: with full pipes at both ends each side would wait for the other.
        let read = thread::scope(|scope| {
            // A process that ends early is noticed by the reader.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(wanted.as_bytes())));
            let mut reader = BufReader::new(stdout.ok_or_else(|| io::Error::other("no output"))?);
            objects.iter().map(|_| blob(&mut reader, limit)).collect::<io::Result<Vec<_>>>()
        });
        let ended = child.wait_with_output();
        let broken = |error: io::Error| Error::world(format!("{self}: git cat-file")).because(error);
        let complaint = text(&ended.map_err(broken)?.stderr);
        // What git said is nearer to the cause than that its answer ended early.
        read.map_err(|error| if complaint.is_empty() { broken(error) } else { self.refused(&complaint) })
    }

    fn git(&self, arguments: &[&str]) -> Result<Output, Error> {
        let output = self.run(arguments)?;
        if output.status.success() { Ok(output) } else { Err(self.refused(&text(&output.stderr))) }
    }

    /// The message of git, with its advice if it has one.
    fn refused(&self, complaint: &str) -> Error {
        let lines = complaint.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<&str> = lines
            .map(|line| {
                line.trim_start_matches("fatal: ").trim_start_matches("error: ").trim_start_matches("hint: ")
            })
            .collect();
        let why = if lines.is_empty() { "it does not say why".to_owned() } else { lines.join("\n  ") };
        let error = Error::caller(format!("{self}: git: {why}"));
        match lines.iter().find(|line| line.starts_with("git ")) {
            Some(command) => error.help(format!("`{command}`, or name files instead of a git revision")),
            None => error.help("a git revision is read in a repository: run it there, or name files"),
        }
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, Error> {
        self.command(arguments).output().map_err(unstartable)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        if !self.folder.as_os_str().is_empty() {
            command.arg("-C").arg(&self.folder);
        }
        // What git complains about is read, so it is asked to complain in English.
        command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn unstartable(error: io::Error) -> Error {
    let kind = error.kind();
    let world = Error::world("git cannot be run").because(error);
    if kind == io::ErrorKind::NotFound {
        return world.help("install git, or name files instead of a git revision");
    }
    world
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// An entry of a folder.
enum TreeEntry<'a> {
    /// A file, by its object.
    File(&'a str),
    /// A link, whose object is the path that it leads to.
    Link,
}

/// The path and entry of a line of `git ls-tree`, `MODE blob OBJECT<TAB>PATH`, if it is what a folder would be searched for.
fn entry(line: &[u8]) -> Option<(&str, TreeEntry<'_>)> {
    let line = std::str::from_utf8(line).ok()?;
    let (about, path) = line.split_once('\t')?;
    let (mode, object) = about.split_once(" blob ")?;
    let entry = if mode == "120000" { TreeEntry::Link } else { TreeEntry::File(object) };
    is_document(Path::new(path)).then_some((path, entry))
}

/// Reads one answer of `git cat-file --batch`: `OBJECT blob SIZE`, a line end, the bytes, a line end.
fn blob(reader: &mut impl BufRead, limit: usize) -> io::Result<Vec<u8>> {
    let mut head = String::new();
    reader.read_line(&mut head)?;
    let size = head.trim_end().rsplit(' ').next().and_then(|size| size.parse().ok());
    let size: u64 = size.ok_or_else(|| io::Error::other(format!("unexpected answer {head:?}")))?;
    let mut bytes = Vec::new();
    let kept = reader.take(size.min(limit as u64 + 1)).read_to_end(&mut bytes)?;
    let rest = size + 1 - kept as u64;
    if io::copy(&mut reader.take(rest), &mut io::sink())? < rest {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A repository with a commit, a tag on it, and a second commit.
    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(folder.path()).args(["-c", "user.name=a", "-c", "user.email=a@b.example"]);
            let output = command.args(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        };
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        git(&["init", "-q", "-b", "main"]);
        write("docs/b.yaml", "flag: b\nenabled: true\n");
        write("docs/deep/a é.yml", "flag: a\nenabled: true\n");
        write("docs/.hidden/c.yaml", "no document");
        write("empty/readme.md", "no document");
        write("other/large.yaml", &"x".repeat(2 * MAX_BYTES));
        git(&["add", "."]);
        git(&["commit", "-qm", "first"]);
        git(&["tag", "v1"]);
        write("docs/b.yaml", "flag: b\nenabled: false\n");
        git(&["commit", "-qam", "second"]);
        folder
    }

    fn read(folder: &Path, place: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let place = GitPlace { folder: folder.to_owned(), ..GitPlace::parse(place).expect("a colon") };
        let files = place.read().map_err(|error| error.to_string())?;
        Ok(files.into_iter().map(|(place, bytes)| (place.name, bytes)).collect())
    }

    fn names(folder: &Path, place: &str) -> Vec<String> {
        read(folder, place).expect("it is there").into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_files_of_a_commit_are_read_as_a_folder_is() {
        let folder = repository();
        let found = ["v1:docs/b.yaml", "v1:docs/deep/a é.yml"];
        assert_eq!(names(folder.path(), "v1:docs/"), found);
        assert_eq!(names(folder.path(), "HEAD~1:docs/b.yaml"), ["HEAD~1:docs/b.yaml"]);
        let deep = folder.path().join("docs/deep");
        assert_eq!(names(&deep, "v1:docs").len(), 2, "from the top, wherever one stands");
        assert_eq!(names(&deep, "v1:../b.yaml"), ["v1:../b.yaml"]);
        assert_eq!(names(&deep, "v1:./"), ["v1:./a é.yml"], "from where one stands");
        let enabled = |place: &str| text(&read(folder.path(), place).unwrap()[0].1);
        assert_eq!(enabled("v1:docs/b.yaml"), "flag: b\nenabled: true");
        assert_eq!(enabled("main:docs/b.yaml"), "flag: b\nenabled: false");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_as_in_a_folder_and_one_to_nothing_is_an_error() {
        use std::os::unix::fs::symlink;
        let folder = repository();
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(folder.path()).args(["-c", "user.name=a", "-c", "user.email=a@b.example"]);
            assert!(command.args(arguments).output().unwrap().status.success(), "{arguments:?}");
        };
        let at = |path: &str| folder.path().join(path);
        symlink("b.yaml", at("docs/link.yaml")).unwrap();
        git(&["add", "."]);
        git(&["commit", "-qm", "third"]);
        let files = read(folder.path(), "main:docs").unwrap();
        let linked = files.iter().find(|(name, _)| name == "main:docs/link.yaml").unwrap();
        assert_eq!(text(&linked.1), "flag: b\nenabled: false");
        for (to, from) in
            [("gone.yaml", "main:docs"), ("../other/large.yaml", "main:docs"), ("link.yaml", "main:")]
        {
            fs::remove_file(at("docs/link.yaml")).unwrap();
            symlink(to, at("docs/link.yaml")).unwrap();
            git(&["commit", "-qam", "another"]);
            let error = read(folder.path(), from).unwrap_err();
            let link = format!("{}docs/link.yaml: this link leads to no file of", &from[..5]);
            assert!(error.starts_with(&link), "{to}: {error}");
        }
        let whole = {
            fs::remove_file(at("docs/link.yaml")).unwrap();
            symlink("../other/large.yaml", at("docs/link.yaml")).unwrap();
            git(&["commit", "-qam", "last"]);
            names(folder.path(), "main:")
        };
        assert!(whole.contains(&"main:docs/link.yaml".to_owned()), "inside of what is named: {whole:?}");
    }

    #[test]
    fn of_a_large_file_the_start_is_kept_and_the_next_is_read_whole() {
        let folder = repository();
        let files = read(folder.path(), "main:").unwrap();
        let sizes: Vec<_> = files.iter().map(|(name, bytes)| (&**name, bytes.len())).collect();
        let large = ("main:other/large.yaml", MAX_BYTES + 1);
        assert_eq!(sizes, [("main:docs/b.yaml", 23), ("main:docs/deep/a é.yml", 22), large]);
    }

    #[test]
    fn a_path_of_this_machine_is_found_in_its_repository() {
        let folder = repository();
        let at = |path: &str| GitPlace::of_path("v1", &folder.path().join(path));
        assert_eq!(at("docs").read().unwrap().len(), 2);
        assert!(at("docs/b.yaml").read().unwrap()[0].0.name.ends_with("/docs/b.yaml"));
        assert_eq!(GitPlace::of_path("v1", Path::new("gone")).path, "./gone");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let folder = repository();
        let error = |place: &str| read(folder.path(), place).unwrap_err();
        assert!(error("nowhere:docs").starts_with("nowhere:docs: there is no git revision \"nowhere\""));
        assert!(error("v1:dogs").starts_with("v1:dogs: there was no such file or folder"));
        assert!(error("v1:empty").contains("no .yaml or .yml file"));
        assert!(error(":docs").contains("no revision stands before the colon"));
        assert!(error("--help:docs").contains("no revision stands before the colon"));
        let elsewhere = tempfile::tempdir().unwrap();
        let error = read(elsewhere.path(), "main:docs").unwrap_err();
        assert!(error.contains("not a git repository"), "{error}");
    }

    #[test]
    fn colons_in_braces_belong_to_the_revision() {
        let parsed = |text: &str| GitPlace::parse(text).map(|it| (it.revision, it.path));
        let pair = |revision: &str, path: &str| Some((revision.to_owned(), path.to_owned()));
        assert_eq!(parsed("main@{1 day ago 09:00}:a/b:c.yaml"), pair("main@{1 day ago 09:00}", "a/b:c.yaml"));
        assert_eq!(parsed("HEAD^{/fix: it}:docs/"), pair("HEAD^{/fix: it}", "docs"));
        assert_eq!(parsed("experiments"), None);
    }
}
