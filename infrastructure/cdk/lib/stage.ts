// The settings that a stage is deployed with each time: one file for each stage, so that no deployment forgets what an earlier one was
// told. A stage without its file is refused; context overrides single values of it.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, DEFAULT_STAGE, STAGE_SHAPE, ownContext, readConfig } from "./config";
import type { Config, Context } from "./config";

/** Where the files are. */
export const STAGES = join(__dirname, "../config");

/** The settings of the stage that the context names. */
export function readStage(context: Context, folder = STAGES): Config {
  // An empty value is none, as for every other key.
  const stage = ownContext(context)["stage"] || DEFAULT_STAGE;
  if (typeof stage !== "string" || !STAGE_SHAPE.test(stage)) {
    // No name of a file is made of it; the reader says what is wrong.
    return readConfig(context);
  }
  const name = `config/${stage}.json`;
  const path = join(folder, `${stage}.json`);
  if (!existsSync(path)) {
    throw new ConfigError([missing(stage, name)]);
  }
  return readConfig({ ...context, stage }, { name, values: parse(readFileSync(path, "utf8"), name, stage) });
}

function missing(stage: string, name: string): string {
  return `the stage ${stage} has no file ${name}, which keeps its settings from one deployment to the next; make one, and commit it:\n`
    + `      echo '{ "alarmEmail": "ops@example.com" }' > ${name}\n`
    + "    Its keys are those of -c, which docs/operating.md lists; {} takes every default";
}

function parse(text: string, name: string, stage: string): Context {
  const values = parseJson(text, name);
  if (values === null || typeof values !== "object" || Array.isArray(values)) {
    throw new ConfigError([`${name} does not hold one JSON object of settings, for example { "alarmEmail": "ops@example.com" }`]);
  }
  const { stage: written = stage, ...others } = values as Record<string, unknown>;
  if (written !== stage) {
    throw new ConfigError([`${name} is of the stage ${stage}, and says \`stage\`: ${JSON.stringify(written)}; remove that line`]);
  }
  // Keys of the CDK have no meaning there, so they are refused as any other key that is not known.
  return others;
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError([`${name} is not JSON: ${error instanceof Error ? error.message : String(error)}`]);
  }
}
