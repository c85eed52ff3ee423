//! The target of a measurement.

use crate::error::Error;
use hyper::Uri;
use std::time::Duration;

/// An HTTP server, or a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BenchTarget {
    /// A URL, in which `{unit}` may stand.
    Url(String),
    /// A function's name or ARN, with or without a qualifier.
    Function(String),
}

/// One of the product's functions, each with targets of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Product {
    Assignment,
    Flags,
    Events,
}

impl Product {
    /// Below this share of requests may fail.
    pub(super) const MAX_ERRORS: f64 = 0.001;

    /// The highest median and the highest 99th percentile of latencies.
    pub(super) const fn targets(self) -> (Option<Duration>, Duration) {
        match self {
            Self::Assignment => (Some(Duration::from_millis(20)), Duration::from_millis(50)),
            Self::Flags => (Some(Duration::from_millis(15)), Duration::from_millis(40)),
            Self::Events => (None, Duration::from_millis(100)),
        }
    }
}

impl BenchTarget {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let bad = |what: &str| {
            Error::caller(format!("{text:?} is not a target: {what}"))
                .help("give a URL, as http://localhost:8080/health, or the name or ARN of a function")
        };
        if text.contains("://") {
            let uri: Uri =
                text.replace("{unit}", "u").parse().map_err(|_| bad("a URL cannot be written so"))?;
            return match (uri.scheme_str(), uri.host()) {
                (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(Self::Url(text.to_owned())),
                _ => Err(bad("a URL begins with http:// or https:// and a host")),
            };
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_:$".contains(c);
        let is_function = !text.is_empty() && text.chars().all(is_name);
        if is_function {
            Ok(Self::Function(text.to_owned()))
        } else {
            Err(bad("a function has no such name"))
        }
    }

    /// The product's function, by its name or by its path.
    pub(super) fn product(&self) -> Option<Product> {
        match self {
            Self::Function(text) => {
                let name = text.split_once("function:").map_or(text.as_str(), |(_, name)| name);
                let name = name.split(':').next()?;
                // As the CDK app names them: `abx-prod-assignment`.
                [("assignment", Product::Assignment), ("flags", Product::Flags), ("events", Product::Events)]
                    .into_iter()
                    .find_map(|(word, product)| name.split('-').any(|part| part == word).then_some(product))
            }
            Self::Url(text) => {
                let uri: Uri = text.replace("{unit}", "u").parse().ok()?;
                match uri.path().split('/').nth(1)? {
                    "assign" => Some(Product::Assignment),
                    "flags" | "ofrep" => Some(Product::Flags),
                    _ => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_known_by_name_and_by_path() {
        for (text, product) in [
            ("http://localhost:8080/assign?user_id={unit}", Some(Product::Assignment)),
            ("https://example.com/flags/instant_search", Some(Product::Flags)),
            ("http://[::1]:80/ofrep/v1/evaluate/flags", Some(Product::Flags)),
            ("http://localhost/health", None),
            ("http://localhost", None),
            ("assignment", Some(Product::Assignment)),
            ("abx-prod-events:live", Some(Product::Events)),
            ("arn:aws:lambda:eu-central-1:123456789012:function:abx-flags:7", Some(Product::Flags)),
            ("reassignment", None),
        ] {
            assert_eq!(BenchTarget::parse(text).unwrap().product(), product, "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for bad in [
            "",
            "ftp://localhost/",
            "http://",
            "http:///path",
            "http://a b/",
            "a b",
            "/assign",
            "localhost/assign",
        ] {
            assert!(BenchTarget::parse(bad).is_err(), "{bad}");
        }
    }
}
