//! Routes, and the list of them.

use super::{Middleware, Reply};
use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::routing::{MethodFilter, on};
use std::sync::Arc;

/// Routes, and the list of them, because a [`Router`] does not say which routes it has: the tests compare the list with the OpenAPI
/// document.
#[derive(Debug, Default)]
pub struct Routes {
    router: Router,
    list: Vec<(&'static str, &'static str)>,
}

impl Routes {
    /// Answers GET, and HEAD, of a path.
    #[must_use]
    pub fn get<H: Handler<T, ()>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.on("get", MethodFilter::GET, path, handler)
    }

    /// Answers POST of a path.
    #[must_use]
    pub fn post<H: Handler<T, ()>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.on("post", MethodFilter::POST, path, handler)
    }

    fn on<H: Handler<T, ()>, T: 'static>(
        mut self,
        method: &'static str,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.list.push((path, method));
        Self { router: self.router.route(path, on(filter, handler)), list: self.list }
    }

    /// Adds the routes of another.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.list.extend(other.list);
        Self { router: self.router.merge(other.router), list: self.list }
    }

    /// Adds the routes that every function has: `/health`, and `/openapi.json` with this document.
    #[must_use]
    pub fn with_service_routes(self, middleware: &Arc<Middleware>, document: impl Into<Arc<str>>) -> Self {
        let (health, described, document) = (Arc::clone(middleware), Arc::clone(middleware), document.into());
        self.get("/health", async move |request: Request| {
            health.serve(request, async |_| Ok(health.health())).await
        })
        .get("/openapi.json", async move |request: Request| {
            let reply = Reply { body: document.as_bytes().to_vec(), ..Reply::empty(StatusCode::OK) };
            described.serve(request, async |_| Ok(reply)).await
        })
    }

    /// Adds a layer to the routes that are there, and to no refusal.
    #[must_use]
    pub fn layered(self, layer: impl FnOnce(Router) -> Router) -> Self {
        Self { router: layer(self.router), list: self.list }
    }

    /// The path and the method, in lower case, of each route.
    #[must_use]
    pub fn list(&self) -> &[(&'static str, &'static str)] {
        &self.list
    }

    pub(super) fn into_router(self) -> Router {
        self.router
    }
}
