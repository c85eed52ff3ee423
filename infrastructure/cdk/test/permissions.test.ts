import assert from "node:assert/strict";
import { test } from "node:test";
import { AwsSolutionsChecks } from "cdk-nag";
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
    assert.equal(has(name, "Sink"), stream.includes("kinesis:PutRecords"), name);
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

/** Objects of a bucket have no other names than a folder's and a star. Nothing else may have one. */
const OBJECTS = ["/aws/lambda/*", "/events/*", "/failed/*"];

test("no policy has a star, but for the objects of three folders", () => {
  for (const stage of ["dev", "prod"]) {
    const statements = allowed(synth({ stage, alarmEmail: "ops@example.com", provisioned: "2" }));
    assert.ok(statements.length > 15, `${statements.length} statements`);
    assert.deepEqual(sorted(statements.flatMap(({ Action }) => stars(Action))), []);
    assert.deepEqual(sorted(statements.flatMap(({ Principal }) => stars(Principal))), []);
    assert.deepEqual(sorted(statements.flatMap(({ Resource }) => stars(Resource))), OBJECTS);
  }
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
};

test("cdk-nag finds nothing that is not accounted for", () => {
  const { app } = synth({ stage: "prod", alarmEmail: "ops@example.com" });
  const { violations } = new AwsSolutionsChecks().validateScope(app);
  const found = violations.flatMap(({ ruleName, violatingResources }) => violatingResources.map(({ constructPath }) =>
    `${ruleName.replace(/\[.*/, "")} ${String(constructPath).replace(/\/Resource$/, "")}`));
  assert.deepEqual(sorted(found), sorted(Object.keys(ACCOUNTED)));
});
