//! Batches of the stream, one after another.

use crate::events::{NotHandled, Processor};
use crate::ports::{Archive, CatalogStore, MetricStore, Quarantine};
use crate::sources::kinesis;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// Counts batches until the process is told to end. A batch that is cut off by that is delivered again, so nothing has to be
/// waited for. Only what cannot be answered for, record by record, ends in an error of the invocation.
pub async fn run_batches<C, M, A, Q>(
    processor: Arc<Processor<C, M, A, Q>>,
) -> Result<(), lambda_runtime::Error>
where
    C: CatalogStore + 'static,
    M: MetricStore + 'static,
    A: Archive + 'static,
    Q: Quarantine + 'static,
{
    let mut terminate = signal(SignalKind::terminate())?;
    let counting = Arc::clone(&processor);
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let processor = Arc::clone(&counting);
        async move {
            let deadline = Instant::now() + left(event.context.deadline);
            let outcome = kinesis::handle(&processor, event.payload.get().as_bytes(), deadline).await;
            // Nobody tells this process that it will end: it has no extension, and what is not written now may never be.
            processor.telemetry().flush();
            outcome.map(|outcome| outcome.response).map_err(|error: NotHandled| Diagnostic {
                error_type: error.kind().to_owned(),
                error_message: error.to_string(),
            })
        }
    });
    let ended = tokio::select! {
        ended = Box::pin(Runtime::new(handler).run()) => ended,
        _ = terminate.recv() => Ok(()),
    };
    processor.telemetry().flush();
    ended
}

/// Returns the time that an invocation has left, given its deadline in milliseconds since 1970.
fn left(deadline: u64) -> Duration {
    let deadline = UNIX_EPOCH + Duration::from_millis(deadline);
    deadline.duration_since(SystemTime::now()).unwrap_or_default()
}
