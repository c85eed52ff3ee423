//! A revision's bytes: gzip'd canonical JSON `{"format": 1, "documents": […]}`.
//!
//! Canonical means that the names of objects are in order (as `serde_json` keeps them) and that there is no white
//! space, so that equal documents are equal bytes.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::error::Error;
use std::fmt;
use std::io::{Read as _, Write as _};

const FORMAT: u32 = 1;
/// No catalog unpacks to more, in bytes; a bomb stops here.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Serialize)]
struct RevisionRef<'d> {
    documents: &'d [Value],
    format: u32,
}

#[derive(Deserialize)]
struct Revision {
    documents: Vec<Value>,
    format: u32,
}

/// Bytes that are no revision.
#[derive(Debug)]
pub enum RevisionError {
    /// The bytes are not gzip, not JSON, cut off or too long.
    Unreadable(Box<dyn Error + Send + Sync>),
    /// A newer `abx` wrote them.
    Format(u32),
}

impl fmt::Display for RevisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(_) => f.write_str("the revision cannot be read"),
            Self::Format(format) => {
                write!(f, "the revision has format {format}; this program reads format {FORMAT}")
            }
        }
    }
}

impl Error for RevisionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(&**error),
            Self::Format(_) => None,
        }
    }
}

/// Makes the bytes of a revision. The same documents in the same order are the same bytes.
pub fn encode(documents: &[Value]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    serde_json::to_writer(&mut encoder, &RevisionRef { documents, format: FORMAT })?;
    encoder.flush()?;
    encoder.finish()
}

/// Reads the documents of a revision.
pub fn decode(bytes: &[u8]) -> Result<Vec<Value>, RevisionError> {
    let mut json = Vec::new();
    let read = GzDecoder::new(bytes).take(MAX_BYTES + 1).read_to_end(&mut json);
    read.map_err(|error| RevisionError::Unreadable(error.into()))?;
    if json.len() as u64 > MAX_BYTES {
        return Err(RevisionError::Unreadable(format!("it unpacks to more than {MAX_BYTES} bytes").into()));
    }
    let read = serde_json::from_slice::<Revision>(&json);
    let read = read.map_err(|error| RevisionError::Unreadable(error.into()))?;
    if read.format == FORMAT { Ok(read.documents) } else { Err(RevisionError::Format(read.format)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::chain;
    use serde_json::json;

    #[test]
    fn documents_come_back_and_equal_ones_are_equal_bytes() {
        let documents = [json!({"flag": "a", "enabled": true}), json!({"flag": "b", "enabled": false})];
        let bytes = encode(&documents).unwrap();
        assert_eq!(decode(&bytes).unwrap(), documents);
        let same: Value = serde_json::from_str(r#"{"enabled": true, "flag": "a"}"#).unwrap();
        assert_eq!(encode(&[same, documents[1].clone()]).unwrap(), bytes);
    }

    #[test]
    fn what_is_no_revision_is_refused() {
        let bytes = encode(&[json!({"flag": "a"})]).unwrap();
        for bad in [&b""[..], b"{}", &bytes[..bytes.len() / 2]] {
            assert!(matches!(decode(bad), Err(RevisionError::Unreadable(_))));
        }
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        for _ in 0..65 {
            bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
        }
        assert!(chain(&decode(&bomb.finish().unwrap()).unwrap_err()).contains("more than"));
        let mut newer = GzEncoder::new(Vec::new(), Compression::fast());
        newer.write_all(br#"{"documents": [], "format": 2}"#).unwrap();
        assert!(matches!(decode(&newer.finish().unwrap()), Err(RevisionError::Format(2))));
    }
}
