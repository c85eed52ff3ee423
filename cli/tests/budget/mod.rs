//! Runs the real command over a file and measures what it used.
#![expect(clippy::expect_used, reason = "a test that cannot run has failed")]

use serde::Deserialize;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use wait4::Wait4 as _;

/// What is not linear takes seconds; a debug build beside other tests takes up to half of this.
const CPU: Duration = Duration::from_millis(100);
/// The memory that a file may take, beyond that of the program itself, which grows with its code.
/// A child's peak is counted from that of its parent on, because it starts as a copy of it. So nothing large
/// may be held here: large files are written piece by piece, and of reports only the places are read.
const MEMORY: u64 = 16 * 1024 * 1024;

/// The memory of the program over a document of two lines.
fn own_need() -> u64 {
    static NEED: OnceLock<u64> = OnceLock::new();
    *NEED.get_or_init(|| Ran::over(&[], b"flag: f\nenabled: true\n", 1).memory)
}

/// The peak of this process so far, below which nothing is known of a child: the trace of a panic takes hundreds of MiB,
/// and each test after it would fail as well.
fn own_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse::<u64>().ok());
    peak.unwrap_or_default() * 1024
}

/// The result of the command, and the resources that it took.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) output: PathBuf,
    cpu: Duration,
    memory: u64,
}

/// The fields that are read of a JSON report.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) errors: usize,
    pub(crate) findings: Vec<Place>,
}

/// The fields that are read of a finding.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    code: String,
    line: usize,
    column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.code, self.line, self.column)
    }
}

impl Ran {
    /// Runs `abx validate` with these options over a file with these bytes so many times.
    pub(crate) fn over(options: &[&str], bytes: &[u8], times: usize) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bad_input");
        fs::create_dir_all(&folder).expect("a folder for the test");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (input, output) = (folder.join(format!("{number}.yaml")), folder.join(format!("{number}.out")));
        let mut file = BufWriter::new(File::create(&input).expect("the input is made"));
        for _ in 0..times {
            file.write_all(bytes).expect("the input is written");
        }
        drop(file);
        // A busy machine makes every step dearer, so the cheapest of ten runs is the cost of the work.
        let mut ran = Self::once(options, &input, output.clone());
        for _ in 0..9 {
            if ran.cpu >= CPU {
                let again = Self::once(options, &input, output.clone());
                ran.cpu = ran.cpu.min(again.cpu);
            }
        }
        ran
    }

    fn once(options: &[&str], input: &Path, output: PathBuf) -> Self {
        // A file rather than a pipe: nobody has to read while the command runs.
        let stdout = File::create(&output).expect("a file for the output");
        let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
        command.arg("validate").args(options).arg(input).stdout(stdout).stderr(Stdio::inherit());
        let used = command.spawn().expect("the command starts").wait4().expect("the command ends");
        let exit = used.status.code().unwrap_or(-1);
        Self { exit, output, cpu: used.rusage.utime + used.rusage.stime, memory: used.rusage.maxrss }
    }

    /// The JSON report.
    pub(crate) fn report(&self) -> Report {
        let output = BufReader::new(File::open(&self.output).expect("the output is there"));
        serde_json::from_reader(output).expect("a JSON report")
    }

    /// Whatever is written in a file, looking at it costs little.
    #[expect(clippy::print_stdout, reason = "shown with --nocapture")]
    pub(crate) fn assert_cheap(&self, name: &str) {
        println!("{name}: {:?}, {} KiB", self.cpu, self.memory / 1024);
        assert!(self.cpu < CPU, "{name}: {:?} of CPU", self.cpu);
        let limit = (own_need() + MEMORY).max(own_peak());
        assert!(self.memory <= limit, "{name}: {} KiB of memory", self.memory / 1024);
    }
}
