//! `abx results --archive s3://…`: what the objects of a bucket say, and what is wrong with a bucket.

use crate::mount::Mount;
use crate::program::{Place, until};
use crate::results::{SHOP, counted, told, traffic};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::thread;

/// An answer of the bucket to a request for an object.
#[derive(Debug, Clone)]
enum Answer {
    Bytes(Vec<u8>),
    /// An object that became larger after it was listed.
    Grown(Vec<u8>),
    /// A status and a code of S3.
    Refusal(u16, &'static str),
    /// Half of the bytes, and then a closed connection, so many times; then all of them.
    Broken(u32, Vec<u8>),
}

/// A server that has one bucket `shop`, which it lists two objects at a time.
struct Bucket {
    endpoint: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By key, in its order.
    objects: Vec<(String, Answer)>,
    /// The refusal of every list.
    refusal: Option<(u16, &'static str, &'static str)>,
    asked: Vec<String>,
}

impl Bucket {
    fn of(objects: Vec<(String, Answer)>) -> Self {
        let mut objects = objects;
        objects.sort_by(|left, right| left.0.cmp(&right.0));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { objects, ..State::default() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        Self { endpoint, state }
    }

    fn refusing(status: u16, code: &'static str, headers: &'static str) -> Self {
        let bucket = Self::of(Vec::new());
        bucket.state.lock().unwrap().refusal = Some((status, code, headers));
        bucket
    }

    /// The objects that were fetched.
    fn fetched(&self) -> Vec<String> {
        let asked = &self.state.lock().unwrap().asked;
        let objects = asked.iter().filter(|it| !it.contains("list-type="));
        let mut keys: Vec<String> =
            objects.map(|it| it.split_once('?').map_or(&**it, |(key, _)| key).to_owned()).collect();
        keys.sort();
        keys
    }

    fn run(&self, place: &Place, args: &[&str]) -> Output {
        run_at(&self.endpoint, place, args)
    }

    /// The report, and the exit code.
    fn told(&self, place: &Place, args: &[&str]) -> Value {
        let output = self.run(place, &[args, &["--format", "json"]].concat());
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The error of a command that ends so.
    fn said(&self, place: &Place, archive: &str, exit: i32) -> String {
        let output = self.run(place, &["results", "shop", "--archive", archive]);
        let text = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{text}");
        for debug in ["Error {", "Error(", "Some(", "SdkError"] {
            assert!(!text.contains(debug), "{text}");
        }
        text
    }
}

fn run_at(endpoint: &str, place: &Place, args: &[&str]) -> Output {
    let temporary = place.path().join("temporary");
    fs::create_dir_all(&temporary).unwrap();
    run_with(&temporary, endpoint, place, args)
}

/// With this folder for temporary files, in which nothing is left.
fn run_with(temporary: &Path, endpoint: &str, place: &Place, args: &[&str]) -> Output {
    let mut command = place.command(args);
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "eu-central-1").env("TMPDIR", temporary);
    command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b").env("HOME", place.path());
    let output = command.output().unwrap();
    let left: Vec<_> = fs::read_dir(temporary).unwrap().collect();
    assert!(left.is_empty(), "copies are left: {left:?}");
    output
}

/// Answers one request; `None` where the caller has gone.
fn serve(mut stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let head: Vec<String> =
        reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let target = decoded(head.first()?.split(' ').nth(1)?);
    let mut state = state.lock().unwrap();
    state.asked.push(target.trim_start_matches("/shop/").to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let answer = match path.strip_prefix("/shop/").unwrap_or_default() {
        "" => state.list(query),
        key => state.object(key),
    };
    drop(state);
    let (status, headers, body, sent) = answer;
    let head = format!(
        "HTTP/1.1 {status} Status\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body[..sent]).ok()
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

/// Status, headers, body, and the number of its bytes that are sent.
type Sent = (u16, String, Vec<u8>, usize);

fn whole(status: u16, headers: &str, body: impl Into<Vec<u8>>) -> Sent {
    let body = body.into();
    let length = body.len();
    (status, headers.to_owned(), body, length)
}

fn refusal(status: u16, code: &str, headers: &str) -> Sent {
    let body = format!("<Error><Code>{code}</Code><Message>as it says</Message></Error>");
    whole(status, &format!("content-type: application/xml\r\n{headers}"), body)
}

impl State {
    fn list(&self, query: &str) -> Sent {
        if let Some((status, code, headers)) = self.refusal {
            return refusal(status, code, headers);
        }
        let value = |name: &str| {
            query.split('&').find_map(|it| it.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
        };
        let (prefix, after) = (value("prefix"), value("continuation-token"));
        let most = value("max-keys").parse().unwrap_or(2);
        let found: Vec<_> =
            self.objects.iter().filter(|(key, _)| key.starts_with(prefix) && &**key > after).collect();
        let mut body = String::from("<ListBucketResult><Name>shop</Name>");
        for (key, answer) in found.iter().take(most) {
            let size = match answer {
                Answer::Bytes(bytes) | Answer::Broken(_, bytes) => bytes.len(),
                Answer::Refusal(..) | Answer::Grown(_) => 7,
            };
            let _ = write!(body, "<Contents><Key>{key}</Key><Size>{size}</Size></Contents>");
        }
        let is_cut = found.len() > most;
        let _ = write!(body, "<IsTruncated>{is_cut}</IsTruncated>");
        if let (true, Some((last, _))) = (is_cut, found.get(most - 1)) {
            let _ = write!(body, "<NextContinuationToken>{last}</NextContinuationToken>");
        }
        whole(200, "content-type: application/xml\r\n", body + "</ListBucketResult>")
    }

    fn object(&mut self, key: &str) -> Sent {
        let answer = self.objects.iter_mut().find(|it| it.0 == key).map(|it| &mut it.1);
        match answer {
            None => refusal(404, "NoSuchKey", ""),
            Some(Answer::Bytes(bytes) | Answer::Grown(bytes) | Answer::Broken(0, bytes)) => {
                whole(200, "", bytes.clone())
            }
            Some(Answer::Refusal(status, code)) => refusal(*status, code, ""),
            Some(Answer::Broken(times, bytes)) => {
                *times -= 1;
                (200, String::new(), bytes.clone(), bytes.len() / 2)
            }
        }
    }
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The files of a folder as objects under `events/`, all in gzip but the first.
fn uploaded(folder: &Path) -> Vec<(String, Answer)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let bytes = fs::read(&path).unwrap();
            let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            for (number, lines) in lines.chunks(lines.len().div_ceil(20)).enumerate() {
                let bytes = lines.concat();
                let bytes = if number == 0 { bytes } else { zipped(&bytes) };
                let folder = name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
                found.push((format!("events/{folder}part {number}+é"), Answer::Bytes(bytes)));
            }
        }
    }
    found
}

fn exposure(variant: &str, unit: &str) -> String {
    let it = json!({"type": "exposure", "experiment": "shop", "variant": variant, "unit": unit, "timestamp": "2026-11-01T10:00:00Z"});
    format!("{it}\n")
}

fn shop() -> Place {
    counted(SHOP, &traffic(20))
}

#[test]
fn a_bucket_says_what_its_folder_says() {
    let place = counted(SHOP, &traffic(600));
    let folder = told(&place, &["results", "shop", "--archive"], 1);
    let mut objects = uploaded(&place.path().join("store.sqlite-archive"));
    assert!(objects.len() >= 20, "{objects:?}");
    for (key, answer) in objects.iter_mut().skip(3).take(2) {
        let Answer::Bytes(bytes) = answer.clone() else { panic!("{key}") };
        *answer = Answer::Broken(2, bytes);
    }
    // Neither of another folder that begins so, nor what readers of such folders pass over.
    for other in
        ["events-old/day=2026-01-01/x", "events/_SUCCESS", "events/day=2026-01-01/.x", "events/empty/"]
    {
        objects.push((other.to_owned(), Answer::Bytes(b"no event".to_vec())));
    }
    let bucket = Bucket::of(objects);
    for archive in ["s3://shop/events/", "s3://shop/events"] {
        let mut found = bucket.told(&place, &["results", "shop", "--archive", archive]);
        assert_eq!(found["source"], "archive s3://shop/events/");
        found["source"] = folder["source"].clone();
        assert!(found["archive"]["files"].as_u64() >= Some(20), "{}", found["archive"]);
        found["archive"]["files"] = folder["archive"]["files"].clone();
        assert_eq!(found, folder);
    }
}

#[test]
fn findings_name_the_object() {
    let place = shop();
    let lines = format!("{}{{nothing\n{}", exposure("a", "u"), exposure("b", "v"));
    let bucket = Bucket::of(vec![
        ("events/day=2026-11-01/x.gz".to_owned(), Answer::Bytes(zipped(lines.as_bytes()))),
        ("events/day=2026-11-01/notes.txt".to_owned(), Answer::Bytes(b"remember the milk".to_vec())),
    ]);
    let report = bucket.told(&place, &["results", "shop", "--archive", "s3://shop/events/"]);
    assert_eq!(report["units"], 2);
    let bad: Vec<&str> =
        report["archive"]["bad"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(bad[0].starts_with("s3://shop/events/day=2026-11-01/notes.txt:1: "), "{bad:?}");
    assert!(bad[1].starts_with("s3://shop/events/day=2026-11-01/x.gz:2: "), "{bad:?}");
    let one = bucket.told(&place, &["results", "shop", "--archive", "s3://shop/events/day=2026-11-01/x.gz"]);
    assert_eq!((&one["units"], &one["archive"]["files"]), (&json!(2), &json!(1)));
}

#[test]
fn only_the_days_that_may_hold_earlier_events_are_fetched() {
    let place = shop();
    let object = |day: &str, unit: &str| {
        (format!("events/day={day}/x"), Answer::Bytes(exposure("a", unit).into_bytes()))
    };
    let bucket = Bucket::of(vec![
        object("2026-11-01", "u"),
        object("2026-11-09", "v"),
        object("2026-11-10", "w"),
        object("soon", "x"),
    ]);
    let args = ["results", "shop", "--archive", "s3://shop/events/", "--until", "2026-11-02T12:00:00Z"];
    assert_eq!(bucket.told(&place, &args)["units"], 3);
    let fetched = bucket.fetched();
    assert_eq!(
        fetched,
        ["events/day=2026-11-01/x", "events/day=2026-11-09/x", "events/day=soon/x"],
        "an event arrives within 7 days"
    );
    let bucket = Bucket::of(vec![object("2026-11-10", "w")]);
    let output = bucket.run(&place, &args);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("s3://shop/events/ has no objects up to day=2026-11-09"), "{text}");
    assert!(bucket.fetched().is_empty());
}

#[test]
fn what_is_wrong_with_a_bucket_is_said() {
    let place = shop();
    for (status, code, headers, exit, words) in [
        (404, "NoSuchBucket", "", 2, &["bucket shop in eu-central-1: ", "does not exist", "`aws s3 ls`"][..]),
        (403, "AccessDenied", "", 3, &["bucket shop", "access denied", "`s3:ListBucket`", "`analyst`"]),
        (
            301,
            "PermanentRedirect",
            "x-amz-bucket-region: us-west-2\r\n",
            2,
            &["bucket shop is in us-west-2", "AWS_REGION=us-west-2"],
        ),
        (403, "ExpiredToken", "", 2, &["the AWS credentials have expired", "sign in"]),
        (503, "SlowDown", "", 3, &["bucket shop", "throttled", "again"]),
    ] {
        let text = Bucket::refusing(status, code, headers).said(&place, "s3://shop/events/", exit);
        assert!(words.iter().all(|it| text.contains(it)), "{code}: {text}");
    }
    let fine = || ("events/day=2026-11-01/a".to_owned(), Answer::Bytes(exposure("a", "u").into_bytes()));
    for (answer, exit, words) in [
        (
            Answer::Refusal(404, "NoSuchKey"),
            2,
            &["does not exist", "removed after the bucket was listed"][..],
        ),
        (Answer::Refusal(403, "AccessDenied"), 3, &["access denied", "`s3:GetObject`", "kms:Decrypt"]),
        (Answer::Refusal(403, "InvalidObjectState"), 2, &["restore-object"]),
        (Answer::Broken(9, vec![b' '; 4000]), 3, &["the connection broke 3 times", "check the network"]),
    ] {
        let bucket = Bucket::of(vec![fine(), ("events/day=2026-11-01/b".to_owned(), answer)]);
        let text = bucket.said(&place, "s3://shop/events/", exit);
        assert!(text.contains("s3://shop/events/day=2026-11-01/b"), "{text}");
        assert!(words.iter().all(|it| text.contains(it)), "{text}");
    }
    let bucket = Bucket::of(vec![fine()]);
    for (archive, text) in [
        ("s3://shop/event/", "s3://shop/event/ has no objects"),
        ("s3://shop/event", "s3://shop/event/ has no objects"),
        ("s3://", "write s3://BUCKET/PREFIX/"),
    ] {
        let said = bucket.said(&place, archive, 2);
        assert!(said.contains(text), "{archive}: {said}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output =
        run_at(&format!("http://{closed}"), &place, &["results", "shop", "--archive", "s3://shop/events/"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("bucket shop in eu-central-1") && text.contains("AWS_ENDPOINT_URL"), "{text}");
}

/// Before anything is fetched where the list says so, and else when it happens.
#[test]
fn a_full_disk_is_said() {
    let Some(mount) = Mount::by(&[&["-t", "tmpfs", "-o", "size=256k", "tmpfs"]]) else {
        return eprintln!("no file system can be mounted here: nothing is tested");
    };
    let place = shop();
    let large = vec![b'\n'; 1 << 20];
    for (answer, words, is_asked) in [
        (Answer::Bytes(large.clone()), "free, and the objects have 1.00 MiB", false),
        (Answer::Grown(large), "the disk is full", true),
    ] {
        let bucket = Bucket::of(vec![("events/x".to_owned(), answer)]);
        let args = ["results", "shop", "--archive", "s3://shop/events/"];
        let output = run_with(mount.path(), &bucket.endpoint, &place, &args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains(words) && text.contains("TMPDIR"), "{text}");
        assert_eq!(!bucket.fetched().is_empty(), is_asked, "{text}");
    }
}

/// Events may tell of persons: copies do not stay behind.
#[test]
fn copies_are_removed_when_the_command_is_interrupted() {
    let place = shop();
    // It never sends all of the object.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().map(Result::unwrap) {
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            let body =
                "<ListBucketResult><Contents><Key>events/x</Key><Size>9</Size></Contents></ListBucketResult>";
            let answer = if line.contains("list-type") {
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234".to_owned()
            };
            stream.write_all(answer.as_bytes()).unwrap();
            open.push(stream);
        }
    });
    let temporary = place.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut command = place.command(&["results", "shop", "--archive", "s3://shop/events/"]);
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "eu-central-1").env("TMPDIR", &temporary);
    command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    let mut child = command.spawn().unwrap();
    let copy = || {
        fs::read_dir(&temporary)
            .unwrap()
            .map(Result::unwrap)
            .find_map(|it| fs::read(it.path().join("0")).ok())
    };
    until("a part is fetched", || copy().filter(|bytes| bytes == b"1234"));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(until("it ends", || child.try_wait().unwrap()).code(), Some(130));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}
