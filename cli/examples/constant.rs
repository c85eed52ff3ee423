//! The baseline of `e2e/load/run`: a bare axum handler that answers a constant JSON, as long as an assignment.
#![expect(clippy::print_stderr, reason = "it tells its address as `abx dev` does")]

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use std::io;
use tokio::net::TcpListener;

const ASSIGNMENT: &str = r#"{"user_id":"user_1","experiment_key":"checkout_redesign","variant":"control","in_experiment":true,"reason":"pinned","persisted":true,"epoch":1,"revision":1,"assignment_id":"0192f0c1-3c2e-7e1a-9c55-6f1c2a3e4d5b","assigned_at":"2026-11-24T12:00:00Z"}"#;

fn main() -> io::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        eprintln!("http://{}", listener.local_addr()?);
        let answer = || async { ([(CONTENT_TYPE, "application/json")], ASSIGNMENT) };
        axum::serve(listener, Router::new().fallback(get(answer))).await
    })
}
