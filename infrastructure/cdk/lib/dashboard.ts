// One page: what is asked, how fast and how well it is answered, and how far the counting is.

import { Dashboard, GraphWidget, TextWidget } from "aws-cdk-lib/aws-cloudwatch";
import type { IMetric, IWidget } from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";
import type { Watched } from "./alarms";
import { MINUTE, errorRate, hitRate, own, service } from "./metrics";
import { FUNCTIONS } from "./permissions";

/** Three graphs stand in a row of 24 columns. */
const WIDTH = 8;

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

/** A metric of Lambda for each function. */
function ofLambda(watched: Watched, metric: string, statistic: string): IMetric[] {
  return FUNCTIONS.map((name) =>
    service("Lambda", metric, { FunctionName: watched.functions[name] }, statistic, MINUTE).with({ label: `${name} ${statistic}` }));
}

function requests(watched: Watched): IWidget[] {
  return [
    graph("Invocations", ofLambda(watched, "Invocations", "Sum"), "a minute"),
    graph("Concurrency", ofLambda(watched, "ConcurrentExecutions", "Maximum"), "at once"),
    graph("Throttles", ofLambda(watched, "Throttles", "Sum"), "a minute"),
    graph("Duration, as Lambda sees it",
      [...ofLambda(watched, "Duration", "p50"), ...ofLambda(watched, "Duration", "p99")], "ms"),
    graph("Latency of the handlers", FUNCTIONS.flatMap((name) =>
      ["p50", "p99"].map((quantile) => own(name, "Latency", quantile, MINUTE).with({ label: `${name} ${quantile}` }))), "ms"),
    graph("Cold starts", FUNCTIONS.map((name) => own(name, "ColdStarts", "Sum", MINUTE).with({ label: name })), "a minute"),
  ];
}

function answers(watched: Watched): IWidget[] {
  const [assignment, flags] = ["assignment", "flags"] as const;
  return [
    graph("Errors", FUNCTIONS.map((name) => errorRate(name, watched.functions[name])), "%"),
    graph("Catalog found", [hitRate(assignment), hitRate(flags)], "%"),
    graph("Age of the catalog", [own(assignment, "CatalogAge", "Maximum"), own(flags, "CatalogAge", "Maximum")], "s"),
    graph("Assignments remembered", [own(assignment, "CacheHits"), own(assignment, "CacheMisses"), own(assignment, "StoreFallbacks")],
      "in 5 minutes"),
    graph("Events to the stream", [assignment, flags].flatMap((name) =>
      (["EventsSent", "EventsLost"] as const).map((metric) => own(name, metric).with({ label: `${name} ${metric}` }))), "in 5 minutes"),
    graph("Refused and broken", [assignment, flags].flatMap((name) =>
      (["ClientErrors", "Panics"] as const).map((metric) => own(name, metric).with({ label: `${name} ${metric}` }))), "in 5 minutes"),
  ];
}

function events(watched: Watched): IWidget[] {
  return [
    graph("Iterator age", [service("Lambda", "IteratorAge", { FunctionName: watched.functions.events }, "Maximum", MINUTE)], "ms"),
    graph("Events", (["EventsAccepted", "EventsDuplicate", "EventsLate", "EventsUnattributed", "EventsQuarantined"] as const)
      .map((metric) => own("events", metric)), "in 5 minutes"),
    graph("Batches", (["Requests", "BatchesReturned", "CommitRetries"] as const).map((metric) => own("events", metric)), "in 5 minutes"),
  ];
}

function stores(watched: Watched): IWidget[] {
  const stream = { StreamName: watched.stream };
  const archive = { DeliveryStreamName: watched.archive };
  const ofTables = (metric: string) => watched.tables.map((TableName) =>
    service("DynamoDB", metric, { TableName }, "Sum", MINUTE).with({ label: TableName }));
  return [
    graph("DynamoDB writes", ofTables("ConsumedWriteCapacityUnits"), "WCU a minute", ofTables("WriteThrottleEvents")),
    graph("Kinesis", [service("Kinesis", "IncomingRecords", stream), service("Kinesis", "WriteProvisionedThroughputExceeded", stream)],
      "in 5 minutes"),
    graph("Firehose", [service("Firehose", "IncomingRecords", archive), service("Firehose", "ThrottledRecords", archive)],
      "in 5 minutes", [service("Firehose", "DeliveryToS3.DataFreshness", archive, "Maximum")]),
  ];
}
