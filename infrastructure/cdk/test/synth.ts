// What the tests share: stacks made as `cdk synth` makes them, and the sources that they have to agree with.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { FLAGS, makeStacks } from "../lib/app";
import type { Stacks } from "../lib/app";
import { readConfig } from "../lib/config";

export const REPOSITORY = join(__dirname, "../../..");

export interface Synthesized {
  readonly app: App;
  readonly stacks: Stacks;
  readonly data: Template;
  readonly functions: Template;
  readonly monitoring: Template;
}

const synthesized = new Map<string, Synthesized>();

/** The stacks with this context, without built functions; made once, so nobody may change them. */
export function synth(context: Record<string, string> = {}): Synthesized {
  const key = JSON.stringify(context);
  const made = synthesized.get(key) ?? make(context);
  synthesized.set(key, made);
  return made;
}

function make(context: Record<string, string>): Synthesized {
  const app = new App({ context: { ...FLAGS, assets: "none", ...context } });
  const stacks = makeStacks(app, readConfig(app.node.getAllContext()));
  return {
    app,
    stacks,
    data: Template.fromStack(stacks.data),
    functions: Template.fromStack(stacks.functions),
    monitoring: Template.fromStack(stacks.monitoring),
  };
}

/** A file of the repository. */
export function source(path: string): string {
  return readFileSync(join(REPOSITORY, path), "utf8");
}

/** A Rust file without its tests. */
export function rust(path: string): string {
  return source(path).split("#[cfg(test)]\nmod tests")[0] ?? "";
}

/** What the groups of an expression found, for each place that it fits; no place at all is a mistake of the test. */
export function found(text: string, expression: RegExp): string[][] {
  const all = [...text.matchAll(expression)].map((match) => match.slice(1));
  if (all.length === 0) {
    throw new Error(`nothing fits ${String(expression)}: was the source moved?`);
  }
  return all;
}

export function firsts(text: string, expression: RegExp): string[] {
  return found(text, expression).map(([first]) => first ?? "");
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Every object in a value, however deep. */
export function objects(value: Json): { readonly [key: string]: Json }[] {
  if (value === null || typeof value !== "object") {
    return [];
  }
  const inner = Object.values(value).flatMap((it: Json) => objects(it));
  return Array.isArray(value) ? inner : [value as { readonly [key: string]: Json }, ...inner];
}

export function sorted(values: Iterable<string>): string[] {
  return [...new Set(values)].sort();
}
