// A function in Node.js, as its runtime would run it: it takes invocations from the Runtime API, and asks the extension for a decision.
import process from "node:process";

const runtime = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
const abx = `http://localhost:${process.env.ABX_EXTENSION_PORT ?? 2772}`;
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";

async function ask(path, question) {
  const headers = { "content-type": "application/json", traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
  const answer = await fetch(abx + path, { method: "POST", body: JSON.stringify(question), headers });
  return answer.json();
}

// In the init, before any invocation.
await ask("/assign", { user_id: "init", experiment_key: "e", peek: true });

for (;;) {
  const invocation = await fetch(`${runtime}/next`);
  const requestId = invocation.headers.get("lambda-runtime-aws-request-id");
  const { user_id } = await invocation.json();
  const { variant, revision } = await ask("/assign", { user_id, experiment_key: "e" });
  const flag = await ask("/flags/f", { user_id });
  const body = JSON.stringify({ user_id, variant, revision, flag: flag.value });
  await fetch(`${runtime}/${requestId}/response`, { method: "POST", body });
}
