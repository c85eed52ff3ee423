//! DynamoDB items, and the conditional write that everything here is made of.

use super::error::{Resource, ResourceKind, port_error};
use crate::ports::{BoxError, PortError, PortResult};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use std::collections::HashMap;
use std::str::FromStr;

pub(super) type DynamoItem = HashMap<String, AttributeValue>;

/// A table as errors name it.
pub(super) fn table(client: &Client, name: &str) -> Resource {
    Resource::new(ResourceKind::Table, name, client.config().region())
}

/// The outcome of a conditional write.
pub(super) enum Conditional {
    Done,
    /// The condition did not hold; what is there instead came with the refusal, in the same round trip.
    Refused(Option<DynamoItem>),
}

/// Puts an item under the condition of the request.
pub(super) async fn put_if(put: PutItemFluentBuilder) -> PortResult<Conditional> {
    let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
    match Box::pin(put.return_values_on_condition_check_failure(all_old).send()).await {
        Ok(_) => Ok(Conditional::Done),
        Err(error) => match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                Ok(Conditional::Refused(refused.item().cloned()))
            }
            _ => Err(port_error("PutItem", error)),
        },
    }
}

pub(super) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn n(number: impl ToString + Copy) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// An item with these attributes.
pub(super) fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> DynamoItem {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A string of an item.
pub(super) fn text(item: &DynamoItem, name: &str) -> PortResult<String> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.cloned().ok_or_else(|| unreadable(name, "a string"))
}

/// Parses a string of an item.
pub(super) fn parsed<T>(item: &DynamoItem, name: &str, what: &str) -> PortResult<T>
where
    T: FromStr<Err: Into<BoxError>>,
{
    text(item, name)?.parse().map_err(|error| misread(name, what, error))
}

/// A number of an item.
pub(super) fn number<T>(item: &DynamoItem, name: &str) -> PortResult<T>
where
    T: FromStr<Err: Into<BoxError>>,
{
    let value = item.get(name).and_then(|value| value.as_n().ok());
    let digits = value.ok_or_else(|| unreadable(name, "a number"))?;
    digits.parse().map_err(|error| misread(name, "a number in range", error))
}

/// The bytes of an item.
pub(super) fn bytes<'a>(item: &'a DynamoItem, name: &str) -> PortResult<&'a [u8]> {
    let value = item.get(name).and_then(|value| value.as_b().ok());
    value.map(Blob::as_ref).ok_or_else(|| unreadable(name, "binary"))
}

/// The error of an item that lacks something, or has another type of it.
pub(super) fn unreadable(name: &str, expected: &str) -> PortError {
    PortError::permanent(format!("a stored item cannot be read: `{name}` is missing, or is not {expected}"))
}

/// The error of an item whose text means nothing.
pub(super) fn misread(name: &str, expected: &str, cause: impl Into<BoxError>) -> PortError {
    PortError::permanent(cause).at(format!("a stored item cannot be read: `{name}` is not {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::ParseIntError;

    #[test]
    fn a_number_that_cannot_be_read_says_why() {
        let item = item([("at", AttributeValue::N("seven".to_owned()))]);
        let error = number::<i64>(&item, "at").unwrap_err();
        assert!(error.find::<ParseIntError>().is_some());
        let said =
            "a stored item cannot be read: `at` is not a number in range: invalid digit found in string";
        assert_eq!(error.to_string(), said);
    }
}
