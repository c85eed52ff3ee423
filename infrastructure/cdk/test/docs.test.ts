import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../lib/config";
import { ASSUMPTIONS, assignmentUnits, batchesOf, commitWrites, eventsOf, experimentWrites, month, shardsFor } from "../lib/costs";
import { withTables } from "../lib/costs-table";
import { missRate } from "../lib/misses";
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

test("a commit costs 6 write units for an experiment of two variants, and 8 for one of three", () => {
  assert.deepEqual([2, 3].map(experimentWrites), [6, 8]);
  // 2 for the head, 10 for a ledger of 500 ids, 2 for the stream's row, 6 for each of five experiments.
  assert.equal(commitWrites(500), 48);
  // A ledger of one id, the row of the hour, and the groups of one variant.
  assert.equal(commitWrites(1), 2 + 2 + 2 + 4);
});

test("the rows of an experiment are those that the core writes", () => {
  assert.match(source("functions/src/adapters/keys.rs"), /"groups#a\.b-c#events\/shardId-0+1"/, "a row of groups for each variant");
  const benchmark = source("functions/tests/contract/cost.rs");
  assert.match(benchmark, /assert_eq!\(units\[2\.\.\], \[2; 10\]\)/, "each row is 2 write units");
});

const load = { perSecond: 100, environments: 10, cache: Infinity, asks: 5, visitSeconds: 600 };

test("the more environments, the fewer requests find theirs", () => {
  for (const [environments, percent] of [[1, 20], [4, 61], [10, 82], [50, 96]] as const) {
    const simulated = missRate({ ...load, environments });
    // Of q requests, sent to any of n environments that forget nothing, n (1 - (1 - 1/n)^q) are new to theirs.
    const exact = environments * (1 - (1 - 1 / environments) ** load.asks) / load.asks;
    assert.ok(Math.abs(simulated - exact) < 0.015, `${environments}: ${simulated}, not ${exact}`);
    assert.equal(Math.round(exact * 100), percent);
  }
});

test("what a cache forgets is a miss, and one request in a visit always is", () => {
  const rate = (cache: number) => missRate({ ...load, environments: 1, perSecond: 500, cache });
  // 100 units begin in a second, and 60,000 visits are under way: a cache of a sixth of them forgets most.
  assert.ok(rate(Infinity) < 0.22 && rate(10_000) > 0.6 && rate(1) > 0.99, [Infinity, 10_000, 1].map(rate).join(" "));
  assert.equal(missRate({ ...load, asks: 1 }), 1);
  assert.equal(missRate(load), missRate(load), "the same in every run");
});

test("an assignment is read first where that is cheaper than a write alone", () => {
  const known = rust("functions/src/assignment/known_share.rs");
  assert.match(known, /const READ_PRICE: f32 = 0\.1;/);
  const { reads, writes } = assignmentUnits(0.5);
  assert.deepEqual([reads, Math.round(writes * 100)], [0.5, 10], "a twentieth of all requests are new, a tenth of the misses");
  assert.deepEqual(assignmentUnits(0.055), { reads: 0, writes: 1 }, "most of the misses are new");
});

test("evaluations are a record of each environment every ten seconds, however many flags are asked for", () => {
  assert.deepEqual(firsts(rust("functions/src/outbox/summary.rs"), /const AGE: Duration = Duration::from_secs\((\d+)\);/g),
    [String(ASSUMPTIONS.summarySeconds)]);
  const without = 5000 * (1 + ASSUMPTIONS.exposuresPerFlagRequest) + 10_000 * ASSUMPTIONS.conversionsPerRequest;
  assert.ok(eventsOf(10_000, 1) - without < 10);
});

test("the model has the sizes that are deployed", () => {
  const memory = (name: string, MemorySize: number) =>
    synth().functions.hasResourceProperties("AWS::Lambda::Function", { FunctionName: `abx-dev-${name}`, MemorySize });
  memory("assignment", ASSUMPTIONS.requestMb);
  memory("flags", ASSUMPTIONS.requestMb);
  memory("events", ASSUMPTIONS.batchMb);
  const { batchSize, batchWindow, shards, assignmentTtlDays, cacheAssignments } = readConfig({ stage: "prod" });
  assert.deepEqual([batchSize, batchWindow, shards, assignmentTtlDays, cacheAssignments], [
    ASSUMPTIONS.batchSize, ASSUMPTIONS.batchWindowSeconds, ASSUMPTIONS.leastShards, ASSUMPTIONS.assignmentDays,
    ASSUMPTIONS.cacheAssignments,
  ]);
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
  const rows = found(section("Settings of a stage"), /^\| `(\w+)` \|([^|]*)\|/gm);
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
