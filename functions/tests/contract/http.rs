//! A small HTTP server for tests, which answers as it is told, or not at all.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The answer to a request.
pub(crate) enum Answer {
    /// Nothing, ever; the connection stays open.
    Silence,
    /// A status and a JSON body.
    Json(u16, String),
    /// A 200 after this many milliseconds.
    Late(u64, String),
    /// A 200 whose connection ends in the middle of the body.
    Cut(String),
}

/// Serves in the background; each request's body goes to `answer`. Returns the endpoint.
pub(crate) async fn serve(answer: impl Fn(&[u8]) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move { converse(stream, &*answer).await });
        }
    });
    endpoint
}

async fn converse(mut stream: TcpStream, answer: &(impl Fn(&[u8]) -> Answer + Sync)) -> Option<()> {
    let mut unread = Vec::new();
    loop {
        let request = message(&mut stream, &mut unread).await?;
        match answer(request.body()) {
            Answer::Silence => std::future::pending().await,
            Answer::Json(status, json) => respond(&mut stream, status, json.len(), &json).await?,
            Answer::Late(milliseconds, json) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                respond(&mut stream, 200, json.len(), &json).await?;
            }
            Answer::Cut(json) => return respond(&mut stream, 200, json.len(), &json[..json.len() / 2]).await,
        }
    }
}

pub(crate) async fn respond(stream: &mut TcpStream, status: u16, length: usize, body: &str) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).await.ok()
}

/// A request or an answer, as it came over the wire.
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    body: usize,
}

impl Message {
    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }

    /// A line of the head, without what stands before its colon.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.bytes[..self.body]).to_lowercase();
        head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
    }
}

/// The next message; `None` at the end of the connection.
pub(crate) async fn message(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Message> {
    loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            let mut message = Message { bytes: std::mem::take(unread), body: end + 4 };
            let length = message.header("content-length");
            let whole = message.body + length.map_or(0, |length| length.parse::<usize>().unwrap());
            while message.bytes.len() < whole {
                if stream.read_buf(&mut message.bytes).await.ok()? == 0 {
                    return None;
                }
            }
            *unread = message.bytes.split_off(whole);
            return Some(message);
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
}
