// What is measured: by the functions themselves (functions/src/telemetry/) and by the services around them.

import { Duration } from "aws-cdk-lib";
import { MathExpression, Metric } from "aws-cdk-lib/aws-cloudwatch";
import type { IMetric } from "aws-cdk-lib/aws-cloudwatch";
import type { FunctionName } from "./permissions";

/** The namespace of the functions' own metrics, which have one dimension: the stage is not in it. */
export const NAMESPACE = "abx";

export const MINUTE = Duration.minutes(1);
export const FIVE_MINUTES = Duration.minutes(5);

/** The functions' own metrics that a dashboard or an alarm reads; a test looks each up in the functions' source. */
export type OwnMetric =
  | "Requests" | "ServerErrors" | "ClientErrors" | "ColdStarts" | "Latency" | "CatalogAge"
  | "CacheHits" | "CacheMisses" | "StoreFallbacks" | "EventsSent" | "EventsLost" | "CatalogHits" | "CatalogMisses"
  | "Panics" | "EventsAccepted" | "EventsDuplicate" | "EventsLate" | "EventsUnattributed" | "EventsUnknown" | "EventsQuarantined"
  | "CommitRetries" | "BatchesReturned";

/** A metric of a function's own. */
export function own(name: FunctionName, metricName: OwnMetric, statistic = "Sum", period = FIVE_MINUTES): Metric {
  return new Metric({ namespace: NAMESPACE, metricName, dimensionsMap: { Function: name }, statistic, period });
}

/** A metric of a service, of one thing. */
export function service(
  namespace: string, metricName: string, dimensionsMap: Record<string, string>, statistic = "Sum", period = FIVE_MINUTES,
): Metric {
  return new Metric({ namespace: `AWS/${namespace}`, metricName, dimensionsMap, statistic, period });
}

/** Metrics that are seldom written, together: a sum of a list leaves out what is missing, where `+` would be missing itself. */
export function sum(label: string, metrics: readonly IMetric[], period = FIVE_MINUTES): MathExpression {
  const usingMetrics = Object.fromEntries(metrics.map((metric, index) => [`m${index}`, metric]));
  return new MathExpression({ label, period, usingMetrics, expression: `SUM([${Object.keys(usingMetrics).join(", ")}])` });
}

/** A share of lookups that found a catalog, in percent. With misses alone it is 0, and not missing. */
export function hitRate(name: FunctionName): MathExpression {
  return percent(name, `100 - 100 * FILL(${name}Misses, 0) / SUM([${name}Hits, ${name}Misses])`, {
    [`${name}Hits`]: own(name, "CatalogHits"),
    [`${name}Misses`]: own(name, "CatalogMisses"),
  });
}

/** What went wrong of what was asked, in percent: errors of the function, and answers of 500 and above. */
export function errorRate(name: FunctionName, functionName: string): MathExpression {
  const dimensions = { FunctionName: functionName };
  const ofLambda = {
    [`${name}Errors`]: service("Lambda", "Errors", dimensions),
    [`${name}Invocations`]: service("Lambda", "Invocations", dimensions),
  };
  // A batch that is given back counts as 503 among the event function's own metrics, and comes again: that is no error.
  return name === "events"
    ? percent(name, `100 * ${name}Errors / ${name}Invocations`, ofLambda)
    : percent(name, `100 * SUM([${name}Errors, ${name}Answered]) / ${name}Invocations`, {
      ...ofLambda, [`${name}Answered`]: own(name, "ServerErrors"),
    });
}

/** In one graph every metric has another id, so each is named after its function. */
function percent(name: FunctionName, expression: string, usingMetrics: Record<string, IMetric>): MathExpression {
  return new MathExpression({ label: `${name} %`, period: FIVE_MINUTES, usingMetrics, expression });
}
