//! Events that API Gateway (payloads 1.0 and 2.0), function URLs (2.0) and load balancers send.

use crate::http::{ApiError, InvocationId, LambdaResponse, MAX_BODY_BYTES};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Base64 of the longest body, and a few line breaks.
const MAX_BASE64: usize = MAX_BODY_BYTES / 3 * 4 + 1024;

type SingleValues = Option<BTreeMap<String, Option<String>>>;
type MultiValues = Option<BTreeMap<String, Option<Vec<String>>>>;

/// Each name with each of its values.
fn listed(lists: &MultiValues) -> Vec<(&str, &str)> {
    let values = lists.iter().flatten();
    values.flat_map(|(name, values)| values.iter().flatten().map(move |value| (&**name, &**value))).collect()
}

/// An event that stands for an HTTP request. Only what is used is read, and nearly all of it may be missing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpEvent<'a> {
    http_method: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    query_string_parameters: SingleValues,
    multi_value_query_string_parameters: MultiValues,
    headers: SingleValues,
    multi_value_headers: MultiValues,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
    #[serde(default)]
    request_context: GatewayContext,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GatewayContext {
    stage: Option<String>,
    path: Option<String>,
    http: Option<Http>,
    elb: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: Option<String>,
}

/// Fields that only an HTTP event has.
#[derive(Deserialize)]
struct HttpFields {
    #[serde(rename = "requestContext")]
    request_context: Option<IgnoredAny>,
}

/// The source of a payload that another service sends to be worked on: a queue, a topic, a bucket, a bus. Whatever is answered that is not an
/// error tells it that all is done, and it deletes what it sent.
pub(super) fn foreign_trigger(payload: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct TriggerFields {
        #[serde(rename = "Records")]
        records: Option<Vec<TriggerRecord>>,
        #[serde(rename = "detail-type")]
        detail_type: Option<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct TriggerRecord {
        #[serde(rename = "eventSource", alias = "EventSource")]
        source: Option<String>,
    }
    let TriggerFields { records, detail_type } = serde_json::from_slice(payload).ok()?;
    if detail_type.is_some() {
        return Some("EventBridge".to_owned());
    }
    let source = records?.into_iter().next().and_then(|record| record.source);
    Some(source.map_or_else(|| "another service".to_owned(), |source| source.chars().take(64).collect()))
}

/// Returns true if a payload represents an HTTP request.
pub(super) fn is_http(payload: &[u8]) -> bool {
    serde_json::from_slice::<HttpFields>(payload).is_ok_and(|probe| probe.request_context.is_some())
}

impl<'a> HttpEvent<'a> {
    pub(super) fn read(payload: &'a [u8]) -> Result<Self, ApiError> {
        let unreadable = |error| ApiError::invalid(format!("the event cannot be read: {error}"));
        serde_json::from_slice(payload).map_err(unreadable)
    }

    /// Returns true if the headers are lists and must be lists in the answer too: a load balancer then
    /// ignores the other form.
    pub(super) fn has_lists_only(&self) -> bool {
        self.headers.is_none() && self.multi_value_headers.is_some()
    }

    /// Converts the event to an HTTP request.
    pub(super) fn into_request(self, invocation: &str) -> Result<Request, ApiError> {
        let http = self.request_context.http.as_ref();
        let method = self.http_method.as_deref().or_else(|| http?.method.as_deref()).unwrap_or_default();
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| ApiError::invalid("the event has no HTTP method"))?;
        let uri = Uri::try_from(self.uri()).map_err(|_| ApiError::invalid("the event has no URL"))?;
        let headers = self.headers();
        let mut request = Request::new(Body::from(self.into_body()?));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request.extensions_mut().insert(InvocationId(invocation.to_owned()));
        Ok(request)
    }

    fn uri(&self) -> String {
        let path = self.raw_path.as_deref().or(self.path.as_deref()).unwrap_or("/");
        let mut uri = String::with_capacity(path.len() + 64);
        push_encoded(&mut uri, self.without_stage(path), b"/%:@!$&'()*+,;=-._~");
        if uri.is_empty() {
            uri.push('/');
        }
        let query = self.query();
        if !query.is_empty() {
            uri.push('?');
            uri.push_str(&query);
        }
        uri
    }

    /// The paths of an HTTP API begin with the stage, unless it is the default one. Those of a REST API do not: there only the
    /// path of the context does, so that the two differ. Under a custom domain neither does, and a route may have the
    /// name of the stage; so nothing is taken off a path that has no more than that.
    fn without_stage<'p>(&self, path: &'p str) -> &'p str {
        let context = &self.request_context;
        let has_stage = self.raw_path.is_some() || context.path.as_deref() == Some(path);
        let stage = context.stage.as_deref().filter(|_| has_stage);
        let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
        rest.filter(|rest| rest.len() > 1 && rest.starts_with('/')).unwrap_or(path)
    }

    fn query(&self) -> String {
        if let Some(raw) = &self.raw_query_string {
            return encoded(raw, QUERY);
        }
        let mut pairs = listed(&self.multi_value_query_string_parameters);
        if pairs.is_empty() {
            let single = self.query_string_parameters.iter().flatten();
            pairs = single.map(|(name, value)| (&**name, value.as_deref().unwrap_or_default())).collect();
        }
        // A load balancer leaves them as they came; API Gateway decodes them.
        let keep: &[u8] = if self.request_context.elb.is_some() { QUERY } else { b"-._~" };
        let mut query = String::new();
        for (name, value) in pairs {
            let separator = if query.is_empty() { "" } else { "&" };
            query.push_str(separator);
            push_encoded(&mut query, name, keep);
            query.push('=');
            push_encoded(&mut query, value, keep);
        }
        query
    }

    fn headers(&self) -> HeaderMap {
        let mut pairs = listed(&self.multi_value_headers);
        if pairs.is_empty() {
            let single = self.headers.iter().flatten();
            pairs = single.filter_map(|(name, value)| Some((&**name, value.as_deref()?))).collect();
        }
        let mut headers = HeaderMap::with_capacity(pairs.len());
        for (name, value) in pairs {
            // A header that no server would let through is nothing that a handler misses.
            let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
            if let (Ok(name), Ok(value)) = pair {
                headers.append(name, value);
            }
        }
        headers
    }

    fn into_body(self) -> Result<Vec<u8>, ApiError> {
        let body = self.body.unwrap_or_default();
        if self.is_base64_encoded != Some(true) {
            return Ok(body.into_owned().into_bytes());
        }
        if body.len() > MAX_BASE64 {
            return Err(ApiError::body_too_large());
        }
        STANDARD.decode(body.as_bytes()).map_err(|_| ApiError::invalid("the body of the event is not base64"))
    }
}

/// An answer, as its envelope.
pub(super) async fn envelope(response: Response<Body>) -> LambdaResponse {
    let (parts, body) = response.into_parts();
    // Our own bodies are in memory already, and reading them does not fail.
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    LambdaResponse::of(parts.status, &parts.headers, &body)
}

/// The characters that may appear unchanged in a query that is already encoded.
const QUERY: &[u8] = b"%&=+-._~!$'()*,;:@/?";

fn encoded(text: &str, keep: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    push_encoded(&mut encoded, text, keep);
    encoded
}

/// Percent-encodes all but letters, digits and what is to be kept.
fn push_encoded(target: &mut String, text: &str, keep: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            target.push(char::from(byte));
        } else {
            let _ = write!(target, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request(event: &Value) -> Result<Request, ApiError> {
        HttpEvent::read(event.to_string().as_bytes())?.into_request("id")
    }

    fn uri(event: &Value) -> String {
        request(event).unwrap().uri().to_string()
    }

    #[test]
    fn every_form_gives_the_same_url() {
        let v1 = json!({"httpMethod": "GET", "path": "/assign", "requestContext": {"stage": "prod"},
            "queryStringParameters": {"user_id": "a b&c"}, "multiValueQueryStringParameters": {"user_id": ["a b&c"]}});
        let v2 = json!({"version": "2.0", "rawPath": "/prod/assign", "rawQueryString": "user_id=a%20b%26c",
            "requestContext": {"stage": "prod", "http": {"method": "GET"}}});
        let url = json!({"version": "2.0", "rawPath": "/assign", "rawQueryString": "user_id=a%20b%26c",
            "requestContext": {"stage": "$default", "http": {"method": "GET"}}});
        let alb = json!({"httpMethod": "GET", "path": "/assign", "requestContext": {"elb": {"targetGroupArn": "x"}},
            "queryStringParameters": {"user_id": "a%20b%26c"}});
        for event in [&v1, &v2, &url, &alb] {
            assert!(is_http(event.to_string().as_bytes()));
            assert_eq!(uri(event), "/assign?user_id=a%20b%26c", "{event}");
        }
        assert!(!is_http(br#"{"user_id": "u", "experiment_key": "e"}"#));
    }

    #[test]
    fn batches_of_triggers_are_known() {
        let source = |payload: Value| foreign_trigger(payload.to_string().as_bytes());
        for (payload, expected) in [
            (json!({"Records": [{"eventSource": "aws:sqs", "body": "x"}]}), Some("aws:sqs")),
            (json!({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}), Some("aws:sns")),
            (json!({"Records": [{"eventSource": "aws:s3", "s3": {}}]}), Some("aws:s3")),
            (json!({"Records": []}), Some("another service")),
            (json!({"detail-type": "Scheduled Event", "source": "aws.events"}), Some("EventBridge")),
            (json!({"user_id": "u", "experiment_key": "e"}), None),
            (json!({"requestContext": {"http": {"method": "GET"}}, "body": "{\"Records\":[]}"}), None),
        ] {
            assert_eq!(source(payload.clone()).as_deref(), expected, "{payload}");
        }
    }

    #[test]
    fn only_a_whole_segment_is_the_stage() {
        let event = |path: &str| json!({"rawPath": path, "requestContext": {"stage": "assign", "http": {"method": "GET"}}});
        assert_eq!(uri(&event("/assign/assign")), "/assign");
        assert_eq!(uri(&event("/assignment")), "/assignment");
        assert_eq!(uri(&event("/assign")), "/assign");
        assert_eq!(uri(&event("/assign/")), "/assign/");
    }

    #[test]
    fn an_http_api_with_payload_1_has_the_stage_and_a_rest_api_has_not() {
        let event = |path: &str, of_context: &str| json!({"httpMethod": "GET", "path": path, "requestContext": {"stage": "prod", "path": of_context}});
        assert_eq!(uri(&event("/prod/assign", "/prod/assign")), "/assign");
        assert_eq!(uri(&event("/assign", "/prod/assign")), "/assign");
        assert_eq!(uri(&event("/prod/assign", "/prod/prod/assign")), "/prod/assign");
        assert_eq!(uri(&event("/shop/assign", "/shop/assign")), "/shop/assign", "a custom domain");
    }

    #[test]
    fn garbage_is_refused() {
        let context = json!({"http": {"method": "POST"}});
        for event in [
            json!({"requestContext": {}}),
            json!({"requestContext": {"http": {"method": "G T"}}}),
            json!({"requestContext": 7}),
            json!({"requestContext": context, "body": "*", "isBase64Encoded": true}),
            json!({"requestContext": context, "body": "A".repeat(200_000), "isBase64Encoded": true}),
            json!({"requestContext": context, "headers": 5}),
        ] {
            let refusal = request(&event).unwrap_err();
            assert!(refusal.status.is_client_error(), "{event}: {refusal}");
        }
    }

    #[test]
    fn headers_that_no_server_would_send_are_left_out() {
        let event = json!({"requestContext": {"http": {"method": "GET"}}, "rawPath": "/ü \u{0}",
            "headers": {"a b": "1", "x-a": "1\n2", "x-b": "2", "x-c": null}});
        let request = request(&event).unwrap();
        assert_eq!(request.uri(), "/%C3%BC%20%00");
        assert_eq!(request.headers().len(), 1);
    }
}
