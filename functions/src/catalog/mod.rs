//! The life of a configuration: documents become a revision, a revision becomes what serves.
//!
//! | file | what it is |
//! |---|---|
//! | `revision` | documents as the bytes of a revision, and back |
//! | `publisher` | the next revision: compared, put, and made the head |
//! | `snapshot` | a compiled revision; what does not compile keeps its previous form |
//! | `stale` | documents of a revision that nobody needs any more |
//! | `holder` | the snapshot that serves, swapped whole, and refreshed by one reader |

mod holder;
mod publisher;
mod revision;
mod snapshot;
mod stale;

pub use holder::{CatalogHolder, Freshness};
pub use publisher::{PublishError, changes, documents_of, experiment_of, head, publish, serve};
pub use revision::{RevisionError, decode, encode};
pub use snapshot::{Snapshot, name};
pub use stale::{StaleDocument, StaleReason, stale_documents};
