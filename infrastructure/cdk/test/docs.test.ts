import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../lib/config";
import { ASSUMPTIONS, batchesOf, commitWrites, month, shardsFor } from "../lib/costs";
import { withTables } from "../lib/costs-table";
import { FUNCTIONS, PERMISSIONS } from "../lib/permissions";
import { TABLE_NAMES } from "../lib/tables";
import { firsts, found, rust, sorted, source, synth } from "./synth";

const operating = source("docs/operating.md");

/** The lines of a section, from its heading to the next one. */
function section(heading: string): string {
  const [, text] = operating.split(`\n## ${heading}\n`);
  assert.ok(text, `there is no section ${heading}`);
  return text.split("\n## ")[0] ?? "";
}

test("the page of costs shows what the model says", () => {
  const page = source("docs/costs.md");
  assert.equal(page, withTables(page), "npm run costs -- --write");
});

test("a commit of 500 events and 10 rows is 32 write units", () => {
  assert.equal(commitWrites(500), 32);
  // 2 for the head, 2 for a ledger of one id, 2 for each of two rows.
  assert.equal(commitWrites(1), 8);
});

test("the model has the sizes that are deployed", () => {
  const memory = (name: string, MemorySize: number) =>
    synth().functions.hasResourceProperties("AWS::Lambda::Function", { FunctionName: `abx-dev-${name}`, MemorySize });
  memory("assignment", ASSUMPTIONS.requestMb);
  memory("flags", ASSUMPTIONS.requestMb);
  memory("events", ASSUMPTIONS.batchMb);
  const { batchSize, batchWindow, shards, assignmentTtlDays } = readConfig({ stage: "prod" });
  assert.deepEqual([batchSize, batchWindow, shards, assignmentTtlDays],
    [ASSUMPTIONS.batchSize, ASSUMPTIONS.batchWindowSeconds, ASSUMPTIONS.leastShards, ASSUMPTIONS.assignmentDays]);
  assert.deepEqual(firsts(rust("functions/src/adapters/aws/marks.rs"), /const KEPT: i64 = (\d+) \* 86_400;/g),
    [String(ASSUMPTIONS.markDays)]);
});

test("batches are as many as the window lets through, or as full ones are", () => {
  const seconds = ASSUMPTIONS.secondsOfMonth;
  assert.equal(batchesOf(0.1 * seconds, 1), 0.1 * seconds, "none without an event");
  assert.equal(batchesOf(10 * seconds, 1), seconds / 5, "one each window");
  assert.ok(Math.abs(batchesOf(1000 * seconds, 1) - 2 * seconds) < 1e-6, "full ones");
});

test("shards follow the peak", () => {
  assert.equal(shardsFor(1), ASSUMPTIONS.leastShards);
  assert.equal(shardsFor(5000), 10);
});

test("a month's parts add up, and more requests never cost less", () => {
  const [few, many] = [month(1), month(100)];
  const parts = ["lambda", "writes", "reads", "tables", "kinesis", "archive", "logs", "metrics"] as const;
  assert.ok(Math.abs(parts.reduce((sum, part) => sum + few[part], 0) - few.total) < 1e-9);
  assert.ok(parts.every((part) => few[part] > 0 && many[part] >= few[part]));
});

test("the table of variables has every one that the functions read", () => {
  const read = firsts(rust("functions/src/settings.rs"), /\/\/\/ `(ABX_\w+)`:/g);
  assert.deepEqual(firsts(section("Variables of the functions"), /^\| `(ABX_\w+)` \|/gm).sort(), read.sort());
});

test("the table of context has every key, and its default", () => {
  const rows = found(section("What a deployment is told"), /^\| `(\w+)` \|([^|]*)\|/gm);
  const defaults = readConfig({});
  assert.deepEqual(sorted(rows.map(([key = ""]) => key)), sorted(Object.keys(defaults)));
  for (const [key = "", cell = ""] of rows) {
    const shown = cell.trim();
    const value = defaults[key as keyof typeof defaults];
    const text = value === undefined || (Array.isArray(value) && value.length === 0) ? "" : `\`${String(value)}\``;
    assert.ok(shown === text || shown.startsWith(`${text}, `), `${key}: ${shown} is not ${text}`);
  }
});

test("the table of permissions has every action, and no other", () => {
  const rows = found(section("Who may do what"), /^\| (assignment|flags|events) \| (\w+) \| ([^|]*) \|$/gm);
  const shown = rows.map(([name, on, actions = ""]) => `${name} ${on} ${actions.replaceAll("`", "")}`);
  const may = FUNCTIONS.flatMap((name) => {
    const { tables, stream, archive } = PERMISSIONS[name];
    const ofTables = TABLE_NAMES.map((table) => [table, tables[table] ?? []] as const);
    const all = [...ofTables, ["stream", stream] as const, ["archive", archive] as const];
    return all.filter(([, actions]) => actions.length > 0)
      .map(([on, actions]) => `${name} ${on} ${actions.map((action) => action.split(":")[1]).join(", ")}`);
  });
  assert.deepEqual(shown.sort(), may.sort());
});
