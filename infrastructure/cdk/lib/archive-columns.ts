// The columns of the archive: the fields of a line in functions/src/events/archived.rs.

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly comment: string;
}

/** The field of a line that says which event it is, and its column: a name with `_` first would have to be quoted everywhere. */
export const ID_FIELD = "_id";
export const ID_COLUMN = "id";

export const ARCHIVE_COLUMNS: readonly Column[] = [
  { name: ID_COLUMN, type: "string", comment: "shard:sequence[:sub]; two lines with one id are one event" },
  { name: "arrived_at", type: "string", comment: "when the stream took it, RFC 3339" },
  { name: "type", type: "string", comment: "exposure, evaluation, evaluations or conversion" },
  { name: "unit", type: "string", comment: "whom it is about; none for evaluations, which are a summary" },
  { name: "event", type: "string", comment: "the name of a conversion" },
  { name: "experiment", type: "string", comment: "of an exposure" },
  { name: "flag", type: "string", comment: "of an evaluation" },
  { name: "variant", type: "string", comment: "of an exposure or an evaluation" },
  { name: "timestamp", type: "string", comment: "when it happened, as its sender says, RFC 3339" },
  {
    name: "credited",
    type: "array<struct<experiment:string,metric:string,variant:string>>",
    comment: "what a conversion was credited to",
  },
  { name: "sent", type: "string", comment: "the event as it was sent, JSON" },
];
