import assert from "node:assert/strict";
import { test } from "node:test";
import { Annotations, Match, Template } from "aws-cdk-lib/assertions";
import { alarms } from "../lib/alarms";
import { ASSUMPTIONS } from "../lib/costs";
import { DIMENSION, NAMESPACE, deadPipeline } from "../lib/metrics";
import { firsts, objects, rust, sorted, source, synth } from "./synth";
import type { Json } from "./synth";

const dev = synth();
const loud = synth({ alarmEmail: "ops@example.com" });
const template = dev.monitoring.toJSON() as Json;

const metrics = rust("functions/src/telemetry/metrics.rs");
const emf = rust("functions/src/telemetry/emf.rs");

type Alarm = { AlarmName: string; AlarmDescription: string; Threshold: number; TreatMissingData: string; Metrics?: { MetricStat?: unknown }[] };
const alarmsOf = (made: Template) =>
  Object.values(made.findResources("AWS::CloudWatch::Alarm")).map((it) => it["Properties"] as Alarm);
const deployed = alarmsOf(dev.monitoring);
/** With those that a canary needs beside its function. */
const ofProd = [synth({ stage: "prod" })].flatMap(({ monitoring, functions }) => [monitoring, functions].flatMap(alarmsOf));

test("a metric that an alarm or the dashboard reads is one that the functions write", () => {
  const written = [...firsts(metrics, /^ {8}(\w+),$/gm), ...firsts(emf, /\("(\w+)", (?:"|metrics\.)/g)];
  const functions = firsts(/pub enum Function: "snake_case" \{(.*?)\n {4}\}/s.exec(rust("functions/src/settings.rs"))?.[1] ?? "", /^ {8}(\w+),$/gm)
    .map((name) => name.toLowerCase());
  const [dimensionName] = firsts(emf, /const DIMENSION: &str = "(\w+)";/g);
  assert.equal(dimensionName, DIMENSION);
  assert.deepEqual(firsts(emf, /const NAMESPACE: &str = "(\w+)";/g), [NAMESPACE]);
  const ofAlarms = objects(template).filter((it) => it["Namespace"] === NAMESPACE);
  const board = JSON.stringify(dev.monitoring.findResources("AWS::CloudWatch::Dashboard")).replaceAll("\\", "");
  const shown = [...board.matchAll(/"abx","(\w+)","FunctionName","abx-dev-(\w+)"/g)]
    .map(([, metric = "", name = ""]) => [metric, name] as const);
  const read = [...ofAlarms.map((it) => {
    const [dimension, ...others] = it["Dimensions"] as readonly { Name: string; Value: string }[];
    assert.deepEqual([dimension?.Name, others], [dimensionName, []], "the lines of metrics have this one dimension");
    return [String(it["MetricName"]), dimension?.Value.replace("abx-dev-", "") ?? ""] as const;
  }), ...shown];
  assert.ok(ofAlarms.length >= 10 && shown.length >= 20, `${ofAlarms.length} and ${shown.length}`);
  for (const [metric, name] of read) {
    assert.ok(written.includes(metric), `${metric} is written nowhere`);
    assert.ok(functions.includes(name), `${name} is no function`);
  }
});

test("the targets have alarms", () => {
  const threshold = (name: string) => deployed.find((it) => it.AlarmName === `abx-dev-${name}`)?.Threshold;
  const targets = {
    "assignment-latency-p50": 20, "assignment-latency-p99": 50, "flags-latency-p50": 15, "flags-latency-p99": 40,
    "events-batch-p99": 100, "assignment-errors": 0.1, "flags-errors": 0.1, "events-errors": 0.1,
    "assignment-catalog-hits": 95, "flags-catalog-hits": 95, "quarantine": 0,
  };
  for (const [name, target] of Object.entries(targets)) {
    assert.equal(threshold(name), target, name);
  }
});

test("every alarm names a place in the runbook, and every place there has an alarm", () => {
  const headings = firsts(source("docs/runbook.md"), /^## ([a-z-]+)$/gm);
  const named = ofProd.map((it) => /docs\/runbook\.md#([a-z-]+)$/.exec(it.AlarmDescription)?.[1] ?? it.AlarmDescription);
  assert.deepEqual(sorted(named), sorted(headings));
});

test("no alarm has more metrics than CloudWatch takes, and the costs count them all", () => {
  const counts = ofProd.map((it) => it.Metrics?.filter((metric) => metric.MetricStat !== undefined).length ?? 1);
  assert.ok(Math.max(...counts) <= 10, String(counts));
  assert.equal(counts.reduce((sum, count) => sum + count, 0), ASSUMPTIONS.alarmMetrics);
});

test("somebody hears of alarms if an address is given", () => {
  dev.monitoring.resourceCountIs("AWS::SNS::Topic", 0);
  loud.monitoring.resourceCountIs("AWS::SNS::Topic", 1);
  loud.monitoring.hasResourceProperties("AWS::SNS::Subscription", { Protocol: "email", Endpoint: "ops@example.com" });
  const heard = Object.values(loud.monitoring.findResources("AWS::CloudWatch::Alarm"))
    .map((it) => it["Properties"] as { AlarmActions?: unknown[] });
  assert.ok(heard.every((it) => it.AlarmActions?.length === 1));
  loud.monitoring.hasResourceProperties("AWS::SNS::TopicPolicy", { PolicyDocument: { Statement: Match.arrayWith([
    Match.objectLike({ Effect: "Allow", Action: "sns:Publish", Principal: { Service: "cloudwatch.amazonaws.com" } }),
  ]) } });
});

test("silence is an alarm where it is the fault, and nowhere else", () => {
  const treated = (how: string) => deployed.filter((it) => it.TreatMissingData === how).map((it) => it.AlarmName);
  assert.deepEqual(treated("breaching"), ["abx-dev-dead-pipeline"]);
  assert.equal(treated("notBreaching").length, deployed.length - 1);
  const functions = { assignment: "a", flags: "f", events: "e" };
  const names = { functions, tables: ["t"], stream: "s", archive: "d", mapping: "m", converts: false, maxUnknownEvents: 5 };
  assert.equal(deployed.length, alarms(names).length);
});

/** An expression of CloudWatch over numbers, as TypeScript has it; what is missing is `undefined`, and makes the result missing. */
function evaluate(expression: string, values: Record<string, number | undefined>): number | undefined {
  const text = expression.replaceAll(" OR ", " || ").replaceAll(" AND ", " && ").replaceAll("IF(", "choose(");
  const names = Object.keys(values);
  const sum = (list: number[]) => list.filter((it) => !Number.isNaN(it)).reduce((all, it) => all + it, 0);
  const choose = (condition: boolean, then: number, otherwise: number) => (condition ? then : otherwise);
  const missing = names.some((name) => values[name] === undefined && new RegExp(`\\b${name} [<>]`).test(expression));
  const run = new globalThis.Function("SUM", "choose", ...names, `return ${text};`) as (...all: unknown[]) => number;
  return missing ? undefined : run(sum, choose, ...names.map((name) => values[name] ?? Number.NaN));
}

test("a pipeline is dead when nobody reads, or when records come in and nothing is invoked", () => {
  const { expression } = deadPipeline("s", "e");
  const cases: [string, Record<string, number | undefined>, number | undefined][] = [
    ["busy", { reads: 300, incoming: 1000, invocations: 20 }, 0],
    ["idle, and read", { reads: 300, incoming: undefined, invocations: undefined }, 0],
    ["the tail of a batch", { reads: 300, incoming: undefined, invocations: 1 }, 0],
    ["records, and nothing invoked", { reads: 300, incoming: 1, invocations: undefined }, 1],
    ["records, and none invoked", { reads: 300, incoming: 1, invocations: 0 }, 1],
    ["every read is refused", { reads: 0, incoming: undefined, invocations: undefined }, 1],
    ["nobody reads: missing, which is breaching", { reads: undefined, incoming: 10, invocations: undefined }, undefined],
  ];
  for (const [what, values, expected] of cases) {
    assert.equal(evaluate(expression, values), expected, what);
  }
});

test("events that no metric asks for are an alarm by their share, unless all may be such", () => {
  const found = (context: Record<string, string>) => alarmsOf(synth(context).monitoring)
    .find((it) => it.AlarmName === "abx-dev-unknown-events");
  const { Threshold, Metrics } = found({ maxUnknownEvents: "20" }) ?? {};
  assert.equal(Threshold, 20);
  const [expression, ...read] = Metrics as unknown as { Expression?: string; MetricStat?: { Metric: { MetricName: string } } }[];
  assert.equal(expression?.Expression, "100 * unknown / taken");
  assert.deepEqual(sorted(read.map((it) => it.MetricStat?.Metric.MetricName ?? "")), ["EventsAccepted", "EventsUnknown"]);
  // The counter of the events that no metric asks for is the one that the event function writes under this name.
  assert.match(rust("functions/src/events/processor.rs"), /\(TelemetryCounter::EventsUnknown, StreamCounter::Unused\)/);
  assert.equal(found({ maxUnknownEvents: "100" }), undefined);
  assert.equal(found({})?.Threshold, 5);
});

test("what a URL refuses is not what the function answers", () => {
  const found = deployed.find((it) => it.AlarmName === "abx-dev-assignment-refusals");
  const text = JSON.stringify(found?.Metrics);
  assert.match(text, /Url4xxCount/);
  assert.match(text, /UrlRequestCount/);
  assert.match(text, /ClientErrors/);
  assert.equal(found?.Threshold, 1);
});

test("no metric of one stage is one of another", () => {
  const names = (stage: string) => objects(synth({ stage }).monitoring.toJSON() as Json)
    .filter((it) => it["Namespace"] === NAMESPACE || it["Namespace"] === "AWS/Lambda")
    .flatMap((it) => JSON.stringify(it["Dimensions"]));
  const [ofDev, others] = [new Set(names("dev")), names("prod")];
  assert.ok(others.length > 10);
  assert.deepEqual(others.filter((it) => ofDev.has(it)), []);
});

test("a topic of one's own hears of alarms, beside an address or without one", () => {
  const alarmTopic = "arn:aws:sns:eu-central-1:123456789012:on-call";
  const other = synth({ alarmTopic });
  other.monitoring.resourceCountIs("AWS::SNS::Topic", 0);
  other.monitoring.allResourcesProperties("AWS::CloudWatch::Alarm", { AlarmActions: [alarmTopic], OKActions: [alarmTopic] });
  const both = synth({ alarmTopic, alarmEmail: "ops@example.com" });
  const actions = Object.values(both.monitoring.findResources("AWS::CloudWatch::Alarm"))
    .map((it) => (it["Properties"] as { AlarmActions: unknown[] }).AlarmActions.length);
  assert.ok(actions.length > 0 && actions.every((it) => it === 2));
});

test("a stage that is kept and whose alarms nobody hears is warned of", () => {
  const warnings = (context: Record<string, string>) => Annotations.fromStack(synth(context).stacks.monitoring)
    .findWarning("*", Match.stringLikeRegexp("nobody hears of alarms: set .alarmEmail.")).length;
  assert.deepEqual([warnings({ stage: "prod" }), warnings({ stage: "prod", alarmEmail: "ops@example.com" }), warnings({})], [1, 0, 0]);
});
