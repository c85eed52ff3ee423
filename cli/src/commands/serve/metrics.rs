//! `/metrics`, in the text format of Prometheus.

use super::{Readiness, Served};
use abx_functions::http::{Connections, Routes};
use abx_functions::telemetry::TelemetryCounter;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, Response as HttpResponse};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_text::{self, CONTENT_TYPE as TEXT};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// The upper bounds of the histogram, in seconds: a decision takes microseconds, and a store has 48 ms.
const BOUNDS: [f64; 12] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];
/// The route of a request that fits none: a label must not have as many values as callers think of.
const OTHER: &str = "other";

/// The counters of the functions that make sense here, and their names.
const COUNTERS: [(TelemetryCounter, &str, &str); 9] = [
    (TelemetryCounter::EventsSent, "abx_events_sent", "Events that the stream or the store took"),
    (TelemetryCounter::EventsLost, "abx_events_lost", "Events that were lost on their way"),
    (TelemetryCounter::StoreReads, "abx_store_reads", "Reads of assignments from the store"),
    (TelemetryCounter::StoreWrites, "abx_store_writes", "Writes of assignments to the store"),
    (
        TelemetryCounter::StoreFallbacks,
        "abx_store_fallbacks",
        "Answers without the store, because it was slow or away",
    ),
    (TelemetryCounter::CacheHits, "abx_cache_hits", "Assignments that the process remembered"),
    (TelemetryCounter::CacheMisses, "abx_cache_misses", "Assignments that had to be asked for"),
    (TelemetryCounter::CatalogMisses, "abx_catalog_misses", "Requests that found no catalog"),
    (TelemetryCounter::Panics, "abx_panics", "Handlers that panicked"),
];

type RouteLabel = [(&'static str, String); 1];
type AnswerLabels = [(&'static str, String); 3];

/// The metrics of requests; the others are read when they are asked for.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    answers: Family<AnswerLabels, Counter>,
    durations: Family<RouteLabel, Histogram, fn() -> Histogram>,
    in_progress: Gauge,
}

impl Metrics {
    pub(super) fn new(state: StateOfProcess) -> Self {
        let (answers, in_progress) = (Family::default(), Gauge::default());
        let durations: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BOUNDS));
        let mut registry = Registry::default();
        registry.register("abx_requests", "Answered requests", Family::clone(&answers));
        registry.register(
            "abx_request_duration_seconds",
            "Time from the head of a request to its answer",
            Family::clone(&durations),
        );
        registry.register(
            "abx_requests_in_progress",
            "Requests that are being answered",
            Gauge::clone(&in_progress),
        );
        registry.register_collector(Box::new(state));
        Self { registry, answers, durations, in_progress }
    }

    /// Answers with all of them.
    pub(super) fn respond(&self) -> Response {
        let mut text = String::new();
        // A text in memory takes all that is written.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        let mut response = HttpResponse::new(Body::from(text));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
        response
    }
}

/// Tells the outermost layer which route answered.
pub(super) fn with_routes(routes: Routes) -> Routes {
    routes.layered(|router| {
        router.route_layer(from_fn(async |path: MatchedPath, request: Request, next: Next| {
            let mut response = next.run(request).await;
            response.extensions_mut().insert(path);
            response
        }))
    })
}

/// Measures a request.
pub(super) async fn measure(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = method(request.method());
    let in_progress = InProgress::new(&metrics.in_progress);
    let response = next.run(request).await;
    drop(in_progress);
    let route = response.extensions().get::<MatchedPath>().map_or(OTHER, MatchedPath::as_str).to_owned();
    metrics.durations.get_or_create(&[("route", route.clone())]).observe(start.elapsed().as_secs_f64());
    let status = response.status().as_u16().to_string();
    metrics
        .answers
        .get_or_create(&[("method", method.to_owned()), ("route", route), ("status", status)])
        .inc();
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

/// A request whose caller goes away is over as well.
struct InProgress<'a>(&'a Gauge);

impl<'a> InProgress<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The metrics that are read when they are asked for.
#[derive(Debug)]
pub(super) struct StateOfProcess {
    pub(super) served: Arc<Served>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) connections: Arc<Connections>,
}

impl Collector for StateOfProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, value: f64| {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)
        };
        let (catalog, connections) = (self.served.catalog(), &self.connections);
        let (held, freshness) = (catalog.held(), catalog.freshness());
        let is_ready = self.readiness.word() == "ready";
        gauge("abx_ready", "1 if /ready is 200", f64::from(u8::from(is_ready)))?;
        gauge("abx_catalog_revision", "The revision that serves", number(held.revision))?;
        if let Some(age) = freshness.age {
            gauge(
                "abx_catalog_age_seconds",
                "Time since the head of the catalog was last read",
                age.as_secs_f64(),
            )?;
        }
        gauge(
            "abx_catalog_refresh_failures",
            "Refreshes that failed since then",
            number(freshness.failures),
        )?;
        let held_back = held.held_back.len() as u64;
        gauge("abx_catalog_held_back", "Documents that serve in their previous form", number(held_back))?;
        let waiting = self.served.waiting() as u64;
        gauge("abx_events_waiting", "Events that wait to be sent", number(waiting))?;
        gauge("abx_connections", "Connections that are open", number(connections.open() as u64))?;
        gauge("abx_connections_limit", "The most that may be", number(connections.limit() as u64))?;
        let mut counter = |name: &str, help: &str, value: u64| {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)
        };
        counter("abx_connections_accepted", "Connections that were accepted", connections.accepted())?;
        counter(
            "abx_connections_closed_for_room",
            "Connections that were closed at the limit, because they waited longest",
            connections.closed_for_room(),
        )?;
        let totals = self.served.telemetry().totals();
        for (which, name, help) in COUNTERS {
            counter(name, help, totals.counter(which))?;
        }
        let help = "Decisions, evaluations and refusals by their reason";
        let mut decisions = encoder.encode_descriptor("abx_decisions", help, None, MetricType::Counter)?;
        for (reason, count) in totals.reasons() {
            ConstCounter::new(count).encode(decisions.encode_family(&[("reason", reason)])?)?;
        }
        let help = "The version of abx";
        let mut build = encoder.encode_descriptor("abx_build_info", help, None, MetricType::Gauge)?;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        ConstGauge::new(1_i64).encode(build.encode_family(&version)?)
    }
}

/// As Prometheus has numbers. One that it cannot hold exactly is beyond what is counted here.
#[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
fn number(value: u64) -> f64 {
    value as f64
}
