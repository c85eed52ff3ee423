// Unmodified OpenFeature providers against a running `abx dev`; ABX_URL names it.
// `run` serves `documents/`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OpenFeature as Server } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature as Web } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";

const baseUrl = process.env.ABX_URL;
assert.ok(baseUrl, "ABX_URL names the server");

test("the server provider evaluates single flags", async () => {
  await Server.setProviderAndWait(new OFREPProvider({ baseUrl }));
  const client = Server.getClient();
  const german = { targetingKey: "user_1", country: "DE" };

  const on = await client.getBooleanDetails("greeting_on", false, german);
  assert.equal(on.value, true);
  assert.equal(on.variant, "on");
  assert.equal(on.reason, "STATIC");

  const text = await client.getStringDetails("greeting", "?", german);
  assert.equal(text.value, "Guten Tag");
  assert.equal(text.reason, "TARGETING_MATCH");
  assert.equal((await client.getStringDetails("greeting", "?", { targetingKey: "user_1" })).value, "Hello");

  const settings = await client.getObjectDetails("settings", {}, german);
  assert.deepEqual(settings.value, { size: 3, colour: "red" });

  const missing = await client.getBooleanDetails("no_such_flag", true, german);
  assert.equal(missing.value, true, "the program's own default");
  assert.equal(missing.errorCode, "FLAG_NOT_FOUND");
});

test("the web provider evaluates in bulk, and is told when nothing changed", async (t) => {
  // Also after a failure, since a provider that goes on asking keeps the process.
  t.after(() => Web.close());
  const statuses = [];
  const counted = async (...call) => {
    const response = await fetch(...call);
    statuses.push(response.status);
    return response;
  };
  // The clock of the provider is short, so that it asks again by itself.
  const provider = new OFREPWebProvider({ baseUrl, pollInterval: 200, fetchImplementation: counted });
  await Web.setContext({ targetingKey: "user_1", country: "DE" });
  await Web.setProviderAndWait(provider);
  const client = Web.getClient();
  assert.equal(client.getBooleanValue("greeting_on", false), true);
  assert.equal(client.getStringValue("greeting", "?"), "Guten Tag");
  assert.deepEqual(client.getObjectValue("settings", {}), { size: 3, colour: "red" });

  // It asks five times a second; a busy machine may need longer.
  for (let waited = 0; statuses.length < 3 && waited < 30_000; waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(statuses[0], 200);
  assert.ok(statuses.length >= 3, `asked again: ${statuses}`);
  assert.ok(statuses.slice(1).every((status) => status === 304), `only 304 afterwards: ${statuses}`);

  await Web.setContext({ targetingKey: "user_1", country: "FR" });
  assert.equal(client.getStringValue("greeting", "?"), "Hello", "another context is another answer");
});
