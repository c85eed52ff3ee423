// What runs in a function: the zip that `cargo lambda build` made, and the revision that serves when no other can be read.

import { gzipSync } from "node:zlib";
import { existsSync, mkdtempSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Code } from "aws-cdk-lib/aws-lambda";
import { ConfigError, NO_ASSETS } from "./config";
import type { Config } from "./config";
import type { FunctionName } from "./permissions";

const ROOT = join(__dirname, "..");

/** The format of a revision, as `FORMAT` in functions/src/catalog/revision.rs. */
const REVISION_FORMAT = 1;
export const REVISION_FILE = "revision.json.gz";
/** The program of the extension, as functions/Cargo.toml names it. */
export const EXTENSION = "abx-extension";

/** The code of a function. */
export function codeOf(name: FunctionName, config: Config): Code {
  if (config.assets === NO_ASSETS) {
    return Code.fromAsset(join(ROOT, "placeholder"));
  }
  const zip = resolve(ROOT, config.assets, name, "bootstrap.zip");
  if (!existsSync(zip)) {
    throw new ConfigError([
      `${zip} is not there; build the functions first, in the repository's root:\n      ${build(config)}\n`
      + "    or name their folder with -c assets=FOLDER; -c assets=none makes templates without them, which cannot serve",
    ]);
  }
  return Code.fromAsset(zip);
}

/** The layer of the extension: a zip whose one file is `extensions/abx-extension`, which Lambda unpacks into /opt and starts. */
export function codeOfExtension(config: Config): Code {
  if (config.assets === NO_ASSETS) {
    return Code.fromAsset(join(ROOT, "placeholder"));
  }
  const zip = resolve(ROOT, config.assets, "extensions", `${EXTENSION}.zip`);
  if (!existsSync(zip)) {
    throw new ConfigError([
      `${zip} is not there, and \`layer\` is true; build the extension first, in the repository's root:\n      `
      + `${build(config)} --extension --bin ${EXTENSION}`,
    ]);
  }
  return Code.fromAsset(zip);
}

/** The command that makes the zips. */
export function build(config: Pick<Config, "arch">): string {
  const arch = config.arch === "arm64" ? "--arm64" : "--x86-64";
  return `cargo lambda build -p abx-functions --release ${arch} --output-format zip`;
}

/** A layer's folder with the documents of a folder as one revision. */
export function bundle(folder: string): string {
  const from = resolve(ROOT, folder);
  if (!existsSync(from) || !statSync(from).isDirectory()) {
    throw new ConfigError([`\`bundled\` is ${JSON.stringify(folder)}; there is no such folder: write one with abx pull`]);
  }
  const files = readdirSync(from).filter((file) => file.endsWith(".yaml")).sort();
  const documents = files.map((file) => readDocument(join(from, file)));
  if (documents.length === 0) {
    throw new ConfigError([`\`bundled\` is ${JSON.stringify(folder)}; it holds no document: write one with abx pull`]);
  }
  const layer = mkdtempSync(join(tmpdir(), "abx-bundled-"));
  const bytes = gzipSync(JSON.stringify({ documents, format: REVISION_FORMAT }), { level: 9 });
  writeFileSync(join(layer, REVISION_FILE), bytes);
  return layer;
}

/** `abx pull` writes JSON, which is YAML; what people wrote has to be checked and compiled first, which `abx publish` does. */
function readDocument(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    throw new ConfigError([`${path} is not JSON; \`bundled\` takes a folder that abx pull wrote, with nothing else in it`]);
  }
}
