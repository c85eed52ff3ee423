//! The ports of a server, which have the time limits of requests.

use super::{AnyAssignments, AnyCatalog, Backend};
use abx_functions::adapters::aws::{self, Budget, DynamoAssignments, DynamoCatalog, KinesisSink};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::Either;

/// Where events go: into the file, to the stream, or nowhere.
pub type AnySink = Either<EmbeddedStore, Option<KinesisSink>>;

impl Backend {
    /// The catalog, read beside requests.
    #[must_use]
    pub fn served_catalog(&self) -> AnyCatalog {
        self.port(|table, config| DynamoCatalog::new(aws::dynamodb(config, Budget::CATALOG), table))
    }

    /// The assignments, asked for within a request; `table` is that of AWS.
    #[must_use]
    pub fn served_assignments(&self, table: &str) -> AnyAssignments {
        self.port(|_, config| DynamoAssignments::new(aws::dynamodb(config, Budget::REQUEST), table))
    }

    /// The events; `stream` is that of AWS.
    #[must_use]
    pub fn sink(&self, stream: Option<&str>) -> AnySink {
        self.port(|_, config| {
            stream.map(|stream| KinesisSink::new(aws::kinesis(config, Budget::EVENTS), stream))
        })
    }
}
