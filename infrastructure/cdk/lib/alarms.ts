// What somebody is woken up for. Each alarm names its place in docs/runbook.md, and a test looks whether that is there.

import { ComparisonOperator, MathExpression, Stats } from "aws-cdk-lib/aws-cloudwatch";
import type { IMetric } from "aws-cdk-lib/aws-cloudwatch";
import { FIVE_MINUTES, MINUTE, deadPipeline, errorRate, hitRate, own, refusalRate, service, services, sum, unknownRate } from "./metrics";
import type { FunctionName } from "./permissions";
import { FUNCTIONS } from "./permissions";

/** What an alarm watches; physical names, which CloudWatch's dimensions are. */
export interface Watched {
  readonly functions: Readonly<Record<FunctionName, string>>;
  readonly tables: readonly string[];
  readonly stream: string;
  readonly archive: string;
  /** The UUID of the mapping from the stream to the event function. */
  readonly mapping: string;
  /** Whether Firehose converts lines, which can fail. */
  readonly converts: boolean;
  /** How many percent of the events may be such that no metric asks for; 100 for all of them, and no alarm. */
  readonly maxUnknownEvents: number;
}

export interface AlarmSpec {
  readonly name: string;
  /** A heading of docs/runbook.md. */
  readonly runbook: string;
  readonly says: string;
  readonly metric: IMetric;
  readonly threshold: number;
  /** Above it, if nothing is said. */
  readonly below?: boolean;
  /** In how many of how many periods; in one of one, if nothing is said. */
  readonly periods?: readonly [number, number];
  /** Whether no data at all is the fault, too. Elsewhere it says that nobody asked and nothing came. */
  readonly silenceIsFault?: boolean;
}

/** Targets of latency, in milliseconds: the handler's own time, without Lambda's before and behind it. */
const LATENCY = { assignment: { p50: 20, p99: 50 }, flags: { p50: 15, p99: 40 } } as const;
const BATCH_MS = 100;
/** In percent. */
const ERRORS = 0.1;
const HITS = 95;
const FALLBACKS = 1;
const REFUSALS = 1;
/** In seconds. A catalog is read again after some ten. */
const CATALOG_AGE = 60;
const ITERATOR_AGE = 60;
/** Firehose writes after five minutes, so what is this old has failed more than once. */
const ARCHIVE_AGE = 30 * 60;

export function alarms(watched: Watched): AlarmSpec[] {
  return [
    ...latency(watched), ...errors(watched), ...catalog(watched), ...events(watched), ...throttles(watched), ...archive(watched),
  ];
}

function latency({ functions }: Watched): AlarmSpec[] {
  const answering = (["assignment", "flags"] as const).flatMap((name) =>
    (["p50", "p99"] as const).map((quantile): AlarmSpec => ({
      name: `${name}-latency-${quantile}`,
      runbook: "latency",
      says: `The ${quantile} of ${name} is above ${LATENCY[name][quantile]} ms.`,
      metric: own(functions[name], "Latency", quantile),
      threshold: LATENCY[name][quantile],
      periods: [2, 3],
    })));
  return [...answering, {
    name: "events-batch-p99",
    runbook: "batch-latency",
    says: `The p99 of a batch is above ${BATCH_MS} ms.`,
    metric: own(functions.events, "Latency", "p99"),
    threshold: BATCH_MS,
    periods: [2, 3],
  }];
}

function errors(watched: Watched): AlarmSpec[] {
  const { assignment, flags } = watched.functions;
  const rates = FUNCTIONS.map((name): AlarmSpec => ({
    name: `${name}-errors`,
    runbook: "errors",
    says: `More than ${ERRORS} % of the invocations of ${name} fail.`,
    metric: errorRate(name, watched.functions[name]),
    threshold: ERRORS,
    periods: [2, 3],
  }));
  const fallbacks = new MathExpression({
    label: "%", period: FIVE_MINUTES,
    usingMetrics: { fallbacks: own(assignment, "StoreFallbacks"), requests: own(assignment, "Requests") },
    expression: "100 * fallbacks / requests",
  });
  const refusals = (["assignment", "flags"] as const).map((name): AlarmSpec => ({
    name: `${name}-refusals`,
    runbook: "refusals",
    says: `The URL of ${name} refuses more than ${REFUSALS} % of its requests: 403 (no permission) or 429 (no environment).`,
    metric: refusalRate(name, watched.functions[name]),
    threshold: REFUSALS,
    periods: [2, 3],
  }));
  return [...rates, ...refusals, {
    name: "assignment-store-fallbacks",
    runbook: "store-fallbacks",
    says: `More than ${FALLBACKS} % of the assignments are answered without the table, and not stored.`,
    metric: fallbacks,
    threshold: FALLBACKS,
    periods: [2, 3],
  }, {
    name: "events-lost",
    runbook: "events-lost",
    says: "Exposures or evaluations did not reach the stream.",
    metric: sum("events", [own(assignment, "EventsLost"), own(flags, "EventsLost")]),
    threshold: 0,
  }];
}

function catalog({ functions }: Watched): AlarmSpec[] {
  const hits = (["assignment", "flags"] as const).map((name): AlarmSpec => ({
    name: `${name}-catalog-hits`,
    runbook: "catalog-hits",
    says: `Less than ${HITS} % of the requests to ${name} find a catalog.`,
    metric: hitRate(name, functions[name]),
    threshold: HITS,
    below: true,
    periods: [2, 3],
  }));
  const ages = FUNCTIONS.map((name): AlarmSpec => ({
    name: `${name}-catalog-age`,
    runbook: "catalog-age",
    says: `The catalog of ${name} was not read for more than ${CATALOG_AGE} s.`,
    // Not the maximum: the first request after hours of silence may tell the age from before its refresh.
    metric: own(functions[name], "CatalogAge", "p50"),
    threshold: CATALOG_AGE,
    periods: [3, 3],
  }));
  return [...hits, ...ages];
}

function events(watched: Watched): AlarmSpec[] {
  const mapping = { EventSourceMappingUUID: watched.mapping };
  const { maxUnknownEvents } = watched;
  const unknown: AlarmSpec = {
    name: "unknown-events",
    runbook: "unknown-events",
    says: `More than ${maxUnknownEvents} % of the events are such that no metric asks for.`,
    metric: unknownRate(watched.functions.events),
    threshold: maxUnknownEvents,
    periods: [2, 3],
  };
  return [...(maxUnknownEvents < 100 ? [unknown] : []), {
    name: "quarantine",
    runbook: "quarantine",
    says: "Records came that can never be processed.",
    metric: own(watched.functions.events, "EventsQuarantined"),
    threshold: 0,
  }, {
    name: "iterator-age",
    runbook: "iterator-age",
    says: `The event function is more than ${ITERATOR_AGE} s behind the stream.`,
    metric: service("Lambda", "IteratorAge", { FunctionName: watched.functions.events }, Stats.MAXIMUM, MINUTE),
    threshold: ITERATOR_AGE * 1000,
    periods: [5, 5],
  }, {
    name: "dead-pipeline",
    runbook: "dead-pipeline",
    says: "Records come in and nothing is invoked, or nobody reads the stream.",
    metric: deadPipeline(watched.stream, watched.functions.events),
    threshold: 0,
    periods: [3, 3],
    silenceIsFault: true,
  }, {
    name: "given-up",
    runbook: "given-up",
    says: "Lambda gave up records of the stream: they are not counted.",
    metric: sum("records", services("Lambda", ["OnFailureDestinationDeliveredEventCount", "DroppedEventCount"], mapping)),
    threshold: 0,
  }];
}

function throttles(watched: Watched): AlarmSpec[] {
  const ofTables = watched.tables.flatMap((TableName) =>
    services("DynamoDB", ["ReadThrottleEvents", "WriteThrottleEvents"], { TableName }));
  const stream = { StreamName: watched.stream };
  return [{
    name: "function-throttles",
    runbook: "function-throttles",
    says: "Lambda refused invocations.",
    metric: sum("invocations", FUNCTIONS.map((name) =>
      service("Lambda", "Throttles", { FunctionName: watched.functions[name] }))),
    threshold: 0,
  }, {
    name: "table-throttles",
    runbook: "table-throttles",
    says: "DynamoDB refused reads or writes.",
    metric: sum("requests", ofTables),
    threshold: 0,
    periods: [2, 3],
  }, {
    name: "stream-throttles",
    runbook: "stream-throttles",
    says: "Kinesis refused records: a shard has too much to do.",
    metric: sum("records", services("Kinesis",
      ["WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded"], stream)),
    threshold: 0,
    periods: [2, 3],
  }];
}

function archive(watched: Watched): AlarmSpec[] {
  const stream = { DeliveryStreamName: watched.archive };
  const conversion: AlarmSpec = {
    name: "archive-conversion",
    runbook: "archive",
    says: "Firehose could not convert lines of the archive.",
    metric: service("Firehose", "FailedConversion.Records", stream),
    threshold: 0,
  };
  return [...(watched.converts ? [conversion] : []), {
    name: "archive-throttles",
    runbook: "archive",
    says: "Firehose refused lines of the archive.",
    metric: service("Firehose", "ThrottledRecords", stream),
    threshold: 0,
    periods: [2, 3],
  }, {
    name: "archive-age",
    runbook: "archive",
    says: `The archive was not written for more than ${ARCHIVE_AGE / 60} minutes.`,
    metric: service("Firehose", "DeliveryToS3.DataFreshness", stream, Stats.MAXIMUM),
    threshold: ARCHIVE_AGE,
    periods: [2, 3],
  }];
}

export function comparison(spec: AlarmSpec): ComparisonOperator {
  return spec.below === true ? ComparisonOperator.LESS_THAN_THRESHOLD : ComparisonOperator.GREATER_THAN_THRESHOLD;
}
