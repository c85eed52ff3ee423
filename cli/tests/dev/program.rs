//! The program, over documents and a store of its own.

use crate::http::{Answer, send};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The time limit, on a busy machine, of steps that otherwise take a moment.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder with `docs/` and a store.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// With these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path().join("docs")).unwrap();
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    /// With the documents of this repository.
    pub(crate) fn of_the_repository() -> Self {
        let place = Self::with(&[]);
        for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments")).unwrap() {
            let file = file.unwrap();
            if file.path().is_dir() {
                // The other folder holds tests, which are not served.
                if file.file_name() == "overrides" {
                    fs::create_dir(place.document("overrides")).unwrap();
                    for named in fs::read_dir(file.path()).unwrap().map(Result::unwrap) {
                        fs::copy(named.path(), place.document("overrides").join(named.file_name())).unwrap();
                    }
                }
                continue;
            }
            fs::copy(file.path(), place.document(file.file_name().to_str().unwrap())).unwrap();
        }
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("store.sqlite")
    }

    pub(crate) fn document(&self, name: &str) -> PathBuf {
        self.path().join("docs").join(name)
    }

    /// Saves a document as editors do: another file takes its place.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let new = self.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.document(name)).unwrap();
    }

    /// `abx` with arguments in this folder, over its store.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
        command.current_dir(self.path()).args(args).args(["--store", "store.sqlite"]).env("USER", "ana");
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The report of a command that must end with 0.
    pub(crate) fn report(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--format", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn serve(&self) -> Dev {
        self.serve_with(&[])
    }

    /// Starts `abx dev`, and waits until it serves.
    pub(crate) fn serve_with(&self, args: &[&str]) -> Dev {
        let mut command = self.command(&["dev", "docs", "--port", "0"]);
        command.args(args);
        Self::started(command)
    }

    /// Starts `abx dev` over another store.
    pub(crate) fn serve_over(&self, store: &str) -> Dev {
        let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
        command.current_dir(self.path()).args(["dev", "docs", "--port", "0", "--store", store]);
        Self::started(command)
    }

    fn started(mut command: Command) -> Dev {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, heard) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&said));
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                heard.lock().unwrap().extend([&line, "\n"]);
            }
        });
        let address = until("`abx dev` serves", || {
            let said = said.lock().unwrap();
            let rest = said.lines().find_map(|line| line.strip_prefix("http://"))?;
            rest.split_whitespace().next()?.parse().ok()
        });
        Dev { child, address, said }
    }
}

/// A running `abx dev`, which is killed if it is dropped.
pub(crate) struct Dev {
    child: Child,
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
}

impl Dev {
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The text that it wrote to stderr so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        send(self.address, &format!("GET {path}"), &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.address, &format!("POST {path}"), &[], body.to_string().as_bytes())
    }

    pub(crate) fn post_raw(&self, path: &str, body: &str) -> Answer {
        send(self.address, &format!("POST {path}"), &[], body.as_bytes())
    }

    /// The number of the revision that serves.
    pub(crate) fn revision(&self) -> u64 {
        self.get("/health").ok()["revision"].as_u64().unwrap()
    }

    /// Waits until a revision serves.
    pub(crate) fn until_revision(&self, number: u64) {
        until(&format!("revision {number} serves"), || (self.revision() == number).then_some(()));
    }

    /// Sends a signal; how the program ended, if it did by itself.
    pub(crate) fn end(&mut self, signal: &str) -> Option<i32> {
        let kill = format!("kill -{signal} {}", self.child.id());
        // The shell's own `kill`: not every machine has the program.
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        until("it ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("abx dev said:\n{}", self.said());
        }
    }
}

/// Asks until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "still not so: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
