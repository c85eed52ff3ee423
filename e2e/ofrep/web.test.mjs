// The unmodified provider for pages, in Node.js.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { away, baseUrl, eventually, save, silent, tooDeep } from "./world.mjs";

// Also after a failure, because a provider that goes on asking keeps the process.
after(() => OpenFeature.close());

const german = { targetingKey: "user_1", country: "DE" };

/** A client with a provider of its own, and the statuses that it was answered with. */
async function client(name, context, options = {}) {
  const statuses = [];
  const fetchImplementation = async (...call) => {
    const response = await fetch(...call);
    statuses.push(response.status);
    return response;
  };
  await OpenFeature.setContext(name, context);
  await OpenFeature.setProviderAndWait(name, new OFREPWebProvider({ baseUrl, fetchImplementation, ...options }));
  return { flags: OpenFeature.getClient(name), statuses };
}

test("one bulk evaluation answers for each type", async () => {
  const { flags, statuses } = await client("types", german);
  const on = flags.getBooleanDetails("greeting_on", false);
  assert.deepEqual([on.value, on.variant, on.reason], [true, "on", "STATIC"]);
  assert.deepEqual([flags.getBooleanValue("greeting_off", true), flags.getStringValue("greeting", "?")], [false, "Guten Tag"]);
  assert.deepEqual([flags.getNumberValue("columns", 0), flags.getNumberValue("rate", 0)], [3, 1]);
  assert.deepEqual(flags.getObjectValue("settings", {}), { size: 3, colour: "red" });
  assert.equal(flags.getBooleanDetails("drawn", false).reason, "SPLIT");
  await OpenFeature.setContext("types", { targetingKey: "user_1", country: "FR" });
  assert.equal(flags.getStringValue("greeting", "?"), "Hello", "another context is another answer");
  assert.deepEqual(statuses, [200, 200]);
});

test("each error gives the program's own default", async () => {
  const { flags } = await client("errors", {});
  for (const [code, flag] of [
    ["FLAG_NOT_FOUND", "no_such_flag"],
    ["TYPE_MISMATCH", "settings"],
    ["TARGETING_KEY_MISSING", "drawn"],
  ]) {
    const { value, errorCode } = flags.getStringDetails(flag, "mine");
    assert.deepEqual([value, errorCode], ["mine", code], flag);
  }
  assert.equal(flags.getBooleanValue("greeting_on", false), true, "no other flag is affected");

  const errors = [];
  flags.addHandler(ProviderEvents.Error, (event) => errors.push(event.message));
  await OpenFeature.setContext("errors", { targetingKey: "user_1", ...tooDeep });
  assert.match(errors.join(), /400/);
  assert.equal(flags.getBooleanValue("greeting_on", false), true, "the last values");
});

test("a server that does not answer leaves the defaults", async (t) => {
  for (const [name, url] of [["silent", await silent(t)], ["away", await away(t)]]) {
    await assert.rejects(client(name, german, { baseUrl: url, timeoutMs: 300 }), name);
    assert.equal(OpenFeature.getClient(name).getBooleanValue("greeting_on", false), false);
  }
});

test("an answer that did not change is a 304, and a change is seen live", async () => {
  await save("live_web.yaml", "flag: live_web\nenabled: false\n");
  const { flags, statuses } = await client("live", german, { pollInterval: 100 });
  await eventually("the new flag", () => flags.getBooleanDetails("live_web", true).errorCode === undefined || undefined);
  // Other tests change documents as well, and then there is a 200 between.
  await eventually("asked again", () => statuses.includes(304) || undefined);
  const changed = new Promise((resolve) => {
    flags.addHandler(ProviderEvents.ConfigurationChanged, () => flags.getBooleanValue("live_web", false) && resolve());
  });
  await save("live_web.yaml", "flag: live_web\nenabled: true\n");
  await changed;
});
