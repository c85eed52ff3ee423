//! Enrollment of the users of requests. The users of a benchmark do not exist: enrolled, they would count in real experiments.

use super::target::Product;
use crate::error::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The effect of the requests on the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Enrollment {
    /// Asked without enrolling: neither assignments nor exposures are written.
    Peeked,
    /// Enrolled: the users count in the experiments.
    Enrolled,
    /// Evaluations of flags, which are recorded; a flag that serves an experiment exposes its users to it.
    Recorded,
}

/// The field by which a request asks without enrolling.
const PEEK: &str = "peek";

/// Makes the requests to a URL ask without enrolling, unless they shall enroll. `None` of paths that enroll nobody.
pub(super) fn url(
    url: &mut String,
    (method, body): (&Method, &mut String),
    enroll: bool,
) -> Result<Option<Enrollment>, Error> {
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    match Endpoint::of(path) {
        None => Ok(None),
        Some(Endpoint::Flags) => Ok(Some(Enrollment::Recorded)),
        Some(Endpoint::Assign) if *method == Method::POST => in_body(body, enroll).map(Some),
        Some(Endpoint::Assign) => match agreed(flag_of_query(query), enroll)? {
            EnrollAnswer::Already(enrollment) => Ok(Some(enrollment)),
            EnrollAnswer::ToAdd => {
                let fragment = url.find('#').unwrap_or(url.len());
                let separator = if url.contains('?') { '&' } else { '?' };
                url.insert_str(fragment, &format!("{separator}{PEEK}=true"));
                Ok(Some(Enrollment::Peeked))
            }
        },
    }
}

/// Makes the invocations of a function ask without enrolling, unless they shall enroll. `None` of what enrolls nobody.
pub(super) fn payload(
    payload: &mut String,
    product: Option<Product>,
    enroll: bool,
) -> Result<Option<Enrollment>, Error> {
    let Ok(Value::Object(event)) = serde_json::from_str(payload) else {
        return match product {
            Some(Product::Assignment) if !enroll => Err(no_object("payload")),
            Some(Product::Assignment) => Ok(Some(Enrollment::Enrolled)),
            _ => Ok(None),
        };
    };
    if event.contains_key("requestContext") {
        return http_event(payload, event, enroll);
    }
    let is_assignment = ["experiment_key", "experiment_keys"].iter().any(|field| event.contains_key(*field));
    match product {
        Some(Product::Flags) => Ok(Some(Enrollment::Recorded)),
        Some(Product::Assignment) => in_body(payload, enroll).map(Some),
        // A function may have any name; what it is asked says what it is.
        _ if is_assignment => in_body(payload, enroll).map(Some),
        _ => Ok(None),
    }
}

/// The question of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Assign,
    Flags,
}

impl Endpoint {
    /// By any part of the path: behind a custom domain it may begin with something else.
    fn of(path: &str) -> Option<Self> {
        path.split('/').skip(1).find_map(|part| match part {
            "assign" => Some(Self::Assign),
            "flags" | "ofrep" => Some(Self::Flags),
            _ => None,
        })
    }
}

/// The properties of a request.
enum EnrollAnswer {
    /// It needs no addition.
    Already(Enrollment),
    ToAdd,
}

/// True if what a request says itself is what is wanted.
fn agreed(peek: Option<bool>, enroll: bool) -> Result<EnrollAnswer, Error> {
    match (peek, enroll) {
        (None, false) => Ok(EnrollAnswer::ToAdd),
        (Some(true), false) => Ok(EnrollAnswer::Already(Enrollment::Peeked)),
        (None | Some(false), true) => Ok(EnrollAnswer::Already(Enrollment::Enrolled)),
        (Some(false), false) => {
            Err(Error::caller("the request says `peek` false, which enrolls users who do not exist")
                .help("add --enroll if that is meant"))
        }
        (Some(true), true) => {
            Err(Error::caller("the request says `peek`, which enrolls nobody, and --enroll is given")
                .help("remove one of them"))
        }
    }
}

/// The parameter as the functions read it: `peek` and `peek=1` are true.
fn flag_of_query(query: &str) -> Option<bool> {
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == PEEK).then_some(!matches!(value, "false" | "0"))
    })
}

/// Adds the field to a JSON object as text, so that everything else stays as it was written.
fn in_body(body: &mut String, enroll: bool) -> Result<Enrollment, Error> {
    let object: Option<Map<String, Value>> = serde_json::from_str(body).ok();
    let Some(object) = object else {
        return if enroll { Ok(Enrollment::Enrolled) } else { Err(no_object("body")) };
    };
    let peek = object.get(PEEK).map(|value| *value != Value::Bool(false));
    if let EnrollAnswer::Already(enrollment) = agreed(peek, enroll)? {
        return Ok(enrollment);
    }
    let start = body.find('{').map_or(0, |at| at + 1);
    let separator = if object.is_empty() { "" } else { ", " };
    body.insert_str(start, &format!("\"{PEEK}\": true{separator}"));
    Ok(Enrollment::Peeked)
}

fn no_object(what: &str) -> Error {
    Error::caller(format!("the {what} is not a JSON object, so that `peek` cannot be added to it"))
        .help("--enroll sends it as it is, and enrolls users who do not exist")
}

/// An event of API Gateway, of a function URL or of a load balancer.
fn http_event(
    payload: &mut String,
    mut event: Map<String, Value>,
    enroll: bool,
) -> Result<Option<Enrollment>, Error> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let path = text(event.get("rawPath")).or_else(|| text(event.get("path"))).unwrap_or_default();
    match Endpoint::of(&path) {
        None => return Ok(None),
        Some(Endpoint::Flags) => return Ok(Some(Enrollment::Recorded)),
        Some(Endpoint::Assign) => {}
    }
    let of_v2 = event.get("requestContext").and_then(|context| context.get("http")?.get("method"));
    let method = text(event.get("httpMethod")).or_else(|| text(of_v2)).unwrap_or_default();
    let enrollment =
        if method == "POST" { event_body(&mut event, enroll)? } else { event_query(&mut event, enroll)? };
    if enrollment == Enrollment::Peeked {
        *payload = Value::Object(event).to_string();
    }
    Ok(Some(enrollment))
}

fn event_body(event: &mut Map<String, Value>, enroll: bool) -> Result<Enrollment, Error> {
    let written = event.get("body").and_then(Value::as_str).unwrap_or_default();
    let is_base64 = event.get("isBase64Encoded") == Some(&Value::Bool(true));
    let decoded =
        is_base64.then(|| STANDARD.decode(written).ok().and_then(|bytes| String::from_utf8(bytes).ok()));
    let mut body = decoded.flatten().unwrap_or_else(|| written.to_owned());
    let enrollment = in_body(&mut body, enroll)?;
    event.insert("body".to_owned(), body.into());
    event.insert("isBase64Encoded".to_owned(), false.into());
    Ok(enrollment)
}

/// The query stands in up to three places, of which the functions read one.
fn event_query(event: &mut Map<String, Value>, enroll: bool) -> Result<Enrollment, Error> {
    let raw = event.get("rawQueryString").and_then(Value::as_str).map(str::to_owned);
    let of_raw = raw.as_deref().and_then(flag_of_query);
    let single = event.get("queryStringParameters").and_then(|it| it.get(PEEK)?.as_str());
    let first = event.get("multiValueQueryStringParameters").and_then(|it| it.get(PEEK)?.get(0)?.as_str());
    let of_lists = single.or(first).map(|value| !matches!(value, "false" | "0"));
    if let EnrollAnswer::Already(enrollment) = agreed(of_raw.or(of_lists), enroll)? {
        return Ok(enrollment);
    }
    if let Some(raw) = raw {
        let separator = if raw.is_empty() { "" } else { "&" };
        event.insert("rawQueryString".to_owned(), format!("{raw}{separator}{PEEK}=true").into());
        return Ok(Enrollment::Peeked);
    }
    for (field, value) in
        [("queryStringParameters", json!("true")), ("multiValueQueryStringParameters", json!(["true"]))]
    {
        let parameters = event.entry(field).or_insert_with(|| json!({}));
        if !parameters.is_object() {
            *parameters = json!({});
        }
        // Lists win where there are any: with one parameter in them alone, the others would be lost.
        let is_used =
            field == "queryStringParameters" || parameters.as_object().is_some_and(|it| !it.is_empty());
        if let (Some(parameters), true) = (parameters.as_object_mut(), is_used) {
            parameters.insert(PEEK.to_owned(), value);
        }
    }
    Ok(Enrollment::Peeked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_url(text: &str, method: &Method, body: &str, enroll: bool) -> Result<(String, String), Error> {
        let (mut changed, mut body) = (text.to_owned(), body.to_owned());
        url(&mut changed, (method, &mut body), enroll)?;
        Ok((changed, body))
    }

    #[test]
    fn urls_and_bodies_of_assignments_peek() {
        for (text, right) in [
            (
                "http://h/assign?user_id={unit}&experiment_key=e",
                "http://h/assign?user_id={unit}&experiment_key=e&peek=true",
            ),
            ("http://h/assign", "http://h/assign?peek=true"),
            ("http://h/v1/assign?x=1#part", "http://h/v1/assign?x=1&peek=true#part"),
            ("http://h/assign?peek=1", "http://h/assign?peek=1"),
            ("http://h/assign?peek&x=1", "http://h/assign?peek&x=1"),
            ("http://h/health", "http://h/health"),
            ("http://assign/health", "http://assign/health"),
            ("http://h/flags/a", "http://h/flags/a"),
        ] {
            assert_eq!(of_url(text, &Method::GET, "", false).unwrap().0, right, "{text}");
            assert_eq!(
                of_url(&text.replace("peek", "x"), &Method::GET, "", true).unwrap().0,
                text.replace("peek", "x")
            );
        }
        for (body, right) in [
            (r#"{"user_id": "{unit}", "n": 1.50}"#, r#"{"peek": true, "user_id": "{unit}", "n": 1.50}"#),
            ("{}", r#"{"peek": true}"#),
            (r#"{"peek": true}"#, r#"{"peek": true}"#),
        ] {
            for path in ["/assign", "/assign/batch", "/base/assign/batch"] {
                let (url, sent) = of_url(&format!("http://h{path}"), &Method::POST, body, false).unwrap();
                assert_eq!((url, sent.as_str()), (format!("http://h{path}"), right));
            }
        }
        for (text, method, body, enroll) in [
            ("http://h/assign?peek=false", Method::GET, "", false),
            ("http://h/assign?peek=true", Method::GET, "", true),
            ("http://h/assign", Method::POST, r#"{"peek": false}"#, false),
            ("http://h/assign", Method::POST, r#"{"peek": true}"#, true),
            ("http://h/assign", Method::POST, r#"{"user_id": {unit}}"#, false),
            ("http://h/assign", Method::POST, "", false),
        ] {
            assert!(of_url(text, &method, body, enroll).is_err(), "{text} {body}");
        }
    }

    #[test]
    fn payloads_of_functions_peek_whatever_form_they_have() {
        let of = |text: &str, product| {
            let mut changed = text.to_owned();
            let enrollment = payload(&mut changed, product, false).unwrap();
            (enrollment, serde_json::from_str::<Value>(&changed).unwrap())
        };
        let assignment = Some(Product::Assignment);
        for (text, product) in [
            (r#"{"user_id": "u", "experiment_key": "e"}"#, None),
            (r#"{"user_id": "u", "experiment_keys": null}"#, assignment),
            (r#"{"user_id": "u"}"#, assignment),
        ] {
            let (enrollment, sent) = of(text, product);
            assert_eq!(
                (enrollment, &sent["peek"], &sent["user_id"]),
                (Some(Enrollment::Peeked), &json!(true), &json!("u"))
            );
        }
        let v2 = |path: &str, method: &str, more: Value| {
            let mut event = json!({"rawPath": path, "requestContext": {"http": {"method": method}}});
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            event.to_string()
        };
        let (_, sent) = of(&v2("/assign", "GET", json!({"rawQueryString": "user_id={unit}"})), None);
        assert_eq!(sent["rawQueryString"], "user_id={unit}&peek=true");
        let (_, sent) = of(&v2("/assign", "POST", json!({"body": "{\"user_id\": \"{unit}\"}"})), None);
        assert_eq!(sent["body"], "{\"peek\": true, \"user_id\": \"{unit}\"}");
        let encoded = STANDARD.encode("{\"user_id\": \"u\"}");
        let (_, sent) =
            of(&v2("/x/assign/batch", "POST", json!({"body": encoded, "isBase64Encoded": true})), None);
        assert_eq!(
            (&sent["body"], &sent["isBase64Encoded"]),
            (&json!("{\"peek\": true, \"user_id\": \"u\"}"), &json!(false))
        );
        let v1 = json!({"path": "/assign", "httpMethod": "GET", "requestContext": {}, "queryStringParameters": {"a": "1"},
            "multiValueQueryStringParameters": {"a": ["1"]}});
        let (_, sent) = of(&v1.to_string(), None);
        assert_eq!(
            (&sent["queryStringParameters"]["peek"], &sent["multiValueQueryStringParameters"]["peek"]),
            (&json!("true"), &json!(["true"]))
        );
        assert_eq!(of(&v2("/flags/a", "POST", json!({})), assignment).0, Some(Enrollment::Recorded));
        assert_eq!(of(&v2("/health", "GET", json!({})), None).0, None);
        assert_eq!(of(r#"{"Records": []}"#, Some(Product::Events)).0, None);
        assert_eq!(of(r#"{"flag_key": "f"}"#, Some(Product::Flags)).0, Some(Enrollment::Recorded));
        assert!(payload(&mut "[1]".to_owned(), assignment, false).is_err());
    }
}
