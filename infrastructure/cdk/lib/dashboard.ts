// One page: what is asked, how fast and how well it is answered, and how far the counting is.

import { Dashboard, GraphWidget, TextWidget } from "aws-cdk-lib/aws-cloudwatch";
import type { IMetric, IWidget } from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";
import type { Watched } from "./alarms";
import { MINUTE, errorRate, hitRate, own, refusalRate, service } from "./metrics";
import type { OwnMetric } from "./metrics";
import { FUNCTIONS } from "./permissions";
import type { FunctionName } from "./permissions";

/** Three graphs stand in a row of 24 columns. */
const WIDTH = 8;
/** What is counted is counted in the periods of the alarms. */
const FIVE = "in 5 minutes";

export function dashboard(scope: Construct, name: string, watched: Watched): Dashboard {
  return new Dashboard(scope, "Dashboard", {
    dashboardName: name,
    widgets: [
      row("## Requests", requests(watched)),
      row("## Answers", answers(watched)),
      row("## Events", events(watched)),
      row("## Stores", stores(watched)),
    ],
  });
}

function row(title: string, graphs: readonly IWidget[]): IWidget[] {
  return [new TextWidget({ markdown: title, width: 24, height: 1 }), ...graphs];
}

function graph(title: string, left: IMetric[], unit: string, right: IMetric[] = []): GraphWidget {
  return new GraphWidget({ title, left, right, width: WIDTH, leftYAxis: { label: unit, showUnits: false, min: 0 } });
}

/** Metrics of functions' own, each of each. */
function ownOf(watched: Watched, names: readonly FunctionName[], metrics: readonly OwnMetric[]): IMetric[] {
  return names.flatMap((name) => metrics.map((metric) => own(watched.functions[name], metric).with({ label: `${name} ${metric}` })));
}

/** A metric of Lambda for each function. */
function ofLambda(watched: Watched, metric: string, statistic: string): IMetric[] {
  return FUNCTIONS.map((name) =>
    service("Lambda", metric, { FunctionName: watched.functions[name] }, statistic, MINUTE)
      .with({ label: `${name} ${statistic}` }));
}

function requests(watched: Watched): IWidget[] {
  return [
    graph("Invocations", ofLambda(watched, "Invocations", "Sum"), "a minute"),
    graph("Concurrency", ofLambda(watched, "ConcurrentExecutions", "Maximum"), "at once"),
    graph("Throttles", ofLambda(watched, "Throttles", "Sum"), "a minute"),
    graph("Duration, as Lambda sees it",
      [...ofLambda(watched, "Duration", "p50"), ...ofLambda(watched, "Duration", "p99")], "ms"),
    graph("Latency of the handlers", FUNCTIONS.flatMap((name) =>
      ["p50", "p99"].map((quantile) => own(watched.functions[name], "Latency", quantile, MINUTE).with({ label: `${name} ${quantile}` }))), "ms"),
    graph("Cold starts", FUNCTIONS.map((name) => own(watched.functions[name], "ColdStarts", "Sum", MINUTE).with({ label: name })), "a minute"),
  ];
}

function answers(watched: Watched): IWidget[] {
  const [assignment, flags] = ["assignment", "flags"] as const;
  return [
    graph("Errors", FUNCTIONS.map((name) => errorRate(name, watched.functions[name])), "%"),
    graph("Catalog found", [assignment, flags].map((name) => hitRate(name, watched.functions[name])), "%"),
    graph("Age of the catalog", FUNCTIONS.map((name) =>
      own(watched.functions[name], "CatalogAge", "Maximum").with({ label: name })), "s"),
    graph("Assignments remembered, read and written",
      ownOf(watched, [assignment], ["CacheHits", "CacheMisses", "StoreReads", "StoreWrites", "StoreFallbacks"]), FIVE),
    graph("Events to the stream", ownOf(watched, [assignment, flags], ["EventsSent", "EventsLost"]), FIVE),
    graph("Refused and broken", ownOf(watched, [assignment, flags], ["ClientErrors", "Panics"]), FIVE),
    graph("Refused by the URLs: 403, 429", [assignment, flags].map((name) => refusalRate(name, watched.functions[name])), "%"),
  ];
}

function events(watched: Watched): IWidget[] {
  const { events: FunctionName } = watched.functions;
  const taken = [
    "EventsAccepted", "EventsDuplicate", "EventsOutsideIdWindow", "EventsLate", "EventsUnattributed", "EventsMisrouted", "EventsUnknown",
    "EventsQuarantined",
  ] as const;
  return [
    graph("Iterator age", [service("Lambda", "IteratorAge", { FunctionName }, "Maximum", MINUTE)], "ms"),
    graph("Events", ownOf(watched, ["events"], taken), FIVE),
    graph("Batches", ownOf(watched, ["events"], ["Requests", "BatchesReturned", "CommitRetries"]), FIVE),
  ];
}

function stores(watched: Watched): IWidget[] {
  const stream = { StreamName: watched.stream };
  const archive = { DeliveryStreamName: watched.archive };
  const ofTables = (metric: string) => watched.tables.map((TableName) =>
    service("DynamoDB", metric, { TableName }, "Sum", MINUTE).with({ label: TableName }));
  return [
    graph("DynamoDB writes", ofTables("ConsumedWriteCapacityUnits"), "WCU a minute", ofTables("WriteThrottleEvents")),
    graph("Kinesis", ["IncomingRecords", "GetRecords.Success", "WriteProvisionedThroughputExceeded"].map((it) => service("Kinesis", it, stream)), FIVE),
    graph("Firehose", ["IncomingRecords", "ThrottledRecords"].map((it) => service("Firehose", it, archive)), FIVE,
      [service("Firehose", "DeliveryToS3.DataFreshness", archive, "Maximum")]),
  ];
}
