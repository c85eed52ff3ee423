//! SDK clients that give up in time.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use std::time::Duration;

/// The time limit of a call, and the number of its attempts.
///
/// The SDK's own defaults have no read timeout: a peer that accepts and stays silent was measured to hang a request for more
/// than 30 s. Adaptive retry was rejected: it may delay the first attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Whose leave to repeat calls is used up. Clients of one name in a process share it, and by the SDK's default all
    /// clients of a service do: then a catalog that cannot be loaded takes it from the commits.
    pub name: &'static str,
    /// For a connection to stand, TLS included.
    pub connect: Duration,
    /// For one attempt.
    pub attempt: Duration,
    /// For all attempts and the pauses between them.
    pub operation: Duration,
    /// The number of attempts, including the first.
    pub attempts: u32,
    /// The pause before the second attempt, at most; it doubles from then on.
    pub backoff: Duration,
}

impl Budget {
    /// On the path of a request, which is answered within 50 ms whatever a store does. One attempt, because whoever has this
    /// budget repeats calls better (`hedge`).
    pub const REQUEST: Self = Self {
        name: "request",
        connect: Duration::from_millis(30),
        attempt: Duration::from_millis(45),
        operation: Duration::from_millis(45),
        attempts: 1,
        backoff: Duration::from_millis(3),
    };

    /// Reading the catalog happens beside requests, and a handshake takes longer than a request may.
    pub const CATALOG: Self = Self {
        name: "catalog",
        connect: Duration::from_secs(1),
        attempt: Duration::from_secs(1),
        operation: Duration::from_secs(2),
        attempts: 2,
        backoff: Duration::from_millis(20),
    };

    /// Nobody waits for events, but an environment that sends serves nobody.
    pub const EVENTS: Self = Self {
        name: "events",
        connect: Duration::from_millis(200),
        attempt: Duration::from_millis(250),
        operation: Duration::from_millis(400),
        attempts: 2,
        backoff: Duration::from_millis(20),
    };

    /// The budget of work that a person waits for: publishing by hand, loading the catalog at a cold start.
    pub const PATIENT: Self = Self {
        name: "patient",
        connect: Duration::from_secs(3),
        attempt: Duration::from_secs(5),
        operation: Duration::from_secs(15),
        attempts: 4,
        backoff: Duration::from_millis(50),
    };

    /// The budget of the event function for a batch: it has until its deadline, and transient faults pass within seconds.
    pub const BATCH: Self = Self {
        name: "batch",
        connect: Duration::from_secs(1),
        attempt: Duration::from_secs(1),
        operation: Duration::from_secs(5),
        attempts: 4,
        backoff: Duration::from_millis(25),
    };

    /// A configuration whose clients keep to the budget, for a service that has no constructor of its own here.
    #[must_use]
    pub fn applied_to(&self, config: &SdkConfig) -> SdkConfig {
        let config = config.clone().into_builder();
        config.timeout_config(self.timeouts()).retry_config(self.retries()).build()
    }

    pub(super) fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.operation)
            .build()
    }

    fn retries(&self) -> RetryConfig {
        RetryConfig::standard().with_max_attempts(self.attempts).with_initial_backoff(self.backoff)
    }
}

/// Region and credentials from the environment, as every AWS tool finds them; the endpoint replaces AWS where it is given.
pub async fn load(endpoint: Option<&str>) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    match endpoint {
        Some(endpoint) => loader.endpoint_url(endpoint),
        None => loader,
    }
    .load()
    .await
}

/// An emulator at an endpoint: nothing is read from the environment, so nothing of a real account can be reached.
#[must_use]
pub fn emulator(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "emulator");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}

macro_rules! clients {
    ($($(#[$attribute:meta])* $service:ident = $sdk:ident;)*) => {$(
        $(#[$attribute])*
        #[must_use]
        pub fn $service(config: &SdkConfig, budget: Budget) -> $sdk::Client {
            let partition = concat!(stringify!($service), "-").to_owned() + budget.name;
            let config = $sdk::config::Builder::from(config)
                .timeout_config(budget.timeouts())
                .retry_config(budget.retries())
                .retry_partition(RetryPartition::new(partition));
            $sdk::Client::from_conf(config.build())
        }
    )*};
}

clients! {
    /// A DynamoDB client that keeps to a budget.
    dynamodb = aws_sdk_dynamodb;
    /// A Kinesis client that keeps to a budget.
    kinesis = aws_sdk_kinesis;
    /// A Firehose client that keeps to a budget.
    firehose = aws_sdk_firehose;
}
