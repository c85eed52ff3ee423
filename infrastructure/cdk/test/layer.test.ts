import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { codeOfExtension } from "../lib/code";
import { ConfigError, readConfig } from "../lib/config";
import { PERMISSIONS } from "../lib/permissions";
import { objects, rust, sorted, source, synth } from "./synth";
import type { Json } from "./synth";

const made = synth({ layer: "true" });

/** The outputs of the stack of the functions, by the end of their names. */
function output(name: string): Json {
  const outputs = made.functions.findOutputs("*");
  const [found] = Object.entries(outputs).filter(([key]) => new RegExp(`^Extension${name}[0-9A-F]*$`).test(key));
  assert.ok(found, `no output ${name} among ${Object.keys(outputs).join()}`);
  return (found[1] as { Value: Json }).Value;
}

test("there is a layer only where it is asked for, for the architecture of the stage, and it is kept", () => {
  synth().functions.resourceCountIs("AWS::Lambda::LayerVersion", 0);
  for (const [arch, shown] of [["arm64", "arm64"], ["x86_64", "x86_64"]]) {
    const layers = Object.values(synth({ layer: "true", arch: arch ?? "" }).functions.findResources("AWS::Lambda::LayerVersion"));
    assert.equal(layers.length, 1);
    assert.deepEqual(layers.map((it) => (it["Properties"] as { CompatibleArchitectures: Json }).CompatibleArchitectures), [[shown]]);
    assert.equal(layers[0]?.["DeletionPolicy"], "Retain");
  }
});

test("the program and its port are those of the sources", () => {
  assert.match(source("functions/Cargo.toml"), /name = "abx-extension"/);
  const extension = rust("functions/src/runtime/extension.rs");
  assert.match(extension, /NAME: &str = "abx-extension"/, "an extension registers by the name of its file");
  const [layer] = Object.values(made.functions.findResources("AWS::Lambda::LayerVersion"));
  const [, port] = /PORT: \(&str, &str\) = \("ABX_EXTENSION_PORT", "(\d+)"\)/.exec(extension) ?? [];
  assert.match(JSON.stringify(layer), new RegExp(`http://localhost:${String(port)}`));
});

test("the policy gives what the assignment function may, on the same resources, and nothing else", () => {
  const policies = Object.values(made.functions.findResources("AWS::IAM::ManagedPolicy"))
    .map((it) => it["Properties"] as { Description: string; PolicyDocument: Json })
    .filter((it) => it.Description.startsWith("abx serve"));
  assert.equal(policies.length, 1);
  const statements = objects(policies[0]?.PolicyDocument ?? null).filter((it) => "Action" in it);
  const { tables, stream } = PERMISSIONS.assignment;
  const may = statements.flatMap((it) => [it["Action"] ?? []].flat().map(String));
  assert.deepEqual(sorted(may), sorted([...tables.catalog ?? [], ...tables.assignments ?? [], ...stream]));
  assert.ok(statements.every((it) => !JSON.stringify(it["Resource"]).includes("*")), "each names its resource");
});

test("the variables are those that the extension needs and knows", () => {
  const text = JSON.stringify(output("variables"));
  const named = sorted([...text.matchAll(/(ABX_\w+)/g)].map(([name]) => name));
  const needed = ["ABX_ASSIGNMENTS_TABLE", "ABX_CATALOG_TABLE", "ABX_EVENT_STREAM", "ABX_EXPOSURES"];
  assert.deepEqual(needed.filter((name) => !named.includes(name)), []);
  const known = rust("functions/src/settings.rs");
  assert.deepEqual(named.filter((name) => !known.includes(`\`${name}\``)), []);
  assert.ok(!named.includes("ABX_BUNDLED_REVISION"), "the layer of that is another one");
  assert.ok(output("layer") !== undefined);
});

test("an extension that was not built is an error that says what to type", () => {
  const folder = mkdtempSync(join(tmpdir(), "abx-test-"));
  const config = readConfig({ assets: folder, layer: "true", arch: "x86_64" });
  assert.throws(() => codeOfExtension(config), (error) => error instanceof ConfigError
    && /cargo lambda build -p abx-functions --release --x86-64 --output-format zip --extension --bin abx-extension/.test(error.message));
  mkdirSync(join(folder, "extensions"));
  writeFileSync(join(folder, "extensions/abx-extension.zip"), "");
  codeOfExtension(config);
});
