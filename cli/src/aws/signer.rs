//! Signatures of requests by HTTP, as the URL of a function demands them (AWS Signature Version 4).

use crate::aws::{credentials_of, no_region};
use crate::error::Error;
use abx_functions::adapters::aws;
use aws_sdk_lambda::config::{Credentials, ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, Uri};
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// The time before their expiry at which credentials are renewed. A request takes less.
const EARLY: Duration = Duration::from_mins(5);
/// The service that a function URL belongs to.
const SERVICE: &str = "lambda";

/// The reason why a request cannot be signed.
type SigningError = Box<dyn std::error::Error + Send + Sync>;

/// The choice of HTTP requests that are signed.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct SignArgs {
    /// Sign requests to a URL with the AWS credentials; those to a function's own URL (*.lambda-url.REGION.on.aws) are signed
    /// without it
    #[arg(long)]
    sign: bool,
    /// Do not sign requests: for a function URL that everybody may call
    #[arg(long, conflicts_with = "sign")]
    no_sign: bool,
}

impl SignArgs {
    /// True if signing was asked for.
    pub(crate) const fn is_given(self) -> bool {
        self.sign || self.no_sign
    }

    /// True if requests to a URL are signed, unless they bring a signature or a token of their own.
    pub(crate) fn applies(self, url: &Uri) -> bool {
        self.sign || !self.no_sign && region_of(url).is_some()
    }
}

/// The region in the host of a function URL; `None` for any other host.
fn region_of(url: &Uri) -> Option<&str> {
    let (_, rest) = url.host()?.split_once(".lambda-url.")?;
    rest.strip_suffix(".on.aws").filter(|region| !region.is_empty() && !region.contains('.'))
}

/// Signs requests with credentials that it asks for again before they end.
#[derive(Debug)]
pub(crate) struct Signer {
    region: String,
    provider: SharedCredentialsProvider,
    current: Mutex<Credentials>,
}

impl Signer {
    /// Finds credentials as every AWS tool does. The region is that of the function URL, or the one that is set.
    pub(crate) async fn new(url: &Uri) -> Result<Self, Error> {
        let config = aws::load(None).await;
        let place = url.host().unwrap_or_default().to_owned();
        let region = region_of(url).map(str::to_owned).or_else(|| Some(config.region()?.to_string()));
        let region = region.ok_or_else(|| no_region(&place))?;
        let found = credentials_of(&config, &place).await;
        let (provider, current) =
            found.map_err(|error| error.also("--no-sign is for a function URL that everybody may call"))?;
        Ok(Self { region, provider, current: Mutex::new(current) })
    }

    /// Adds the headers of a signature, which goes over method, URL, headers and body.
    pub(crate) async fn sign(&self, request: &mut Request<Bytes>) -> Result<(), SigningError> {
        let now = SystemTime::now();
        let credentials = self.credentials(now).await?;
        signed(request, credentials, &self.region, now)
    }

    async fn credentials(&self, now: SystemTime) -> Result<Credentials, SigningError> {
        let mut current = self.current.lock().await;
        if current.expiry().is_some_and(|end| end < now + EARLY) {
            match self.provider.provide_credentials().await {
                Ok(new) => *current = new,
                // The old ones may still be good for some minutes.
                Err(_) if current.expiry().is_some_and(|end| end > now) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(current.clone())
    }
}

fn signed(
    request: &mut Request<Bytes>,
    credentials: Credentials,
    region: &str,
    now: SystemTime,
) -> Result<(), SigningError> {
    if request.headers().contains_key(AUTHORIZATION) {
        return Ok(());
    }
    let identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(now)
        .settings(SigningSettings::default())
        .build();
    let params = params?.into();
    let host = request.headers().get(HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let url = format!("https://{host}{path}");
    let headers =
        request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), url, headers, body);
    let signature = sign(signable?, &params);
    let (instructions, _) = signature?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_functions_are_signed_by_themselves() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        for (text, region) in [
            ("https://abc123.lambda-url.eu-central-1.on.aws/assign?x=1", Some("eu-central-1")),
            ("https://abc123.lambda-url.us-east-1.on.aws", Some("us-east-1")),
            ("https://abc123.lambda-url.eu-central-1.on.aws.example.com/", None),
            ("https://abc123.lambda-url..on.aws/", None),
            ("https://example.com/x.lambda-url.eu-central-1.on.aws/", None),
            ("http://localhost:8080/assign", None),
        ] {
            assert_eq!(region_of(&uri(text)), region, "{text}");
            assert_eq!(SignArgs::default().applies(&uri(text)), region.is_some(), "{text}");
            assert!(SignArgs { sign: true, no_sign: false }.applies(&uri(text)));
            assert!(!SignArgs { sign: false, no_sign: true }.applies(&uri(text)));
        }
    }

    /// A provider that has new credentials each time, which end after so long.
    #[derive(Debug)]
    struct Rotating(std::sync::atomic::AtomicU32, Duration);

    impl aws_sdk_lambda::config::ProvideCredentials for Rotating {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let end = SystemTime::now() + self.1;
            let key = format!("KEY{number}");
            let new = Credentials::new(key, "secret", Some("token".to_owned()), Some(end), "test");
            aws_credential_types::provider::future::ProvideCredentials::ready(Ok(new))
        }
    }

    #[tokio::test]
    async fn credentials_are_asked_for_again_before_they_end() {
        // Those that last for an hour are kept; those that end within five minutes are not.
        for (lasts, keys) in [(3600, ["KEY0", "KEY0"]), (200, ["KEY1", "KEY2"])] {
            let provider = SharedCredentialsProvider::new(Rotating(0.into(), Duration::from_secs(lasts)));
            let current = Mutex::new(provider.provide_credentials().await.unwrap());
            let signer = Signer { region: "us-east-1".to_owned(), provider, current };
            for key in keys {
                let mut request = Request::builder().header(HOST, "h").body(Bytes::new()).unwrap();
                signer.sign(&mut request).await.unwrap();
                let header = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
                assert!(header.contains(&format!("Credential={key}/")), "{lasts}: {header}");
                assert_eq!(request.headers()["x-amz-security-token"], "token");
            }
        }
    }

    #[tokio::test]
    async fn a_token_of_the_callers_own_is_left_alone() {
        let provider = SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "test"));
        let current = Mutex::new(provider.provide_credentials().await.unwrap());
        let signer = Signer { region: "us-east-1".to_owned(), provider, current };
        let mut request = Request::builder().header(AUTHORIZATION, "Bearer x").body(Bytes::new()).unwrap();
        signer.sign(&mut request).await.unwrap();
        assert_eq!(request.headers().len(), 1);
    }
}
