// The programs of docs/integrating.md, as they stand there: with the server, with one that never answers, and where nothing listens.
// A block is a program if its first line is a comment with the name of a file.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { before, after, test } from "node:test";
import { promisify } from "node:util";
import { abx, away, baseUrl, eventually, jackson, python, save, silent, store } from "./world.mjs";

const here = import.meta.dirname;
const page = await readFile(`${here}/../../docs/integrating.md`, "utf8");
const blocks = [...page.matchAll(/^```\w+\n((?:\/\/|#) (\w+\.\w+)\n[^]*?)^```$/gm)];
const programs = new Map(blocks.map(([, text, name]) => [name, text]));

const watch = `
  import { watchBuyButton } from "./buy_button.mjs";
  // A page goes on; this stops at the first color.
  await watchBuyButton(process.env.ABX_URL, process.argv[1], (...shown) => { console.log(...shown); process.exit(); });`;

/** How each is run, what it prints for a unit of the variant `green`, and what without an answer. */
const runs = [
  { name: "checkout.mjs", command: ["node", "checkout.mjs"], green: "green (SPLIT)", fallback: "blue (GENERAL)" },
  { name: "buy_button.mjs", command: ["node", "--input-type=module", "-e", watch], green: "green SPLIT", fallback: "blue FLAG_NOT_FOUND" },
  { name: "checkout.py", command: [python, "checkout.py"], green: "green (SPLIT)", fallback: "blue (GENERAL)" },
  { name: "Checkout.java", command: ["java", "-cp", jackson, "Checkout.java"], green: "green", fallback: "blue" },
  { name: "checkout.sh", command: ["bash", "checkout.sh"], green: "flag green, experiment green", fallback: "flag blue, experiment control" },
  { name: "show.sh", command: ["bash", "show.sh"], green: "green", fallback: "control" },
];

let folder;
before(async () => {
  folder = await mkdtemp(`${tmpdir()}/abx-integrating-`);
  await symlink(`${here}/node_modules`, `${folder}/node_modules`);
  for (const [name, text] of programs) {
    await writeFile(`${folder}/${name}`, text);
  }
  await save("shop.yaml", programs.get("shop.yaml"));
});
after(() => rm(folder, { recursive: true }));

async function run({ command: [file, ...words] }, url, unit) {
  const env = { ...process.env, ABX_URL: url };
  return promisify(execFile)(file, [...words, unit, `event_of_${unit}`], { cwd: folder, env, timeout: 60_000 });
}

/** Units that the experiment gives `green`. A peek records nothing. */
async function* greenUnits() {
  for (let i = 1; ; i += 1) {
    const body = JSON.stringify({ user_id: `user_${i}`, experiment_key: "buy_button", peek: true });
    const variant = await eventually("the page's documents", async () => {
      const response = await fetch(`${baseUrl}/assign`, { method: "POST", body });
      return response.status === 404 ? undefined : (await response.json()).variant;
    });
    if (variant === "green") {
      yield `user_${i}`;
    }
  }
}

/** Units and buyers of a variant, as `abx results` has them. */
async function counts(variant) {
  const { stdout } = await promisify(execFile)(abx, ["results", "buy_button", "--store", store, "--format", "json"]);
  const { units, converted } = JSON.parse(stdout).metrics[0].variants.find((it) => it.variant === variant);
  return { units, converted };
}

test("each program of the page is run here", () => {
  assert.deepEqual([...programs.keys()].sort(), ["shop.yaml", ...runs.map(({ name }) => name)].sort());
});

test("each program shows its fallback where the server is away or silent", async (t) => {
  for (const url of [await away(t), await silent(t)]) {
    for (const program of runs) {
      assert.equal((await run(program, url, "user_1")).stdout, `${program.fallback}\n`, program.name);
    }
  }
});

test("each program shows what the server says, each exposure counts, and so does the order", async () => {
  const units = greenUnits();
  for (const program of runs) {
    const { value: unit } = await units.next();
    // Half a second can be too short on a busy machine; a unit counts once, and so does its order.
    let printed;
    for (let tries = 0; tries < 5 && printed !== `${program.green}\n`; tries += 1) {
      const { stdout, stderr } = await run(program, baseUrl, unit);
      printed = stdout + stderr;
    }
    assert.equal(printed, `${program.green}\n`, program.name);
  }
  const expected = { units: runs.length, converted: 1 };
  await eventually("an exposure of each program", async () => (await counts("green")).units === expected.units || undefined);
  assert.deepEqual(await counts("green"), expected, "only `checkout.sh` orders");
  assert.deepEqual(await counts("control"), { units: 0, converted: 0 }, "a fallback is no exposure");
});
