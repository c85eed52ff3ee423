//! A deployed event function.

use crate::aws::aws_config_for;
use crate::aws::lambda::refused;
use crate::error::Error;
use abx_functions::events::BatchResponse;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;

/// A function that counts what it is sent.
pub(super) struct DeployedFunction {
    name: String,
    client: Client,
    /// Its region, or the endpoint of an emulator.
    region: String,
}

impl DeployedFunction {
    pub(super) async fn open(name: &str, endpoint: Option<&str>) -> Result<Self, Error> {
        let config = aws_config_for(&format!("function {name}"), endpoint).await?;
        let region = endpoint.map(str::to_owned).or_else(|| config.region().map(ToString::to_string));
        Ok(Self { name: name.to_owned(), client: Client::new(&config), region: region.unwrap_or_default() })
    }

    /// Its name among all places that events are replayed to.
    pub(super) fn place(&self) -> String {
        format!("{} at {}", self.name, self.region)
    }

    /// Has it count the payload of an invocation.
    pub(super) async fn count(&self, payload: &[u8]) -> Result<BatchResponse, Error> {
        let name = &self.name;
        let call = self.client.invoke().function_name(name).payload(Blob::new(payload));
        let output = Box::pin(call.send()).await.map_err(|error| refused(&self.client, name, error))?;
        let answer = output.payload().map(AsRef::as_ref).unwrap_or_default();
        if let Some(kind) = output.function_error() {
            return Err(Error::world(format!("{name} failed ({kind}): {}", String::from_utf8_lossy(answer))));
        }
        serde_json::from_slice(answer).map_err(|_| {
            Error::caller(format!(
                "{name} does not answer as an event function does: {}",
                String::from_utf8_lossy(answer)
            ))
        })
    }
}
