import assert from "node:assert/strict";
import { test } from "node:test";
import { Match } from "aws-cdk-lib/assertions";
import { alarms } from "../lib/alarms";
import { ASSUMPTIONS } from "../lib/costs";
import { NAMESPACE } from "../lib/metrics";
import { firsts, objects, rust, sorted, source, synth } from "./synth";
import type { Json } from "./synth";

const dev = synth();
const loud = synth({ alarmEmail: "ops@example.com" });
const template = dev.monitoring.toJSON() as Json;

const metrics = rust("functions/src/telemetry/metrics.rs");
const emf = rust("functions/src/telemetry/emf.rs");

type Alarm = { AlarmName: string; AlarmDescription: string; Threshold: number; Metrics?: { MetricStat?: unknown }[] };
const deployed = Object.values(dev.monitoring.findResources("AWS::CloudWatch::Alarm")).map((it) => it["Properties"] as Alarm);

test("a metric that an alarm or the dashboard reads is one that the functions write", () => {
  const written = [...firsts(metrics, /Self::\w+ => "(\w+)"/g), ...firsts(emf, /\("(\w+)", (?:"|metrics\.)/g)];
  const functions = firsts(rust("functions/src/runtime/init.rs"), /Telemetry::stdout\("(\w+)", settings/g);
  assert.deepEqual(firsts(emf, /const NAMESPACE: &str = "(\w+)";/g), [NAMESPACE]);
  const ofAlarms = objects(template).filter((it) => it["Namespace"] === NAMESPACE);
  const board = JSON.stringify(dev.monitoring.findResources("AWS::CloudWatch::Dashboard")).replaceAll("\\", "");
  const shown = [...board.matchAll(/"abx","(\w+)","Function","(\w+)"/g)]
    .map(([, metric = "", name = ""]) => [metric, name] as const);
  const read = [...ofAlarms.map((it) => {
    const [dimension, ...others] = it["Dimensions"] as readonly { Name: string; Value: string }[];
    assert.deepEqual([dimension?.Name, others], ["Function", []], "the lines of metrics have this one dimension");
    return [String(it["MetricName"]), dimension?.Value ?? ""] as const;
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
  const named = deployed.map((it) => /docs\/runbook\.md#([a-z-]+)$/.exec(it.AlarmDescription)?.[1] ?? it.AlarmDescription);
  assert.deepEqual(sorted(named), sorted(headings));
});

test("no alarm has more metrics than CloudWatch takes, and the costs count them all", () => {
  const counts = deployed.map((it) => it.Metrics?.filter((metric) => metric.MetricStat !== undefined).length ?? 1);
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

test("silence is no alarm", () => {
  dev.monitoring.allResourcesProperties("AWS::CloudWatch::Alarm", { TreatMissingData: "notBreaching" });
  const functions = { assignment: "a", flags: "f", events: "e" };
  const names = { functions, tables: ["t"], stream: "s", archive: "d", mapping: "m" };
  assert.equal(deployed.length, alarms(names).length);
});
