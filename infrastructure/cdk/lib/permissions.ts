// Which function may do what, and nothing else. A test compares this with the calls in functions/src/adapters/aws/.

import type { TableName } from "./tables";

export const FUNCTIONS = ["assignment", "flags", "events"] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** What one function may do. */
export interface Permissions {
  /** Actions of DynamoDB on tables. A transaction needs the actions that it is made of, and none of its own. */
  readonly tables: Readonly<Partial<Record<TableName, readonly string[]>>>;
  /** Actions of Kinesis on the stream of events. */
  readonly stream: readonly string[];
  /** Actions of Firehose on the archive. */
  readonly archive: readonly string[];
}

/** The head and the manifest are items of their own, the chunks of a revision are queried. */
const READ_CATALOG = ["dynamodb:GetItem", "dynamodb:Query"];

export const PERMISSIONS: Readonly<Record<FunctionName, Permissions>> = {
  assignment: {
    tables: { catalog: READ_CATALOG, assignments: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"] },
    stream: ["kinesis:PutRecords"],
    archive: [],
  },
  flags: {
    tables: { catalog: READ_CATALOG },
    stream: ["kinesis:PutRecords"],
    archive: [],
  },
  events: {
    tables: {
      catalog: READ_CATALOG,
      metrics: ["dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"],
      marks: ["dynamodb:BatchGetItem", "dynamodb:PutItem"],
    },
    // Read by Lambda in the function's name. `ListStreams` is left out: it cannot be given for one stream, and nothing needs it.
    stream: [
      "kinesis:DescribeStream",
      "kinesis:DescribeStreamSummary",
      "kinesis:GetRecords",
      "kinesis:GetShardIterator",
      "kinesis:ListShards",
    ],
    archive: ["firehose:PutRecordBatch"],
  },
};
