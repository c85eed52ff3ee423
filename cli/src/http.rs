//! Connections by HTTP, with or without TLS.

use crate::error::Error;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use std::time::Duration;

/// Makes what connects to a server, with the certificates that this machine trusts.
pub fn connector(patience: Duration) -> Result<HttpsConnector<HttpConnector>, Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(patience));
    let builder = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|error| Error::world("the certificates of this machine").because(error))?;
    Ok(builder.https_or_http().enable_http1().wrap_connector(tcp))
}
