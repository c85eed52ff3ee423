// What a month costs. A model, not a bill: every number that it assumes is named here, and docs/costs.md shows its output.

import { missRate } from "./misses";

/** List prices of us-east-1 in USD, as known in November 2025: assumptions, to be looked up before anybody relies on them. */
export const PRICES = {
  lambdaMillionRequests: 0.2,
  /** arm64, the first tier. */
  lambdaGbSecond: 0.000_013_333_4,
  /** On demand. */
  dynamoMillionWrites: 0.625,
  dynamoMillionReads: 0.125,
  dynamoGbMonth: 0.25,
  dynamoBackupGbMonth: 0.2,
  kinesisShardHour: 0.015,
  /** For keeping records longer than a day, up to a week. */
  kinesisRetentionShardHour: 0.02,
  /** Of 25 KB each. */
  kinesisMillionPuts: 0.014,
  firehoseGb: 0.029,
  s3GbMonth: 0.023,
  s3ThousandPuts: 0.005,
  logsGb: 0.5,
  /** Of logs, which are stored at about a seventh of their size. */
  logsGbMonth: 0.03,
  customMetricMonth: 0.3,
  alarmMetricMonth: 0.1,
} as const;

/** What is assumed of the requests. Half of them are taken to ask for assignments, half for flags. */
export const ASSUMPTIONS = {
  /** Of 730 hours. */
  secondsOfMonth: 2_628_000,
  /** How often a unit asks for one assignment in a visit, and how long a visit takes; see lib/misses.ts. */
  asksPerAssignment: 5,
  visitSeconds: 600,
  /** As the stacks set it. */
  cacheAssignments: 10_000,
  /** The share of requests for an assignment that are a unit's first in an experiment: a new item and a new mark each. */
  firstsPerAssignment: 0.05,
  /** The share of requests for flags that serve a variant of an experiment, which is an exposure. */
  exposuresPerFlagRequest: 0.2,
  /** Evaluations of an environment are one record in so many seconds, as functions/src/outbox/summary.rs sends them. */
  summarySeconds: 10,
  conversionsPerRequest: 0.1,
  /** The share of conversions that leave a mark of their own. */
  firstsPerConversion: 0.2,
  /** The share of conversions that have an id and count for a count, a sum or a mean: their ids are marks as well. */
  idMarksPerConversion: 0.5,
  /** Items read to know a unit's marks, an event. */
  markReadsPerEvent: 0.5,
  /** Billed milliseconds: the handler, and the call to Kinesis after it. Not measured on Lambda. */
  requestMs: 10,
  requestMb: 512,
  /** A batch: so long with one event, and so much longer with each other. Not measured on Lambda. */
  batchMs: 30,
  batchEventMs: 0.1,
  batchMb: 1024,
  /** As the stacks set them. */
  batchSize: 500,
  batchWindowSeconds: 5,
  /** Experiments that the events of a full batch belong to, and the variants of each. */
  experimentsPerBatch: 5,
  variantsPerExperiment: 2,
  /** Peaks are this much above the average: shards are bought for them. */
  peak: 2,
  leastShards: 2,
  eventBytes: 400,
  /** A line of the archive, and how many times smaller gzip makes it. */
  archiveBytes: 700,
  archiveRatio: 8,
  /** Firehose writes a file when it has so much, and after five minutes anyway. */
  archiveFileBytes: 128e6,
  archiveFileSeconds: 300,
  assignmentBytes: 400,
  assignmentDays: 90,
  markBytes: 300,
  markDays: 400,
  /** Marks of ids are kept as long as a record can be redriven. */
  idMarkDays: 31,
  idMarkBytes: 250,
  /** One set of metric lines: after 100 requests of an environment, or after 10 s with any. */
  metricLineBytes: 2_000,
  metricBytesPerRequest: 20,
  requestsPerMetricLine: 100,
  metricLineSeconds: 10,
  /** Names and dimensions together, of the three functions. */
  customMetrics: 73,
  /** What the alarms watch; a test counts them in the stacks. */
  alarmMetrics: 62,
  /** Lambda's own three lines around each invocation, if they are not left out. */
  platformBytes: 500,
} as const;

/** A month, in USD, by what it is for. */
export interface Month {
  readonly requestsPerSecond: number;
  readonly shards: number;
  readonly lambda: number;
  readonly writes: number;
  readonly reads: number;
  readonly tables: number;
  readonly kinesis: number;
  readonly archive: number;
  readonly logs: number;
  readonly metrics: number;
  readonly total: number;
  /** Not in the total: with `-c platformLogs=true`. */
  readonly platformLogs: number;
}

const A = ASSUMPTIONS;
const P = PRICES;
const MILLION = 1e6;
const GB = 1e9;
/** A GB-second of memory is of 1,024 MB. */
const MB_OF_GB = 1024;

/** What so many requests a second cost. */
export function month(requestsPerSecond: number): Month {
  const requests = requestsPerSecond * A.secondsOfMonth;
  const misses = missRateOf(requestsPerSecond);
  const events = eventsOf(requestsPerSecond, misses) * A.secondsOfMonth;
  const shards = shardsFor(events / A.secondsOfMonth);
  const batches = batchesOf(events, shards);
  const parts = {
    lambda: lambda(requests, A.requestMs, A.requestMb)
      + lambda(batches, A.batchMs + A.batchEventMs * events / batches, A.batchMb),
    writes: writes(requests, misses, events, batches) / MILLION * P.dynamoMillionWrites,
    reads: reads(requests, misses, events, batches) / MILLION * P.dynamoMillionReads,
    tables: storedBytes(requests) / GB * (P.dynamoGbMonth + P.dynamoBackupGbMonth),
    kinesis: kinesis(events, shards),
    archive: archive(events),
    logs: logs(metricBytes(requests)),
    metrics: A.customMetrics * P.customMetricMonth + A.alarmMetrics * P.alarmMetricMonth,
  };
  const total = Object.values(parts).reduce((sum, part) => sum + part, 0);
  return { requestsPerSecond, shards, ...parts, total, platformLogs: logs((requests + batches) * A.platformBytes) };
}

/** A shard takes 1,000 records or 1 MB a second. */
export function shardsFor(eventsPerSecond: number): number {
  const peak = eventsPerSecond * A.peak;
  return Math.max(A.leastShards, Math.ceil(peak / 1000), Math.ceil(peak * A.eventBytes / MILLION));
}

/** A batch ends when it is full, or when the window is over; and no batch is without an event. */
export function batchesOf(events: number, shards: number): number {
  const perShard = events / A.secondsOfMonth / shards;
  const full = perShard / A.batchSize;
  const perSecond = Math.max(full, Math.min(perShard, 1 / A.batchWindowSeconds));
  return perSecond * shards * A.secondsOfMonth;
}

/**
 * The environments of one function that answer so many requests a second: as many as work at once in a busy moment, when arrivals are
 * four standard deviations above their mean (Poisson).
 */
export function environmentsFor(requestsPerSecond: number): number {
  const busy = requestsPerSecond * A.requestMs / 1000;
  return Math.max(1, Math.ceil(busy + 4 * Math.sqrt(busy)));
}

/** The share of requests for an assignment whose environment does not remember it; half of all requests are for assignments. */
export function missRateOf(requestsPerSecond: number): number {
  const perSecond = requestsPerSecond / 2;
  return missRate({
    perSecond, environments: environmentsFor(perSecond), cache: A.cacheAssignments, asks: A.asksPerAssignment, visitSeconds: A.visitSeconds,
  });
}

/**
 * Records of the stream a second. An environment that does not remember an assignment does not remember its exposure either, and sends it
 * once more; evaluations are one summary of each environment every ten seconds, or none without a request.
 */
export function eventsOf(requestsPerSecond: number, misses: number): number {
  const each = requestsPerSecond / 2;
  const summaries = Math.min(each, environmentsFor(each) / A.summarySeconds);
  return each * misses * (1 + A.exposuresPerFlagRequest) + summaries + requestsPerSecond * A.conversionsPerRequest;
}

/** What one request for an assignment that is not remembered costs, as functions/src/assignment/known_share.rs decides. */
export function assignmentUnits(misses: number): { readonly reads: number; readonly writes: number } {
  const known = 1 - A.firstsPerAssignment / misses;
  // Half a unit for each item up to 4 KB, at a fifth of the price of a write.
  const readPrice = 0.5 * P.dynamoMillionReads / P.dynamoMillionWrites;
  return known > readPrice ? { reads: 0.5, writes: 1 - known } : { reads: 0, writes: 1 };
}

/**
 * What one commit adds to one experiment, in write units: its row of the hour, and a row of groups for each of its variants. A
 * batch that reaches over an hour, and an experiment whose row is larger than 1 KB, take more.
 */
export function experimentWrites(variants: number): number {
  return 2 * (1 + variants);
}

/** What one commit writes, in write units: twice what an item alone would, because it is a transaction. */
export function commitWrites(events: number): number {
  const kilobytes = (bytes: number) => Math.max(1, Math.ceil(bytes / 1024));
  const head = 2;
  // Eight bytes an event id, or twelve for a conversion of a unit that was not exposed, beside the positions that the commit covers.
  const log = 2 * kilobytes(events * 12 + 300);
  // Of the stream: what was taken, late, or credited to nobody.
  const stream = 2;
  const experiments = Math.min(A.experimentsPerBatch, Math.ceil(events));
  // An event is of one variant, so few of them do not reach the groups of all.
  const variants = Math.min(A.variantsPerExperiment, Math.ceil(events / experiments));
  return head + log + stream + experiments * experimentWrites(variants);
}

function lambda(invocations: number, ms: number, mb: number): number {
  const gbSeconds = invocations * Math.ceil(ms) / 1000 * mb / MB_OF_GB;
  return invocations / MILLION * P.lambdaMillionRequests + gbSeconds * P.lambdaGbSecond;
}

function writes(requests: number, misses: number, events: number, batches: number): number {
  return requests / 2 * misses * assignmentUnits(misses).writes + marks(requests) + idMarks(requests) + batches * commitWrites(events / batches);
}

/** New marks of units of a month. */
function marks(requests: number): number {
  return requests / 2 * A.firstsPerAssignment + requests * A.conversionsPerRequest * A.firstsPerConversion;
}

/** New marks of ids of a month. */
function idMarks(requests: number): number {
  return requests * A.conversionsPerRequest * A.idMarksPerConversion;
}

/**
 * A batch reads the head of the catalog, strongly consistent: one unit. That of the other functions is half a unit every ten seconds
 * of an environment, and environments are few: it is left out.
 */
function reads(requests: number, misses: number, events: number, batches: number): number {
  return requests / 2 * misses * assignmentUnits(misses).reads + events * A.markReadsPerEvent + batches;
}

/** What lies in the tables once as much ends as begins, in bytes. */
function storedBytes(requests: number): number {
  const days = A.secondsOfMonth / 86_400;
  const assignments = requests / 2 * A.firstsPerAssignment * A.assignmentDays / days;
  return assignments * A.assignmentBytes
    + marks(requests) * A.markDays / days * A.markBytes
    + idMarks(requests) * A.idMarkDays / days * A.idMarkBytes;
}

function kinesis(events: number, shards: number): number {
  const hours = A.secondsOfMonth / 3600;
  return shards * hours * (P.kinesisShardHour + P.kinesisRetentionShardHour) + events / MILLION * P.kinesisMillionPuts;
}

/** Storage of one month's lines; each month that is kept adds as much again. */
function archive(events: number): number {
  const bytes = events * A.archiveBytes;
  const files = Math.max(bytes / A.archiveFileBytes, A.secondsOfMonth / A.archiveFileSeconds);
  return bytes / GB * P.firehoseGb + bytes / A.archiveRatio / GB * P.s3GbMonth + files / 1000 * P.s3ThousandPuts;
}

function metricBytes(requests: number): number {
  const perSecond = requests / A.secondsOfMonth;
  const environments = environmentsFor(perSecond / 2) * 2;
  const lines = Math.max(perSecond / A.requestsPerMetricLine, Math.min(perSecond, environments / A.metricLineSeconds));
  return lines * A.secondsOfMonth * A.metricLineBytes + requests * A.metricBytesPerRequest;
}

function logs(bytes: number): number {
  return bytes / GB * (P.logsGb + P.logsGbMonth);
}
