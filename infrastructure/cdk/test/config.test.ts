import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { bundle, codeOf } from "../lib/code";
import { ConfigError, readConfig } from "../lib/config";
import { STAGES, readStage } from "../lib/stage";
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
    evaluations: "all",
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
  assert.deepEqual(named, ["stage", "arch", "public", "corsOrigins", "corsOrigins", "exposures", "evaluations", "assignmentTtlDays", "logDays",
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

/** A folder of stages' files. */
function stages(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "abx-test-"));
  Object.entries(files).forEach(([name, text]) => writeFileSync(join(folder, name), text));
  return folder;
}

test("a stage has the settings of its file each time, and context overrides single ones", () => {
  const folder = stages({ "prod.json": '{"alarmEmail": "ops@example.com", "shards": 4, "public": true}', "dev.json": "{}" });
  const prod = readStage({ stage: "prod" }, folder);
  assert.deepEqual([prod.alarmEmail, prod.shards, prod.public, prod.keep], ["ops@example.com", 4, true, true]);
  const more = readStage({ stage: "prod", shards: "8", "aws:cdk:anything": true }, folder);
  assert.deepEqual([more.alarmEmail, more.shards], ["ops@example.com", 8]);
  assert.deepEqual(readStage({}, folder), readConfig({}), "the default stage has a file, too");
});

test("a stage without its file is refused, with the command that makes one", () => {
  const folder = stages({});
  for (const context of [{ stage: "staging" }, { stage: "staging", alarmEmail: "ops@example.com" }]) {
    const [problem = "", ...others] = problemsOf(() => readStage(context, folder));
    assert.match(problem, /the stage staging has no file config\/staging\.json/);
    assert.match(problem, /echo '\{ "alarmEmail": "ops@example\.com" \}' > config\/staging\.json/);
    assert.deepEqual(others, []);
  }
  assert.match(problemsOf(() => readStage({}, folder)).join(), /the stage dev has no file/);
});

test("what is wrong with a stage's file is said with its name", () => {
  const wrong = (text: string) => problemsOf(() => readStage({ stage: "prod" }, stages({ "prod.json": text }))).join("\n");
  assert.match(wrong("{,}"), /config\/prod\.json is not JSON: ./);
  for (const text of ["[]", "null", '"prod"', "3"]) {
    assert.match(wrong(text), /config\/prod\.json does not hold one JSON object/, text);
  }
  assert.match(wrong('{"stage": "dev"}'), /config\/prod\.json is of the stage prod, and says `stage`: "dev"/);
  assert.match(wrong('{"shards": "many", "alarmMail": "a"}'),
    /`shards` in config\/prod\.json is "many"; it has to be .*\n`alarmMail` in config\/prod\.json is not known; there are stage, /);
  assert.match(wrong('{"corsOrigins": ["https://a.example"]}'), /`corsOrigins` in config\/prod\.json is .* not a list/);
  const folder = stages({ "prod.json": '{"shards": 2}' });
  assert.match(problemsOf(() => readStage({ stage: "prod", shards: "0" }, folder)).join(), /^`shards` is "0"/, "of the command line");
});

test("no stage's name leads out of the folder", () => {
  for (const stage of ["../prod", "Prod", "", "a/b", ["prod"], 7]) {
    assert.throws(() => readStage({ stage }, stages({ "prod.json": "{}" })), ConfigError, String(stage));
  }
});

test("the files of this repository can be used", () => {
  for (const file of readdirSync(STAGES)) {
    const stage = file.replace(/\.json$/, "");
    assert.equal(readStage({ stage }).stage, stage);
  }
  assert.equal(readStage({ stage: "prod" }).canary, "10percent5minutes");
});

test("cdk itself refuses a stage without a file", () => {
  const node = (stage: string) => spawnSync(process.execPath, ["--import", "tsx", "bin/abx.ts"], {
    cwd: join(STAGES, ".."), encoding: "utf8", env: { ...process.env, CDK_CONTEXT_JSON: JSON.stringify({ stage, assets: "none" }) },
  });
  const ran = node("staging");
  assert.equal(ran.status, 2, ran.stderr);
  assert.match(ran.stderr, /the stage staging has no file config\/staging\.json/);
});

test("ARNs are of their service, and parts that need each other are asked for together", () => {
  const region = "eu-central-1:123456789012";
  const right = {
    alarmTopic: `arn:aws:sns:${region}:on-call`, keyArn: `arn:aws:kms:${region}:key/11111111-2222`,
    webAcl: `arn:aws:wafv2:${region}:regional/webacl/shop/1`, gateway: "true",
  };
  assert.equal(readConfig(right).keyArn, right.keyArn);
  assert.equal(readConfig({ keyArn: `arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1` }).gateway, false);
  const wrong = { alarmTopic: "on-call", keyArn: `arn:aws:kms:${region}:alias/mine`, webAcl: right.alarmTopic, gateway: "true" };
  const problems = problemsOf(() => readConfig(wrong));
  assert.deepEqual(problems.map((it) => /`(\w+)`/.exec(it)?.[1]), ["webAcl", "keyArn", "alarmTopic"]);
  assert.match(problems[1] ?? "", /an ARN, for example arn:aws:kms:.*:key\/NAME/);
  assert.match(problemsOf(() => readConfig({ webAcl: right.webAcl })).join(), /`webAcl` needs `gateway=true`/);
  assert.match(problemsOf(() => readConfig({ shards: "5", reservedConcurrency: "4" })).join(),
    /`reservedConcurrency` is 4; it has to be 5 or more/);
});
