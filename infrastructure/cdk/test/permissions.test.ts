import assert from "node:assert/strict";
import { test } from "node:test";
import { AwsSolutionsChecks } from "cdk-nag";
import { ATHENA, FOR_ALL } from "../lib/people";
import { FUNCTIONS, PERMISSIONS } from "../lib/permissions";
import type { FunctionName } from "../lib/permissions";
import { objects, rust, sorted, synth } from "./synth";
import type { Json, Synthesized } from "./synth";

const ADAPTERS = "functions/src/adapters/aws";

/** Calls of the SDK, and parts of a transaction, as the actions that they need. */
const CALLS: readonly [RegExp, string][] = [
  [/\.get_item\(\)/, "dynamodb:GetItem"],
  [/\.batch_get_item\(\)/, "dynamodb:BatchGetItem"],
  [/\.put_item\(\)|\bPut::builder\(\)/, "dynamodb:PutItem"],
  [/\.update_item\(\)|\bUpdate::builder\(\)/, "dynamodb:UpdateItem"],
  [/\.delete_item\(\)|\bDelete::builder\(\)/, "dynamodb:DeleteItem"],
  [/\.batch_write_item\(\)/, "dynamodb:BatchWriteItem"],
  [/\bConditionCheck::builder\(\)/, "dynamodb:ConditionCheckItem"],
  [/\.query\(\)/, "dynamodb:Query"],
  [/\.scan\(\)/, "dynamodb:Scan"],
  [/\.put_record\(\)/, "kinesis:PutRecord"],
  [/\.put_records\(\)/, "kinesis:PutRecords"],
  [/\.put_record_batch\(\)/, "firehose:PutRecordBatch"],
];

/** What an adapter calls and no function does: publishing, and forgetting what was quarantined, is done from a desk. */
const NOT_BY_FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  catalog: ["dynamodb:PutItem"],
  quarantine: ["dynamodb:DeleteItem"],
};

function calls(file: string): string[] {
  const text = rust(`${ADAPTERS}/${file}.rs`);
  const without = NOT_BY_FUNCTIONS[file] ?? [];
  const found = CALLS.filter(([call]) => call.test(text)).map(([, action]) => action);
  assert.ok(found.length > 0, `${file} calls nothing: was it moved?`);
  return found.filter((action) => !without.includes(action));
}

test("a function may do what its adapters call, and nothing else", () => {
  const table = (...files: string[]) => sorted(files.flatMap(calls));
  const expected: Record<FunctionName, unknown> = {
    assignment: {
      tables: { catalog: table("catalog"), assignments: table("assignments") },
      stream: calls("events"),
      archive: [],
    },
    flags: { tables: { catalog: table("catalog") }, stream: calls("events"), archive: [] },
    events: {
      tables: { catalog: table("catalog"), metrics: table("metrics", "quarantine"), marks: table("marks") },
      // Lambda reads the stream, and no code of ours.
      stream: PERMISSIONS.events.stream,
      archive: calls("archive"),
    },
  };
  assert.deepEqual(PERMISSIONS, expected);
});

test("each function has the adapters that its permissions are for", () => {
  const init = rust("functions/src/runtime/init.rs");
  const body = (name: string) => new RegExp(`pub async fn ${name}\\((.*?)\\n}`, "s").exec(init)?.[1] ?? "";
  const has = (name: string, adapter: string) => body(name).includes(`${adapter}::new`);
  for (const name of FUNCTIONS) {
    const { tables, archive, stream } = PERMISSIONS[name];
    assert.equal(has(name, "DynamoAssignments"), "assignments" in tables, name);
    assert.equal(has(name, "DynamoMetrics"), "metrics" in tables && "marks" in tables, name);
    assert.equal(has(name, "FirehoseArchive"), archive.length > 0, name);
    assert.equal(body(name).includes("start.sink()"), stream.includes("kinesis:PutRecords"), name);
  }
});

type Statement = { readonly Effect: string; readonly Action: Json; readonly Resource?: Json; readonly Principal?: Json };

/** Every statement that allows something, wherever it stands in a template. */
function allowed(made: Synthesized): Statement[] {
  const templates = [made.data, made.functions, made.monitoring].map((template) => template.toJSON() as Json);
  return templates.flatMap(objects).filter((it) => it["Effect"] === "Allow") as Statement[];
}

/** Texts with a star in a value. */
function stars(value: Json | undefined): string[] {
  if (typeof value === "string") {
    return value.includes("*") ? [value] : [];
  }
  const hasParts = value !== undefined && value !== null && typeof value === "object";
  return hasParts ? Object.values(value).flatMap((it: Json) => stars(it)) : [];
}

/** Objects of a bucket have no other names than a folder's and a star. */
const OBJECTS = ["/aws/lambda/*", "/events-parquet/*", "/events/*", "/failed/*"];
/** Actions that IAM gives for all things or for none. */
const READ_ALL = [...FOR_ALL].sort().join();
const TRACE = "xray:PutTelemetryRecords,xray:PutTraceSegments";

const EVERYTHING = {
  tracing: "true",
  gateway: "true",
  webAcl: "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/shop/0a1b",
  keyArn: "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555",
};

const SWITCHED: readonly [Record<string, string>, string[], string[]][] = [
  [{}, OBJECTS, [READ_ALL]],
  [{ stage: "prod" }, OBJECTS, [READ_ALL]],
  [{ tracing: "true" }, OBJECTS, [READ_ALL, TRACE]],
  [{ keyArn: EVERYTHING.keyArn }, OBJECTS, [READ_ALL]],
  [{ gateway: "true" }, OBJECTS, [READ_ALL]],
  [{ archiveFormat: "parquet" }, OBJECTS, [READ_ALL]],
  [{ stage: "prod", ...EVERYTHING }, OBJECTS, [READ_ALL, TRACE]],
];

test("no policy has a star, but for the objects of four folders and for what knows no single resource", () => {
  for (const [context, objects, forAll] of SWITCHED) {
    const statements = allowed(synth({ alarmEmail: "ops@example.com", provisioned: "2", ...context }));
    const what = JSON.stringify(context);
    assert.ok(statements.length > 15, `${what}: ${statements.length} statements`);
    assert.deepEqual(sorted(statements.flatMap(({ Action }) => stars(Action))), [], what);
    assert.deepEqual(sorted(statements.flatMap(({ Principal }) => stars(Principal))), [], what);
    const ofAll = statements.filter(({ Resource }) => Resource === "*");
    assert.deepEqual(sorted(ofAll.map(({ Action }) => [Action].flat().sort().join())), forAll, what);
    const others = statements.filter((it) => !ofAll.includes(it));
    assert.deepEqual(sorted(others.flatMap(({ Resource }) => stars(Resource))), objects, what);
  }
});

test("Firehose writes into the folder of its format, and beside it what failed", () => {
  for (const [archiveFormat, folder] of [["json", "/events/*"], ["parquet", "/events-parquet/*"]] as const) {
    const statements = objects(synth({ archiveFormat }).data.toJSON() as Json).filter((it) => JSON.stringify(it["Action"] ?? "").includes("s3:PutObject"));
    assert.deepEqual(sorted(statements.flatMap((it) => stars(it["Resource"]))), sorted([folder, "/failed/*"]));
  }
});

/** Calls of `abx results` about an archive, as the actions that they need. */
const RESULTS_CALLS: readonly [RegExp, string][] = [
  [/\.start_query_execution\(\)/, "athena:StartQueryExecution"],
  [/\.get_query_execution\(\)/, "athena:GetQueryExecution"],
  [/\.get_query_results\(\)/, "athena:GetQueryResults"],
  [/\.stop_query_execution\(\)/, "athena:StopQueryExecution"],
  [/\.list_objects_v2\(\)/, "s3:ListBucket"],
  [/\.get_object\(\)/, "s3:GetObject"],
];

test("an analyst may call what `abx results` calls, in one workgroup and on one table and bucket", () => {
  const text = ["analysis/src/athena.rs", "cli/src/commands/results/bucket.rs"].map(rust).join("\n");
  const called = RESULTS_CALLS.filter(([call]) => call.test(text)).map(([, action]) => action);
  assert.equal(called.length, RESULTS_CALLS.length, `only ${String(called)}: was it moved?`);
  const made = synth({ athenaWorkgroup: "experiments" });
  const policies = Object.values(made.functions.findResources("AWS::IAM::ManagedPolicy"))
    .map((it) => it["Properties"] as { Description: string; PolicyDocument: Json })
    .filter((it) => it.Description.startsWith("abx results"));
  assert.equal(policies.length, 1);
  const statements = objects(policies[0]?.PolicyDocument ?? null).filter((it) => "Action" in it);
  const may = statements.flatMap((it) => [it["Action"] ?? []].flat());
  assert.deepEqual([...called, ...ATHENA].filter((action) => !may.includes(action)), []);
  const of = (service: string) => statements.filter((it) => [it["Action"] ?? []].flat().some((action) => String(action).startsWith(service)));
  const resources = (service: string) => JSON.stringify(of(service).map((it) => it["Resource"]));
  assert.match(resources("athena:"), /:workgroup\/experiments"/);
  assert.match(resources("glue:"), /:catalog".*:database\/abx_dev_archive".*:table\/abx_dev_archive\/events"/);
});

/** Calls of `abx status` about the pipeline, as the actions that they need. */
const STATUS_CALLS: readonly [RegExp, string][] = [
  [/\.describe_alarms\(\)/, "cloudwatch:DescribeAlarms"],
  [/\.get_metric_data\(\)/, "cloudwatch:GetMetricData"],
  [/\.list_event_source_mappings\(\)/, "lambda:ListEventSourceMappings"],
  [/\.describe_delivery_stream\(\)/, "firehose:DescribeDeliveryStream"],
];

test("an operator may call what `abx status` calls", () => {
  const text = ["cloudwatch", "mapping", "archive"].map((file) => rust(`cli/src/commands/status/${file}.rs`)).join("\n");
  const called = STATUS_CALLS.filter(([call]) => call.test(text)).map(([, action]) => action);
  assert.equal(called.length, STATUS_CALLS.length, `only ${String(called)}: was it moved?`);
  const policies = Object.values(synth().functions.findResources("AWS::IAM::ManagedPolicy"))
    .map((it) => it["Properties"] as { Description: string; PolicyDocument: Json })
    .filter((it) => it.Description.startsWith("abx status"));
  assert.equal(policies.length, 1);
  const may = objects(policies[0]?.PolicyDocument ?? null).flatMap((it) => [it["Action"] ?? []].flat());
  assert.deepEqual(called.filter((action) => !may.includes(action)), []);
});

test("no role has a managed policy of AWS", () => {
  const roles = [synth().data, synth().functions].flatMap((template) => Object.values(template.findResources("AWS::IAM::Role")));
  assert.ok(roles.length >= 4);
  assert.ok(roles.every((role) => !("ManagedPolicyArns" in (role["Properties"] as object))));
});

/** What cdk-nag finds, by rule and construct, and why it stays. */
const ACCOUNTED: Readonly<Record<string, string>> = {
  "AwsSolutions-S1 abx-prod-data/Archive/Bucket": "Who reads is in CloudTrail's data events, if wanted.",
  "AwsSolutions-S1 abx-prod-data/Failures": "The same.",
  "AwsSolutions-IAM5 abx-prod-data/Archive/Role": "Objects have no name but a folder's and a star; see above.",
  "AwsSolutions-IAM5 abx-prod-functions/events/Role/DefaultPolicy": "The same, for what Lambda gave up.",
  "AwsSolutions-IAM5 abx-prod-functions/People/analyst": "The same, for what is archived.",
  "AwsSolutions-IAM5 abx-prod-functions/People/operator": "Reads alarms, numbers and mappings, which IAM gives for all or none.",
};

const GATEWAY = "abx-prod-functions/Gateway/Api";

function ofMethods(rule: string, methods: readonly string[], why: string): Record<string, string> {
  const paths = ["assign", "flags", "ofrep", "openapi.json"].flatMap((path) => [path, `${path}/{proxy+}`]);
  return Object.fromEntries(paths.flatMap((path) => methods.map((method) => [`${rule} ${GATEWAY}/Default/${path}/${method}`, why])));
}

/** What else it finds where more is switched on. */
const ACCOUNTED_OF: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  tracing: Object.fromEntries(["assignment", "flags"].map((name) =>
    [`AwsSolutions-IAM5 abx-prod-functions/${name}/Role/DefaultPolicy`, "X-Ray knows no single resource."])),
  keyArn: { "AwsSolutions-KDS3 abx-prod-data/Stream": "The rule prefers the key of AWS, which is cheaper; another was asked for." },
  gateway: {
    [`AwsSolutions-APIG1 ${GATEWAY}/DeploymentStage.prod`]: "Its logs need a role of the whole account and region; the functions log.",
    [`AwsSolutions-APIG6 ${GATEWAY}/DeploymentStage.prod`]: "The same.",
    [`AwsSolutions-APIG2 ${GATEWAY}`]: "The functions check requests, and say what is wrong with one.",
    ...ofMethods("AwsSolutions-APIG4", ["ANY", "OPTIONS"], "It is for callers with a key and no role; a preflight has neither."),
    ...ofMethods("AwsSolutions-COG4", ["ANY"], "Callers are services, which are in no user pool."),
  },
};

function nag(context: Record<string, string>): string[] {
  const { app } = synth({ stage: "prod", alarmEmail: "ops@example.com", ...context });
  const { violations } = new AwsSolutionsChecks().validateScope(app);
  return sorted(violations.flatMap(({ ruleName, violatingResources }) => violatingResources.map(({ constructPath }) =>
    `${ruleName.replace(/\[.*/, "")} ${String(constructPath).replace(/\/Resource$/, "")}`)));
}

test("cdk-nag finds nothing that is not accounted for", () => {
  assert.deepEqual(nag({}), sorted(Object.keys(ACCOUNTED)));
  for (const key of ["tracing", "keyArn", "gateway"] as const) {
    const more = Object.keys(ACCOUNTED_OF[key] ?? {});
    const context = { [key]: EVERYTHING[key], ...(key === "gateway" ? { webAcl: EVERYTHING.webAcl } : {}) };
    assert.deepEqual(nag(context), sorted([...Object.keys(ACCOUNTED), ...more]), key);
  }
});
