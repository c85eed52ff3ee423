//! DynamoDB and Firehose as far as the adapters use them, in memory. A seed draws how long each call takes and which calls fail.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A lognormal distribution of latencies, by its median and its 99th percentile in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Latency {
    fn draw(self, random: &mut fastrand::Rng) -> Duration {
        /// The 99th percentile of the standard normal distribution.
        const Z99: f64 = 2.326_347_9;
        let sigma = (self.p99 / self.p50).ln() / Z99;
        // Box and Muller's way from two uniform numbers to a normal one; 1 - x keeps 0 out of the logarithm.
        let normal = (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (TAU * random.f64()).cos();
        Duration::from_secs_f64(self.p50 * (sigma * normal).exp() / 1000.0)
    }
}

/// The fault that a call can meet instead of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No answer, ever.
    Hung,
    /// The connection ends before the answer.
    Closed,
    /// An answer that is cut in half.
    Garbled,
    /// A refusal: too many requests.
    Throttled,
}

pub(crate) const FAULTS: [Fault; 4] = [Fault::Hung, Fault::Closed, Fault::Garbled, Fault::Throttled];

/// The latencies and faults of the services.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) put: Latency,
    pub(crate) get: Latency,
    pub(crate) transact: Latency,
    pub(crate) firehose: Latency,
    /// The fault that a call meets, and its share of all calls.
    pub(crate) fault: Option<(Fault, f64)>,
}

impl Plan {
    /// A region on an ordinary day.
    pub(crate) const USUAL: Self = Self {
        put: Latency { p50: 4.0, p99: 15.0 },
        get: Latency { p50: 6.0, p99: 20.0 },
        transact: Latency { p50: 10.0, p99: 30.0 },
        firehose: Latency { p50: 20.0, p99: 80.0 },
        fault: None,
    };
    /// Writes with a long tail.
    pub(crate) const SLOW_PUTS: Self = Self { put: Latency { p50: 8.0, p99: 60.0 }, ..Self::USUAL };

    fn of(&self, operation: &str) -> Latency {
        match operation {
            "PutItem" => self.put,
            "TransactWriteItems" => self.transact,
            "PutRecordBatch" => self.firehose,
            _ => self.get,
        }
    }
}

/// A table, a partition key and a sort key.
type Place = (String, String, String);

/// The services.
#[derive(Debug)]
pub(crate) struct Aws {
    plan: Plan,
    random: Mutex<fastrand::Rng>,
    items: Mutex<HashMap<Place, Value>>,
}

impl Aws {
    pub(crate) fn new(plan: Plan, seed: u64) -> Arc<Self> {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        Arc::new(Self { plan, random, items: Mutex::default() })
    }

    /// The item that is stored under a key.
    pub(crate) fn item(&self, table: &str, partition: &str, sort: &str) -> Option<Value> {
        self.items.lock().unwrap().get(&(table.into(), partition.into(), sort.into())).cloned()
    }

    /// Answers a call after its time; `None` if the connection ends instead. Half of the calls whose answer is lost are done.
    pub(crate) async fn meet(&self, operation: &str, body: &[u8]) -> Option<(u16, String)> {
        let (latency, fault, done) = {
            let mut random = self.random.lock().unwrap();
            let latency = self.plan.of(operation).draw(&mut random);
            let fault = self.plan.fault.filter(|(_, share)| random.f64() < *share).map(|(fault, _)| fault);
            (latency, fault, random.bool())
        };
        tokio::time::sleep(latency).await;
        let mut answered = None;
        if fault.is_none() || done && fault != Some(Fault::Throttled) {
            answered = Some(self.answer(operation, body));
        }
        match fault {
            None => answered,
            Some(Fault::Hung) => std::future::pending().await,
            Some(Fault::Closed) => None,
            Some(Fault::Garbled) => Some((200, r#"{"Attributes": {"variant": {"S"#.to_owned())),
            Some(Fault::Throttled) => {
                Some((400, json!({"__type": "ThrottlingException", "message": "slow down"}).to_string()))
            }
        }
    }

    fn answer(&self, operation: &str, body: &[u8]) -> (u16, String) {
        let body: Value = serde_json::from_slice(body).unwrap();
        let answer = match operation {
            "PutItem" => return self.put_item(&body),
            "GetItem" => match self.items.lock().unwrap().get(&place(&body["TableName"], &body["Key"])) {
                Some(item) => json!({"Item": item}),
                None => json!({}),
            },
            "BatchGetItem" => self.batch_get_item(&body),
            "Query" => json!({"Items": [], "Count": 0, "ScannedCount": 0}),
            "TransactWriteItems" => json!({}),
            "PutRecordBatch" => {
                let count = body["Records"].as_array().unwrap().len();
                json!({"FailedPutCount": 0, "RequestResponses": vec![json!({"RecordId": "r"}); count]})
            }
            other => panic!("nobody calls {other}"),
        };
        (200, answer.to_string())
    }

    /// Every condition here holds where nothing stands.
    fn put_item(&self, body: &Value) -> (u16, String) {
        let mut items = self.items.lock().unwrap();
        let place = place(&body["TableName"], &body["Item"]);
        if let Some(there) = items.get(&place) {
            let refusal =
                json!({"__type": "ConditionalCheckFailedException", "message": "no", "Item": there});
            return (400, refusal.to_string());
        }
        items.insert(place, body["Item"].clone());
        (200, "{}".to_owned())
    }

    fn batch_get_item(&self, body: &Value) -> Value {
        let items = self.items.lock().unwrap();
        let (table, asked) = body["RequestItems"].as_object().unwrap().iter().next().unwrap();
        assert_eq!(asked["ConsistentRead"], true);
        let of = |key| items.get(&place(&json!(table), key));
        let found: Vec<_> = asked["Keys"].as_array().unwrap().iter().filter_map(of).collect();
        json!({"Responses": {table: found}, "UnprocessedKeys": {}})
    }
}

/// The place of an item; marks and assignments name their keys differently.
fn place(table: &Value, item: &Value) -> Place {
    let text = |names: [&str; 2]| {
        let value = names.iter().find_map(|name| item.get(name)).unwrap();
        value["S"].as_str().unwrap().to_owned()
    };
    (table.as_str().unwrap().to_owned(), text(["unit", "user_id"]), text(["sk", "experiment_key"]))
}
