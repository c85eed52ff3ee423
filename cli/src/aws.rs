//! AWS as a command reaches it: region, credentials, functions and signatures.

pub mod advice;
pub mod lambda;
pub mod signer;

use crate::aws::advice::SIGN_IN;
use crate::error::{Error, chain};
use abx_functions::adapters::aws;
use aws_sdk_lambda::config::{Credentials, ProvideCredentials as _, SharedCredentialsProvider};

/// An emulator at an endpoint, or AWS as every AWS tool finds it. Region and credentials are asked for before the first call: the
/// SDK tries them late, and says little.
pub async fn aws_config_for(what: &str, endpoint: Option<&str>) -> Result<aws::SdkConfig, Error> {
    if let Some(endpoint) = endpoint {
        return Ok(aws::emulator(endpoint));
    }
    let config = aws::load(None).await;
    let region = config.region().ok_or_else(|| no_region(what))?;
    credentials_of(&config, &format!("{what} in {region}")).await?;
    Ok(config)
}

/// The error if there is no region.
#[must_use]
pub fn no_region(what: &str) -> Error {
    Error::caller(format!("{what}: there is no AWS region to look for it in"))
        .help("set AWS_REGION, as AWS_REGION=eu-central-1, or AWS_PROFILE; --endpoint names an emulator")
}

/// The credentials that every AWS tool finds, and what provides them.
pub async fn credentials_of(
    config: &aws::SdkConfig,
    place: &str,
) -> Result<(SharedCredentialsProvider, Credentials), Error> {
    let provider = config.credentials_provider();
    let provider = provider.ok_or_else(|| Error::caller(format!("{place}: there are no AWS credentials")))?;
    match provider.provide_credentials().await {
        Ok(credentials) => Ok((provider, credentials)),
        Err(error) => Err(no_credentials(place, error)),
    }
}

fn no_credentials(place: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let chain = chain(&error).to_lowercase();
    // The chain does not name the profile that it looked for.
    let profile = std::env::var("AWS_PROFILE").map_or(String::new(), |name| format!(" of profile {name}"));
    let says = |why: &str| Error::caller(format!("{place}: {why}{profile}")).help(SIGN_IN);
    // It names a part of the SDK that is left out of this program, which nobody can add to it.
    if chain.contains("cargo feature") {
        return says("abx does not run SSO or `credential_process` itself for the AWS credentials");
    }
    let is_expired = chain.contains("expired");
    let why = if is_expired { "the AWS credentials have expired" } else { "there are no AWS credentials" };
    says(why).because(error)
}
