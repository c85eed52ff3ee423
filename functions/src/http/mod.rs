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
//! | `catalog` | the catalog, as requests see it |
//! | `body` | JSON with limits |
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
mod server;

pub use body::{MAX_BODY_BYTES, parse};
pub(crate) use body::{
    check_context, deserialize_context, deserialize_id, has_field, is_object, no_attributes,
};
pub use connections::Connections;
pub use cors::Cors;
pub use envelope::{LambdaResponse, Reply};
pub use error::ApiError;
pub use function::{FunctionBase, HttpFunction, HttpOptions};
pub(crate) use middleware::InvocationId;
pub use middleware::{Call, Middleware, finish, request_id};
pub use query::Query;
pub use server::{ServerLimits, listen, serve};
