import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Match } from "aws-cdk-lib/assertions";
import { FUNCTIONS } from "../lib/permissions";
import { firsts, rust, sorted, source, synth } from "./synth";
import type { Json, Synthesized } from "./synth";

const dev = synth();
const prod = synth({ stage: "prod" });

/** The variables of a function, by the function's name. */
function variables(made: Synthesized, functionName: string): Record<string, Json> {
  const named = { Properties: { FunctionName: functionName } };
  const [found] = Object.values(made.functions.findResources("AWS::Lambda::Function", named));
  const properties = found?.["Properties"] as { Environment: { Variables: Record<string, Json> } } | undefined;
  assert.ok(properties, `no function ${functionName}`);
  return properties.Environment.Variables;
}

test("there are three, on arm64 unless x86_64 is asked for", () => {
  dev.functions.resourceCountIs("AWS::Lambda::Function", FUNCTIONS.length);
  for (const name of FUNCTIONS) {
    dev.functions.hasResourceProperties("AWS::Lambda::Function", {
      FunctionName: `abx-dev-${name}`, Runtime: "provided.al2023", Handler: "bootstrap", Architectures: ["arm64"],
    });
  }
  synth({ arch: "x86_64" }).functions.allResourcesProperties("AWS::Lambda::Function", { Architectures: ["x86_64"] });
});

test("the variables are those that the functions know, each function's own", () => {
  const folder = mkdtempSync(join(tmpdir(), "abx-test-"));
  writeFileSync(join(folder, "flag-a.yaml"), '{"flag": "a"}');
  const full = synth({ bundled: folder, corsOrigins: "https://shop.example.com", corsHeaders: "x-tenant", basePath: "/shop" });
  const known = firsts(rust("functions/src/settings.rs"), /\/\/\/ `(ABX_\w+)`:/g);
  const set = FUNCTIONS.flatMap((name) => Object.keys(variables(full, `abx-dev-${name}`)));
  assert.deepEqual(sorted(set), sorted(known.filter((name) => name !== "ABX_ENDPOINT_URL")), "all but the emulator's");
  const names = (name: string) => Object.keys(variables(dev, `abx-dev-${name}`)).sort();
  assert.deepEqual(names("events"),
    ["ABX_ARCHIVE_STREAM", "ABX_CATALOG_TABLE", "ABX_LOG_LEVEL", "ABX_MARKS_TABLE", "ABX_METRICS_TABLE"]);
  assert.deepEqual(names("flags"), ["ABX_CATALOG_TABLE", "ABX_EVALUATIONS", "ABX_EVENT_STREAM", "ABX_EXPOSURES", "ABX_LOG_LEVEL"]);
});

test("each variable names the resource that it is about", () => {
  const events = variables(dev, "abx-dev-events");
  for (const table of ["catalog", "metrics", "marks"]) {
    assert.match(JSON.stringify(events[`ABX_${table.toUpperCase()}_TABLE`]), new RegExp(`Table${table}`), table);
  }
  assert.match(JSON.stringify(variables(dev, "abx-dev-assignment")["ABX_ASSIGNMENTS_TABLE"]), /Tableassignments/);
});

test("the stream is read one batch a shard at a time, and nothing is given up silently", () => {
  dev.functions.hasResourceProperties("AWS::Lambda::EventSourceMapping", {
    // More than one would lose records: a shard's head says that all before it is counted.
    ParallelizationFactor: 1,
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    BisectBatchOnFunctionError: true,
    BatchSize: 500,
    MaximumBatchingWindowInSeconds: 5,
    // Only age gives a record up: a number of attempts is used up within seconds of an outage.
    MaximumRetryAttempts: -1,
    MaximumRecordAgeInSeconds: 18 * 3600,
    StartingPosition: "TRIM_HORIZON",
    DestinationConfig: { OnFailure: { Destination: Match.anyValue() } },
    FilterCriteria: Match.absent(),
    TumblingWindowInSeconds: Match.absent(),
  });
  const destination = Object.values(dev.functions.findResources("AWS::Lambda::EventSourceMapping"))[0]?.["Properties"] as Json;
  assert.match(JSON.stringify(destination), /"OnFailure":\{"Destination":\{"Fn::ImportValue":"[^"]*Failures/);
  prod.functions.hasResourceProperties("AWS::Lambda::EventSourceMapping", { MaximumRecordAgeInSeconds: 6 * 86_400 });
});

test("Lambda has hours to write what it gives up, before the stream drops it", () => {
  for (const made of [dev, prod]) {
    const [mapping] = Object.values(made.functions.findResources("AWS::Lambda::EventSourceMapping"));
    const [stream] = Object.values(made.data.findResources("AWS::Kinesis::Stream"));
    const age = (mapping?.["Properties"] as { MaximumRecordAgeInSeconds: number }).MaximumRecordAgeInSeconds;
    const hours = (stream?.["Properties"] as { RetentionPeriodHours: number }).RetentionPeriodHours;
    assert.ok(age <= (hours - 6) * 3600, `${age} s of ${hours} h`);
  }
});

test("URLs take signed requests only, unless everybody is let in by name", () => {
  dev.functions.resourceCountIs("AWS::Lambda::Url", 2);
  dev.functions.allResourcesProperties("AWS::Lambda::Url", { AuthType: "AWS_IAM", Qualifier: "live" });
  assert.doesNotMatch(JSON.stringify(dev.functions.findResources("AWS::Lambda::Permission")), /"Principal":"\*"/);
  const open = synth({ public: "true" });
  open.functions.allResourcesProperties("AWS::Lambda::Url", { AuthType: "NONE" });
});

test("callers name an alias, which can be kept warm", () => {
  dev.functions.resourceCountIs("AWS::Lambda::Version", FUNCTIONS.length);
  dev.functions.allResourcesProperties("AWS::Lambda::Alias", { Name: "live", ProvisionedConcurrencyConfig: Match.absent() });
  const warm = synth({ provisioned: "5" });
  const aliases = { Properties: { ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 5 } } };
  assert.equal(Object.keys(warm.functions.findResources("AWS::Lambda::Alias", aliases)).length, 2, "not the event function");
});

test("a version outlives the deployment after it, or there would be no way back", () => {
  for (const made of [dev, prod]) {
    made.functions.allResources("AWS::Lambda::Version", { DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" });
  }
});

test("environments are reserved for the event function alone, and only if asked for", () => {
  const reserved = (context: Record<string, string>) =>
    Object.values(synth(context).functions.findResources("AWS::Lambda::Function"))
      .map((it) => it["Properties"] as { FunctionName: string; ReservedConcurrentExecutions?: number })
      .filter((it) => it.ReservedConcurrentExecutions !== undefined)
      .map((it) => [it.FunctionName, it.ReservedConcurrentExecutions]);
  assert.deepEqual(reserved({}), []);
  assert.deepEqual(reserved({ reservedConcurrency: "20" }), [["abx-dev-events", 20]]);
});

test("a new version gets a tenth of the traffic first, and an alarm takes it back", () => {
  dev.functions.resourceCountIs("AWS::CodeDeploy::DeploymentGroup", 0);
  prod.functions.resourceCountIs("AWS::CodeDeploy::DeploymentGroup", FUNCTIONS.length);
  prod.functions.allResourcesProperties("AWS::CodeDeploy::DeploymentGroup", {
    AlarmConfiguration: { Enabled: true, Alarms: [Match.anyValue()] },
    AutoRollbackConfiguration: { Enabled: true, Events: Match.arrayWith(["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"]) },
    DeploymentConfigName: "CodeDeployDefault.LambdaCanary10Percent5Minutes",
  });
  const aliases = Object.values(prod.functions.findResources("AWS::Lambda::Alias"));
  assert.ok(aliases.every((it) => "CodeDeployLambdaAliasUpdate" in (it["UpdatePolicy"] as object)));
  prod.functions.resourceCountIs("AWS::CloudWatch::Alarm", FUNCTIONS.length);
  assert.match(source("docs/runbook.md"), /^## canary$/m);
  synth({ canary: "linear10percent1minute" }).functions.allResourcesProperties("AWS::CodeDeploy::DeploymentGroup", {
    DeploymentConfigName: "CodeDeployDefault.LambdaLinear10PercentEvery1Minute",
  });
});

test("invocations are traced if asked for", () => {
  dev.functions.allResourcesProperties("AWS::Lambda::Function", { TracingConfig: Match.absent() });
  synth({ tracing: "true" }).functions.allResourcesProperties("AWS::Lambda::Function", { TracingConfig: { Mode: "Active" } });
});

test("a gateway asks for a key, limits it, and has a wall before it", () => {
  dev.functions.resourceCountIs("AWS::ApiGateway::RestApi", 0);
  const webAcl = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/shop/0a1b";
  const { functions } = synth({ gateway: "true", webAcl });
  const methods = Object.values(functions.findResources("AWS::ApiGateway::Method"))
    .map((it) => it["Properties"] as { HttpMethod: string; ApiKeyRequired?: boolean });
  const keyed = (method: string) => methods.filter((it) => it.HttpMethod === method).map((it) => it.ApiKeyRequired === true);
  assert.deepEqual(keyed("ANY"), Array.from({ length: 8 }, () => true));
  assert.deepEqual(keyed("OPTIONS"), Array.from({ length: 8 }, () => false), "a preflight has no key");
  assert.equal(methods.length, 16, "and no other method");
  functions.hasResourceProperties("AWS::ApiGateway::UsagePlan", { Throttle: { RateLimit: 1000, BurstLimit: 2000 } });
  functions.resourceCountIs("AWS::ApiGateway::ApiKey", 1);
  functions.hasResourceProperties("AWS::WAFv2::WebACLAssociation", { WebACLArn: webAcl });
  functions.allResourcesProperties("AWS::Lambda::Url", { AuthType: "AWS_IAM" });
});

test("logs end, and no filter stands before the lines of metrics", () => {
  dev.functions.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 7 });
  dev.functions.allResourcesProperties("AWS::Lambda::Function", { LoggingConfig: { LogFormat: "Text" } });
  prod.functions.allResourcesProperties("AWS::Lambda::Function", {
    LoggingConfig: { LogFormat: "JSON", SystemLogLevel: "WARN", ApplicationLogLevel: "DEBUG" },
  });
});

test("a bundled revision is a layer of every function", () => {
  const folder = mkdtempSync(join(tmpdir(), "abx-test-"));
  writeFileSync(join(folder, "flag-a.yaml"), '{"flag": "a"}');
  const bundled = synth({ bundled: folder });
  bundled.functions.resourceCountIs("AWS::Lambda::LayerVersion", 1);
  bundled.functions.allResourcesProperties("AWS::Lambda::Function", {
    Layers: [Match.anyValue()],
    Environment: { Variables: Match.objectLike({ ABX_BUNDLED_REVISION: "/opt/revision.json.gz" }) },
  });
});
