// The tables of docs/costs.md, and how they are put there.

import { ASSUMPTIONS, PRICES, environmentsFor, missRateOf, month } from "./costs";
import type { Month } from "./costs";

export const RATES = [1, 100, 10_000] as const;

const BEGIN = (name: string) => `<!-- ${name}: written by \`npm run costs -- --write\` -->`;
const END = "<!-- end -->";

const ROWS: readonly [string, keyof Month][] = [
  ["Lambda: requests and GB-seconds", "lambda"],
  ["DynamoDB: writes", "writes"],
  ["DynamoDB: reads", "reads"],
  ["DynamoDB: storage and backups, once as much ends as begins", "tables"],
  ["Kinesis: shards, a week's retention, puts", "kinesis"],
  ["Archive: Firehose, S3 of one month", "archive"],
  ["CloudWatch: logs, which carry the metrics", "logs"],
  ["CloudWatch: metrics and alarms", "metrics"],
];

const usd = (amount: number) => amount.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = (amount: number) => amount.toLocaleString("en-US");

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = `|${head.map((_, index) => (index === 0 ? "---" : "---:")).join("|")}|`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

/** USD a month at each rate. */
export function months(): string {
  const all = RATES.map(month);
  const row = (name: string, key: keyof Month) => [name, ...all.map((it) => usd(it[key]))];
  return table(["USD a month", ...RATES.map((rate) => `${whole(rate)} requests/s`)], [
    ...ROWS.map(([name, key]) => row(name, key)),
    ["**all**", ...all.map((it) => `**${usd(it.total)}**`)],
    ["a million requests", ...all.map((it) => usd(it.total / (it.requestsPerSecond * ASSUMPTIONS.secondsOfMonth) * 1e6))],
    ["shards", ...all.map((it) => whole(it.shards))],
    ["environments that assign", ...RATES.map((rate) => whole(environmentsFor(rate / 2)))],
    ["requests for an assignment whose environment does not remember it", ...RATES.map((rate) => `${Math.round(100 * missRateOf(rate))} %`)],
    row("not in it: Lambda's own lines, `-c platformLogs=true`", "platformLogs"),
  ]);
}

/** Every assumed number, by its name in lib/costs.ts. */
export function assumed(): string {
  const rows = (numbers: Readonly<Record<string, number>>) =>
    Object.entries(numbers).map(([name, number]) => [`\`${name}\``, String(number)]);
  return table(["assumed", ""], [...rows(PRICES), ...rows(ASSUMPTIONS)]);
}

/** A text with the tables of today between their marks. */
export function withTables(text: string): string {
  return replace(replace(text, "costs", months()), "assumptions", assumed());
}

function replace(text: string, name: string, between: string): string {
  const begin = BEGIN(name);
  const start = text.indexOf(begin);
  const end = text.indexOf(END, start);
  if (start < 0 || end < 0) {
    throw new Error(`there are no lines ${begin} and ${END} to write between`);
  }
  return `${text.slice(0, start)}${begin}\n${between}\n${text.slice(end)}`;
}
