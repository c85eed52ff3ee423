// What the tests share: the server that `run` started, servers that do not answer, and waiting.
import assert from "node:assert/strict";
import { rename, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

export const { ABX: abx, ABX_URL: baseUrl, ABX_DOCUMENTS: documents, ABX_STORE: store, JACKSON: jackson, PYTHON: python } = process.env;
assert.ok(abx && baseUrl && documents && store && jackson && python, "e2e/ofrep/run sets the variables");

/** Limits of the core refuse a context of this depth. */
export const tooDeep = { a: { b: { c: { d: { e: 1 } } } } };

/** Writes a file of documents, whole at once, because the server watches the folder. */
export async function save(name, text) {
  const whole = `${documents}/${name}`;
  await writeFile(`${whole}.new`, text);
  await rename(`${whole}.new`, whole);
}

/** Waits for what `question` answers with anything but undefined; a busy machine may need long. */
export async function eventually(what, question, seconds = 30) {
  for (const end = Date.now() + seconds * 1_000; Date.now() < end; await pause(25)) {
    const answer = await question();
    if (answer !== undefined) {
      return answer;
    }
  }
  return assert.fail(`${what}: not within ${seconds} s`);
}

async function listen(t, server) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** A server that takes requests and never answers. */
export function silent(t) {
  const sockets = [];
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  return listen(t, createServer((socket) => sockets.push(socket.on("error", () => {}))));
}

/** An address where nothing listens. */
export async function away(t) {
  const server = createServer();
  const url = await listen(t, server);
  await new Promise((resolve) => server.close(resolve));
  return url;
}
