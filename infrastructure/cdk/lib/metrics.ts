// What is measured: by the functions themselves (functions/src/telemetry/) and by the services around them.

import { Duration } from "aws-cdk-lib";
import { MathExpression, Metric } from "aws-cdk-lib/aws-cloudwatch";
import type { IMetric } from "aws-cdk-lib/aws-cloudwatch";
import type { FunctionName } from "./permissions";

/** The namespace of the functions' own metrics. */
export const NAMESPACE = "abx";
/** Their one dimension: the name that a function is deployed under, so that stages share none. */
export const DIMENSION = "FunctionName";

export const MINUTE = Duration.minutes(1);
export const FIVE_MINUTES = Duration.minutes(5);

/** The functions' own metrics that a dashboard or an alarm reads; a test looks each up in the functions' source. */
export type OwnMetric =
  | "Requests" | "ServerErrors" | "ClientErrors" | "ColdStarts" | "Latency" | "CatalogAge"
  | "CacheHits" | "CacheMisses" | "StoreReads" | "StoreWrites" | "StoreFallbacks" | "EventsSent" | "EventsLost" | "CatalogHits" | "CatalogMisses"
  | "Panics" | "EventsAccepted" | "EventsDuplicate" | "EventsLate" | "EventsUnattributed" | "EventsMisrouted" | "EventsUnknown" | "EventsQuarantined"
  | "EventsOutsideIdWindow" | "CommitRetries" | "BatchesReturned";

/** A metric of a function's own, by the name that it is deployed under. */
export function own(functionName: string, metricName: OwnMetric, statistic = "Sum", period = FIVE_MINUTES): Metric {
  return new Metric({ namespace: NAMESPACE, metricName, dimensionsMap: { [DIMENSION]: functionName }, statistic, period });
}

/** A metric of a service, of one thing. */
export function service(
  namespace: string, metricName: string, dimensionsMap: Record<string, string>, statistic = "Sum", period = FIVE_MINUTES,
): Metric {
  return new Metric({ namespace: `AWS/${namespace}`, metricName, dimensionsMap, statistic, period });
}

/** Several metrics of a service, of one thing. */
export function services(namespace: string, metricNames: readonly string[], dimensionsMap: Record<string, string>): Metric[] {
  return metricNames.map((metricName) => service(namespace, metricName, dimensionsMap));
}

/** Metrics that are seldom written, together: a sum of a list leaves out what is missing, where `+` would be missing itself. */
export function sum(label: string, metrics: readonly IMetric[], period = FIVE_MINUTES): MathExpression {
  const usingMetrics = Object.fromEntries(metrics.map((metric, index) => [`m${index}`, metric]));
  return new MathExpression({ label, period, usingMetrics, expression: `SUM([${Object.keys(usingMetrics).join(", ")}])` });
}

/** A share of lookups that found a catalog, in percent. With misses alone it is 0, and not missing. */
export function hitRate(name: FunctionName, functionName: string): MathExpression {
  return percent(name, `100 - 100 * FILL(${name}Misses, 0) / SUM([${name}Hits, ${name}Misses])`, {
    [`${name}Hits`]: own(functionName, "CatalogHits"),
    [`${name}Misses`]: own(functionName, "CatalogMisses"),
  });
}

/** What went wrong of what was asked, in percent: errors of the function, and answers of 500 and above. */
export function errorRate(name: FunctionName, functionName: string, period = FIVE_MINUTES): MathExpression {
  const dimensions = { FunctionName: functionName };
  const ofLambda = {
    [`${name}Errors`]: service("Lambda", "Errors", dimensions, "Sum", period),
    [`${name}Invocations`]: service("Lambda", "Invocations", dimensions, "Sum", period),
  };
  // A batch that is given back counts as 503 among the event function's own metrics, and comes again: that is no error.
  return name === "events"
    ? percent(name, `100 * ${name}Errors / ${name}Invocations`, ofLambda, period)
    : percent(name, `100 * SUM([${name}Errors, ${name}Answered]) / ${name}Invocations`, {
      ...ofLambda, [`${name}Answered`]: own(functionName, "ServerErrors", "Sum", period),
    }, period);
}

/** Events that no metric asks for, in percent of the events that were taken, which they are among. */
export function unknownRate(functionName: string): MathExpression {
  return percent("events", "100 * unknown / taken", {
    unknown: own(functionName, "EventsUnknown"),
    taken: own(functionName, "EventsAccepted"),
  });
}

/**
 * What a function URL refuses before the function is asked, in percent of its requests: 403 without permission, 429 without an
 * environment. Answers of 400 to 499 of the function itself (an experiment that is not known) are taken out.
 */
export function refusalRate(name: FunctionName, functionName: string): MathExpression {
  const dimensions = { FunctionName: functionName };
  return percent(name, `100 * (${name}Url4xx - FILL(${name}Answered4xx, 0)) / ${name}UrlRequests`, {
    [`${name}Url4xx`]: service("Lambda", "Url4xxCount", dimensions),
    [`${name}Answered4xx`]: own(functionName, "ClientErrors"),
    [`${name}UrlRequests`]: service("Lambda", "UrlRequestCount", dimensions),
  });
}

/**
 * 1 where records come in and nothing is invoked, or nobody reads the stream; else 0. Lambda reads every shard once a second, with
 * records or without: where even that is missing, the result is missing as well, which is the fault and no silence.
 */
export function deadPipeline(streamName: string, functionName: string): MathExpression {
  const stream = { StreamName: streamName };
  return new MathExpression({
    label: "dead", period: FIVE_MINUTES,
    usingMetrics: {
      reads: service("Kinesis", "GetRecords.Success", stream),
      incoming: service("Kinesis", "IncomingRecords", stream),
      invocations: service("Lambda", "Invocations", { FunctionName: functionName }),
    },
    // A sum of a list leaves out what is missing, and `0 * reads` is there whenever somebody reads.
    expression: "IF(reads < 1 OR (SUM([incoming, 0 * reads]) > 0 AND SUM([invocations, 0 * reads]) < 1), 1, 0)",
  });
}

/** In one graph every metric has another id, so each is named after its function. */
function percent(
  name: FunctionName, expression: string, usingMetrics: Record<string, IMetric>, period = FIVE_MINUTES,
): MathExpression {
  return new MathExpression({ label: `${name} %`, period, usingMetrics, expression });
}
