import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { bundle, codeOf } from "../lib/code";
import { ConfigError, readConfig } from "../lib/config";
import { rust } from "./synth";

function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  assert.fail("it was taken");
}

test("what is not said has its default, and prod keeps what it has", () => {
  const dev = readConfig({});
  assert.deepEqual([dev.stage, dev.keep, dev.arch, dev.public], ["dev", false, "arm64", false]);
  assert.deepEqual([dev.platformLogs, dev.shards, dev.logDays], [true, 1, 7]);
  const prod = readConfig({ stage: "prod" });
  assert.deepEqual([prod.stage, prod.keep, prod.arch, prod.public], ["prod", true, "arm64", false]);
  assert.deepEqual([prod.platformLogs, prod.shards, prod.logDays], [false, 2, 90]);
});

test("text of a command line and types of cdk.json say the same", () => {
  const corsOrigins = "https://a.example, http://localhost:3000";
  const text = readConfig({ public: "true", shards: "3", provisioned: "5", corsOrigins });
  const typed = readConfig({ public: true, shards: 3, provisioned: 5, corsOrigins });
  assert.deepEqual(text, typed);
  assert.deepEqual(text.corsOrigins, ["https://a.example", "http://localhost:3000"]);
  assert.equal(readConfig({ shards: "on-demand" }).shards, 0);
});

test("everything that is wrong is said at once", () => {
  const problems = problemsOf(() => readConfig({
    stage: "Prod",
    arch: "arm",
    public: "yes",
    corsOrigins: "*, shop.example.com, https://shop.example.com",
    exposures: "later",
    shards: "0",
    batchSize: "1000",
    logDays: "8",
    provisioned: "-1",
    alarmEmail: "ops",
    assignmentTtlDays: ["90"],
    alarmMail: "ops@example.com",
    "aws:cdk:enable-path-metadata": true,
    "@aws-cdk/core:anything": true,
  }));
  const named = problems.map((problem) => /`(\w+)`/.exec(problem)?.[1]);
  assert.deepEqual(named, ["stage", "arch", "public", "corsOrigins", "corsOrigins", "exposures", "assignmentTtlDays", "logDays",
    "shards", "batchSize", "provisioned", "alarmEmail", "alarmMail"]);
  assert.equal(problems[1], '`arch` is "arm"; it has to be one of arm64, x86_64');
  assert.match(problems.at(-1) ?? "", /is not known; there are stage, keep, .*alarmEmail/);
});

test("functions that were not built are an error that says what to type", () => {
  const folder = mkdtempSync(join(tmpdir(), "abx-test-"));
  const missing = (arch: string) => problemsOf(() => codeOf("flags", readConfig({ assets: folder, arch }))).join();
  assert.match(missing("arm64"), /flags\/bootstrap\.zip is not there.*\n.*cargo lambda build .* --arm64 --output-format zip/);
  assert.match(missing("x86_64"), /--x86-64/);
  mkdirSync(join(folder, "flags"));
  writeFileSync(join(folder, "flags/bootstrap.zip"), "");
  codeOf("flags", readConfig({ assets: folder }));
});

test("a folder of abx pull becomes a revision that the functions read", () => {
  const folder = mkdtempSync(join(tmpdir(), "abx-test-"));
  writeFileSync(join(folder, "flag-a.yaml"), '{"flag": "a", "enabled": true}\n');
  const bytes = readFileSync(join(bundle(folder), "revision.json.gz"));
  const [format] = /const FORMAT: u32 = (\d+);/.exec(rust("functions/src/catalog/revision.rs"))?.slice(1) ?? [];
  const documents = [{ flag: "a", enabled: true }];
  assert.deepEqual(JSON.parse(gunzipSync(bytes).toString()), { documents, format: Number(format) });
  writeFileSync(join(folder, "hand.yaml"), "flag: b\n");
  assert.match(problemsOf(() => bundle(folder)).join(), /hand\.yaml is not JSON/);
  assert.match(problemsOf(() => bundle(join(folder, "none"))).join(), /no such folder/);
});
