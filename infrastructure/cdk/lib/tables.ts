// The tables, with the keys that the functions use: functions/src/adapters/aws/tables.rs makes the same for tests.

/** The keys of a table, both strings, and whether its items end. */
export interface TableShape {
  readonly partition: string;
  readonly sort: string;
  /** Whether items carry the second of their end in `ttl`. */
  readonly expires: boolean;
}

/** The attribute with the second of an item's end. */
export const TTL = "ttl";

export const TABLES = {
  catalog: { partition: "pk", sort: "sk", expires: false },
  assignments: { partition: "user_id", sort: "experiment_key", expires: true },
  metrics: { partition: "pk", sort: "sk", expires: true },
  marks: { partition: "unit", sort: "sk", expires: true },
} as const satisfies Record<string, TableShape>;

export type TableName = keyof typeof TABLES;

export const TABLE_NAMES = Object.keys(TABLES) as TableName[];
