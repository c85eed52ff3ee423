//! Parameters of a URL.

use super::ApiError;

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
            return Err(ApiError::invalid(format!("the parameter `{name}` is given more than once")));
        }
        Ok(Some(value))
    }

    /// Takes a parameter that must be there.
    pub fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.take(name)?
            .ok_or_else(|| ApiError::invalid(format!("the parameter `{name}` is missing from the URL")))
    }

    /// Takes a yes or no; no if it is not there.
    pub fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        match self.take(name)?.as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1" | "") => Ok(true),
            Some(_) => Err(ApiError::invalid(format!("the parameter `{name}` is neither true nor false"))),
        }
    }
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
        assert!(query.flag("peek").unwrap());
        assert_eq!(query.take("user_id").unwrap(), None);
        assert!(Query::parse(None).unwrap().required("user_id").is_err());
    }

    #[test]
    fn what_is_not_text_is_refused() {
        for bad in ["a=%FF", "a=%", "a=%4", "a=%GG", "%C3=1"] {
            assert!(Query::parse(Some(bad)).is_err(), "{bad}");
        }
        assert!(Query::parse(Some("a=1&a=2")).unwrap().take("a").is_err());
        assert!(Query::parse(Some("a=maybe")).unwrap().flag("a").is_err());
    }
}
