//! The services within the process of their clients.

use crate::aws::Aws;
use abx_functions::adapters::aws::{SdkConfig, emulator};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use std::sync::Arc;

/// With a paused clock a run takes no time, and is the same for a seed.
#[derive(Debug, Clone)]
struct InProcess(Arc<Aws>);

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let aws = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap();
            let operation = target.rsplit('.').next().unwrap();
            let answer = aws.meet(operation, request.body().bytes().unwrap()).await;
            let (status, json) = answer.ok_or_else(|| ConnectorError::io("the connection ended".into()))?;
            Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(json)))
        })
    }
}

/// The configuration of clients of the services, without a network between them.
pub(crate) fn in_process(aws: &Arc<Aws>) -> SdkConfig {
    let connector = SharedHttpConnector::new(InProcess(Arc::clone(aws)));
    let config = emulator("http://aws.test").into_builder();
    config.http_client(http_client_fn(move |_, _| connector.clone())).build()
}
