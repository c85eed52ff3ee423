//! Makes the tables, for tests and emulators. The CDK app makes the real ones, with the same keys.

use super::error::port_error;
use crate::ports::{PortError, PortResult};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};

/// The names of the tables.
#[derive(Debug, Clone, Copy)]
pub struct TableNames<'a> {
    /// Of [`DynamoCatalog`](super::DynamoCatalog).
    pub catalog: &'a str,
    /// Of [`DynamoAssignments`](super::DynamoAssignments).
    pub assignments: &'a str,
    /// Of [`DynamoMetrics`](super::DynamoMetrics) and [`DynamoQuarantine`](super::DynamoQuarantine).
    pub metrics: &'a str,
    /// Of the marks of [`DynamoMetrics`](super::DynamoMetrics).
    pub marks: &'a str,
}

/// Makes the tables that are not there yet.
pub async fn create_tables(client: &Client, names: TableNames<'_>) -> PortResult<()> {
    create(client, names.catalog, ["pk", "sk"]).await?;
    create(client, names.assignments, ["user_id", "experiment_key"]).await?;
    create(client, names.metrics, ["pk", "sk"]).await?;
    create(client, names.marks, ["unit", "sk"]).await?;
    expire(client, names.assignments).await?;
    expire(client, names.metrics).await?;
    expire(client, names.marks).await
}

async fn create(client: &Client, table: &str, [hash, range]: [&str; 2]) -> PortResult<()> {
    let mut request = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [(hash, KeyType::Hash), (range, KeyType::Range)] {
        let (definition, key) = attribute(name, kind).map_err(PortError::permanent)?;
        request = request.attribute_definitions(definition).key_schema(key);
    }
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => match error.as_service_error() {
            Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
            _ => Err(port_error("CreateTable", error)),
        },
    }
}

fn attribute(name: &str, kind: KeyType) -> Result<(AttributeDefinition, KeySchemaElement), BuildError> {
    let definition = AttributeDefinition::builder().attribute_name(name);
    let definition = definition.attribute_type(ScalarAttributeType::S).build()?;
    Ok((definition, KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?))
}

async fn expire(client: &Client, table: &str) -> PortResult<()> {
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("ttl").build();
    let request = client.update_time_to_live().table_name(table);
    let request = request.time_to_live_specification(ttl.map_err(PortError::permanent)?);
    match request.send().await {
        Ok(_) => Ok(()),
        // Told once is enough: the second time it is refused as already on.
        Err(error) if is_already_on(&error) => Ok(()),
        Err(error) => Err(port_error("UpdateTimeToLive", error)),
    }
}

fn is_already_on(error: &impl aws_sdk_dynamodb::error::ProvideErrorMetadata) -> bool {
    error.message().is_some_and(|message| message.contains("already enabled"))
}
