//! A deployed event function, which a build without AWS never has.

use crate::error::Error;
use abx_functions::events::BatchResponse;

pub(super) enum DeployedFunction {}

#[expect(clippy::unused_async, reason = "the same calls as with AWS")]
impl DeployedFunction {
    pub(super) async fn open(name: &str, _: Option<&str>) -> Result<Self, Error> {
        Err(Error::without_aws(&format!("function {name}")))
    }

    pub(super) fn place(&self) -> String {
        match *self {}
    }

    pub(super) async fn count(&self, _: &[u8]) -> Result<BatchResponse, Error> {
        match *self {}
    }
}
