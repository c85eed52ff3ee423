//! Parameters of a URL.

use super::ApiError;
use super::error::shown;
use abx_core::decide::AttributeTypes;
use abx_core::finding::did_you_mean;
use serde_json::{Map, Value};

/// The prefix of a parameter that gives an attribute.
const CONTEXT: &str = "context.";

/// The parameters of a URL, decoded.
///
/// The usual parsers replace what is not UTF-8, so that two ids could become one; here it is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a query string.
    pub fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        Ok(Self(pairs.collect::<Result<_, ApiError>>()?))
    }

    /// Takes a parameter, which may be given once.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(found) = self.0.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let (_, value) = self.0.swap_remove(found);
        if self.0.iter().any(|(key, _)| key == name) {
            return Err(given_twice(name));
        }
        Ok(Some(value))
    }

    /// Takes a parameter that must be there.
    pub fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.take(name)?
            .ok_or_else(|| ApiError::invalid(format!("the parameter `{name}` is missing from the URL")))
    }

    /// Takes a yes or no.
    pub fn flag(&mut self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.take(name)?.as_deref() {
            None => Ok(default),
            Some("false" | "0") => Ok(false),
            Some("true" | "1" | "") => Ok(true),
            Some(_) => Err(ApiError::invalid(format!("the parameter `{name}` is neither true nor false"))),
        }
    }

    /// Takes the attributes: `context.country=DE`. Each has the type that the documents compare it with.
    pub fn take_context(&mut self, types: &AttributeTypes) -> Result<Option<Map<String, Value>>, ApiError> {
        let (attributes, others) =
            std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name.starts_with(CONTEXT));
        self.0 = others;
        let attributes: Vec<(String, String)> = attributes;
        let mut context = Map::new();
        for (parameter, text) in &attributes {
            let name = parameter.strip_prefix(CONTEXT).unwrap_or_default();
            if name.is_empty() {
                return Err(ApiError::invalid("the parameter `context.` does not name an attribute"));
            }
            if context.insert(name.to_owned(), types.read(name, text)).is_some() {
                return Err(given_twice(parameter));
            }
        }
        Ok((!context.is_empty()).then_some(context))
    }

    /// Refuses what was not taken; `known` are the parameters that there are.
    pub fn finish(self, known: &[&str], types: &AttributeTypes) -> Result<(), ApiError> {
        let Some((name, _)) = self.0.into_iter().next() else { return Ok(()) };
        let near = did_you_mean(&name, known.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if types.reads(&name) => format!("write `{CONTEXT}{name}` for the attribute"),
            None => format!("known parameters are {}, and {CONTEXT}NAME for an attribute", known.join(", ")),
        };
        Err(ApiError::invalid(format!("the parameter `{}` is not known: {help}", shown(&name))))
    }

    /// Refuses every parameter, for a request whose fields are in its body.
    pub fn refuse_all(self) -> Result<(), ApiError> {
        let Some((name, _)) = self.0.into_iter().next() else { return Ok(()) };
        let message =
            format!("the parameter `{}` is in the URL; a POST has its fields in the body", shown(&name));
        Err(ApiError::invalid(message))
    }
}

fn given_twice(name: &str) -> ApiError {
    ApiError::invalid(format!("the parameter `{}` is given more than once", shown(name)))
}

/// Decodes `%41` and `+`.
fn decode(text: &str) -> Result<String, ApiError> {
    let refuse = || ApiError::invalid("the URL's parameters are not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|it| char::from(it).to_digit(16));
                let (high, low) = (digit().ok_or_else(refuse)?, digit().ok_or_else(refuse)?);
                u8::try_from(high * 16 + low).map_err(|_| refuse())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_through_as_they_are() {
        let mut query = Query::parse(Some("user_id=a%2Bb+c%26%00%E2%80%AE&x&peek")).unwrap();
        assert_eq!(query.required("user_id").unwrap(), "a+b c&\0\u{202e}");
        assert!(query.flag("peek", false).unwrap());
        assert!(query.flag("expose", true).unwrap());
        assert_eq!(query.take("user_id").unwrap(), None);
        assert!(Query::parse(None).unwrap().required("user_id").is_err());
    }

    #[test]
    fn what_is_not_text_is_refused() {
        for bad in ["a=%FF", "a=%", "a=%4", "a=%GG", "%C3=1"] {
            assert!(Query::parse(Some(bad)).is_err(), "{bad}");
        }
        assert!(Query::parse(Some("a=1&a=2")).unwrap().take("a").is_err());
        assert!(Query::parse(Some("a=maybe")).unwrap().flag("a", false).is_err());
    }

    #[test]
    fn attributes_and_unknown_parameters_are_told_apart() {
        let types = AttributeTypes::default();
        let parse = |query: &str| Query::parse(Some(query)).unwrap();
        let mut query = parse("context.country=DE&peek=1&context.a.b=1&context.x=a%3Db");
        let context = query.take_context(&types).unwrap().unwrap();
        assert_eq!(Value::Object(context), serde_json::json!({"country": "DE", "a.b": 1, "x": "a=b"}));
        assert!(query.flag("peek", false).unwrap());
        assert_eq!(query.finish(&["peek"], &types), Ok(()));
        for (query, says) in [
            ("context.a=1&context.a=2", "`context.a` is given more than once"),
            ("context.a=1&context%2Ea=1", "`context.a` is given more than once"),
            ("context.=1", "does not name an attribute"),
        ] {
            let error = parse(query).take_context(&types).unwrap_err();
            assert!(error.message.contains(says), "{query}: {error}");
        }
        for (query, says) in [
            ("peak=true", "did you mean `peek`?"),
            ("country=DE", "known parameters are user_id, peek, and context.NAME"),
            ("=1", "the parameter `` is not known"),
        ] {
            let error = parse(query).finish(&["user_id", "peek"], &types).unwrap_err();
            assert!(error.message.contains(says), "{query}: {error}");
        }
        assert!(parse("peek=1").refuse_all().is_err());
    }
}
