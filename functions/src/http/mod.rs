//! The parts that every router shares: reading a request, and answering it, also if it is invalid.
//!
//! | file | what it is |
//! |---|---|
//! | `envelope` | [`LambdaResponse`], and [`Reply`], which becomes one or an HTTP response |
//! | `error` | [`ApiError`]: code, status and message of a refusal |
//! | `function` | [`HttpFunction`] and [`FunctionBase`]: what both functions have |
//! | `middleware` | [`Middleware`]: request ids, limits, CORS, metrics and panics, around every handler |
//! | `cors` | which pages may ask |
//! | `query` | parameters of a URL |
//! | `routes` | [`Routes`]: a router, and the list of its routes |
//! | `catalog` | the catalog, as requests see it |
//! | `body` | JSON with limits |
//! | `schema` | the schemas of values that requests have in common |
//! | `server` | [`serve`]: a server that lives long, which Lambda is not |
//! | `connections` | [`Connections`]: how many that server has open, and which makes room |

mod body;
mod catalog;
mod connections;
mod cors;
mod envelope;
mod error;
mod function;
mod middleware;
mod query;
mod routes;
mod schema;
mod server;

pub use body::{MAX_BODY_BYTES, parse};
pub(crate) use body::{
    check_context, deserialize_context, deserialize_id, has_field, is_object, no_attributes,
};
pub(crate) use catalog::Health;
pub use connections::Connections;
pub use cors::Cors;
pub use envelope::{LambdaResponse, Reply};
pub use error::ApiError;
pub(crate) use error::ErrorEnvelope;
pub use function::{FunctionBase, HttpFunction, HttpOptions};
pub(crate) use middleware::InvocationId;
pub use middleware::{Call, Middleware, finish, request_id};
pub use query::Query;
pub use routes::Routes;
pub(crate) use schema::{
    MAX_KEYS, MAX_TEXT, id_schema, keys_schema, ofrep_context_schema, optional_context_schema,
    optional_time_schema,
};
pub use server::{ServerLimits, listen, serve};
