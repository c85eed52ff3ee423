// One way to name things, so that an operator can type the name of a table without looking it up.

import type { Config } from "./config";

/** `abx-{stage}-{what}`. */
export function nameOf(config: Pick<Config, "stage">, what: string): string {
  return `abx-${config.stage}-${what}`;
}
