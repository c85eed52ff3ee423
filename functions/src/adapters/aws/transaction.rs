//! A transaction of DynamoDB, with conditions.

use super::backoff::{ROUNDS, pause};
use super::error::{is_about_content, port_error};
use crate::ports::{PortError, PortResult};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};

/// The outcome of a transaction.
pub(super) enum TransactionOutcome {
    /// All of it is written.
    Done,
    /// A condition did not hold; nothing is written.
    Refused,
}

/// Why nothing was written.
enum Canceled {
    Refused,
    /// Another transaction has an item, or the table has too much to do: the SDK does not try again by itself.
    Busy(PortError),
    Never(PortError),
}

/// Writes all or nothing.
pub(super) async fn transact(
    client: &Client,
    actions: Vec<TransactWriteItem>,
) -> PortResult<TransactionOutcome> {
    let mut round = 1;
    loop {
        let request = client.transact_write_items().set_transact_items(Some(actions.clone()));
        let Err(error) = Box::pin(request.send()).await else { return Ok(TransactionOutcome::Done) };
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error()
        else {
            return Err(port_error("TransactWriteItems", error));
        };
        match judge(canceled.cancellation_reasons()) {
            Canceled::Refused => return Ok(TransactionOutcome::Refused),
            Canceled::Busy(error) if round == ROUNDS => return Err(error),
            Canceled::Busy(_) => pause(round).await,
            Canceled::Never(error) => return Err(error),
        }
        round += 1;
    }
}

/// Reasons come in the order of the actions; `None` is the code of an action that was well.
fn judge(reasons: &[CancellationReason]) -> Canceled {
    const REFUSED: &str = "ConditionalCheckFailed";
    let code = |reason: &CancellationReason| reason.code().unwrap_or("None").to_owned();
    if reasons.iter().any(|reason| reason.code() == Some(REFUSED)) {
        return Canceled::Refused;
    }
    let why = |reason: &CancellationReason| {
        let (code, message) = (code(reason), reason.message().unwrap_or("no message"));
        format!("TransactWriteItems: {code}: {message}")
    };
    let is_busy = |reason: &&CancellationReason| {
        matches!(
            reason.code(),
            Some("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
        )
    };
    let is_about_content = |reason: &CancellationReason| {
        is_about_content(reason.code().unwrap_or_default(), reason.message().unwrap_or_default())
    };
    let mut faults = reasons.iter().filter(|reason| code(reason) != "None");
    // What can never be written stays so, however busy the rest is.
    match (faults.clone().find(|reason| !is_busy(reason)), faults.next()) {
        (Some(never), _) if is_about_content(never) => Canceled::Never(PortError::unprocessable(why(never))),
        (Some(never), _) => Canceled::Never(PortError::permanent(why(never))),
        (None, Some(busy)) => Canceled::Busy(PortError::transient(why(busy))),
        (None, None) => Canceled::Busy(PortError::transient("TransactWriteItems: canceled without a reason")),
    }
}
