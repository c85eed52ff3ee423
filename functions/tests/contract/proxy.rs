//! A proxy between a client and the emulator, which sees, refuses or loses calls.

use crate::http::{Message, message, respond};
use serde_json::Value;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// The treatment of a call.
pub(crate) enum Way {
    /// It goes through.
    Through,
    /// It is done, and the connection dies before the answer.
    Lost,
    /// It is not done, and this is the answer.
    Refused(u16, String),
}

/// A call, as `TransactWriteItems` in lower case, and what it asks.
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) body: Value,
}

/// Stands before an endpoint in the background; each call is shown to `way`. Returns an endpoint of its own.
pub(crate) async fn before(endpoint: &str, way: impl Fn(&Call) -> Way + Send + Sync + 'static) -> String {
    let behind = Arc::new(endpoint.trim_start_matches("http://").to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let way = Arc::new(way);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (behind, way) = (Arc::clone(&behind), Arc::clone(&way));
            tokio::spawn(async move { converse(stream, &behind, &*way).await });
        }
    });
    endpoint
}

async fn converse(mut client: TcpStream, behind: &str, way: &(impl Fn(&Call) -> Way + Sync)) -> Option<()> {
    let mut unread = Vec::new();
    let (mut server, mut unread_answers) = (TcpStream::connect(behind).await.ok()?, Vec::new());
    loop {
        let request = message(&mut client, &mut unread).await?;
        let way = way(&call(&request));
        if let Way::Refused(status, json) = way {
            respond(&mut client, status, json.len(), &json).await?;
            continue;
        }
        server.write_all(&request.bytes).await.ok()?;
        let answer = message(&mut server, &mut unread_answers).await?;
        match way {
            Way::Lost => return None,
            _ => client.write_all(&answer.bytes).await.ok()?,
        }
    }
}

fn call(request: &Message) -> Call {
    let target = request.header("x-amz-target").unwrap();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    Call { operation, body: serde_json::from_slice(request.body()).unwrap() }
}
