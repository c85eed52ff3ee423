// `npm run costs` prints what a month costs; with `-- --write` it brings docs/costs.md up to date.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { months, withTables } from "../lib/costs-table";

const [flag, ...others] = process.argv.slice(2);
if (flag === undefined) {
  console.log(months());
} else if (flag === "--write" && others.length === 0) {
  const page = join(__dirname, "../../../docs/costs.md");
  writeFileSync(page, withTables(readFileSync(page, "utf8")));
} else {
  console.error(`npm run costs takes --write or nothing, not ${[flag, ...others].join(" ")}`);
  process.exit(2);
}
