// All tests in one process: what is synthesized once serves all of them, and the first time costs seconds.

import { readdirSync } from "node:fs";
import { join } from "node:path";

for (const file of readdirSync(__dirname).filter((it) => it.endsWith(".test.ts")).sort()) {
  require(join(__dirname, file));
}
