// The unmodified provider for Node.js.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { away, baseUrl, eventually, save, silent, tooDeep } from "./world.mjs";

async function client(name, options = {}) {
  await OpenFeature.setProviderAndWait(name, new OFREPProvider({ baseUrl, ...options }));
  return OpenFeature.getClient(name);
}

const german = { targetingKey: "user_1", country: "DE" };

test("each type, with variant and reason", async () => {
  const flags = await client("types");
  const on = await flags.getBooleanDetails("greeting_on", false, german);
  assert.deepEqual([on.value, on.variant, on.reason], [true, "on", "STATIC"]);
  assert.equal(on.flagMetadata.abxReason, "enabled");
  const off = await flags.getBooleanDetails("greeting_off", true, german);
  assert.deepEqual([off.value, off.variant, off.reason], [false, "off", "DISABLED"]);
  const text = await flags.getStringDetails("greeting", "?", german);
  assert.deepEqual([text.value, text.reason], ["Guten Tag", "TARGETING_MATCH"]);
  assert.equal(await flags.getStringValue("greeting", "?", { targetingKey: "user_1" }), "Hello");
  assert.equal(await flags.getNumberValue("columns", 0, german), 3);
  assert.equal(await flags.getNumberValue("rate", 0, german), 1);
  assert.deepEqual(await flags.getObjectValue("settings", {}, german), { size: 3, colour: "red" });
  assert.equal((await flags.getBooleanDetails("drawn", false, german)).reason, "SPLIT");
});

test("each error gives the program's own default", async (t) => {
  const flags = await client("errors");
  const cut = await client("cut", { fetchImplementation: ({ url }) => fetch(url, { method: "POST", body: '{"context": ' }) });
  const timed = (request) => fetch(request, { signal: AbortSignal.timeout(300) });
  const slow = await client("slow", { baseUrl: await silent(t), fetchImplementation: timed });
  const gone = await client("gone", { baseUrl: await away(t) });
  for (const [code, flag, context, from = flags] of [
    ["FLAG_NOT_FOUND", "no_such_flag", german],
    ["TYPE_MISMATCH", "settings", german],
    ["TARGETING_KEY_MISSING", "drawn", {}],
    ["INVALID_CONTEXT", "drawn", { targetingKey: 7.5 }],
    ["INVALID_CONTEXT", "drawn", { targetingKey: "user_1", ...tooDeep }],
    ["PARSE_ERROR", "drawn", german, cut],
    ["GENERAL", "drawn", german, slow],
    ["GENERAL", "drawn", german, gone],
  ]) {
    const { value, errorCode } = await from.getStringDetails(flag, "mine", context);
    assert.deepEqual([value, errorCode], ["mine", code], flag);
  }
});

test("a change is seen live", async () => {
  const flags = await client("live");
  const seen = (value) => async () => ((await flags.getBooleanValue("live_server", !value)) === value ? value : undefined);
  await save("live_server.yaml", "flag: live_server\nenabled: true\n");
  await eventually("the new flag", seen(true));
  await save("live_server.yaml", "flag: live_server\nenabled: false\n");
  await eventually("the flag is off", seen(false));
});
