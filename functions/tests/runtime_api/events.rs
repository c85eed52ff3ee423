//! Requests as API Gateway, function URLs and load balancers send them, with the fields of each.

use serde_json::{Value, json};

/// A `GET` in every form; each has the same path and query.
pub(crate) fn gets(path: &str, user: &str, key: &str) -> [(&'static str, Value); 5] {
    let query = format!("user_id={user}&experiment_key={key}");
    let parameters = json!({"user_id": user, "experiment_key": key});
    let lists = json!({"user_id": [user], "experiment_key": [key]});
    let v1 = json!({
        "resource": "/{proxy+}", "path": path, "httpMethod": "GET",
        "headers": {"Host": "api.example", "X-Request-Id": "theirs"},
        "multiValueHeaders": {"Host": ["api.example"], "X-Request-Id": ["theirs"]},
        "queryStringParameters": parameters, "multiValueQueryStringParameters": lists,
        "pathParameters": {"proxy": "assign"}, "stageVariables": null,
        "requestContext": {"resourceId": "x", "stage": "prod", "requestId": "gateway", "httpMethod": "GET",
            "path": format!("/prod{path}"), "identity": {"sourceIp": "192.0.2.1"}, "apiId": "a"},
        "body": null, "isBase64Encoded": false,
    });
    let alb = json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/1"}},
        "httpMethod": "GET", "path": path, "queryStringParameters": parameters,
        "headers": {"host": "lb.example"}, "body": "", "isBase64Encoded": false,
    });
    let mut alb_lists = alb.clone();
    let fields = alb_lists.as_object_mut().unwrap();
    fields.remove("headers");
    fields.remove("queryStringParameters");
    fields.insert("multiValueHeaders".into(), json!({"host": ["lb.example"]}));
    fields.insert("multiValueQueryStringParameters".into(), lists);
    [
        ("payload 1.0", v1),
        ("payload 2.0", v2("GET", "prod", &format!("/prod{path}"), &query, &Value::Null)),
        ("function URL", v2("GET", "$default", path, &query, &Value::Null)),
        ("load balancer", alb),
        ("load balancer, lists", alb_lists),
    ]
}

/// Payload 2.0.
pub(crate) fn v2(method: &str, stage: &str, path: &str, query: &str, body: &Value) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": {"host": "api.example", "content-type": "application/json"}, "cookies": ["a=b"],
        "requestContext": {"accountId": "1", "apiId": "a", "domainName": "api.example", "requestId": "gateway",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
            "stage": stage, "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1_773_342_238_000_u64},
        "body": body, "isBase64Encoded": false,
    })
}

/// A `POST` of JSON.
pub(crate) fn post(path: &str, body: &Value) -> Value {
    v2("POST", "$default", path, "", &Value::String(body.to_string()))
}
