// The variables of each function: what functions/src/settings.rs reads, and nothing else, since it refuses what it does not know.

import { REVISION_FILE } from "./code";
import type { Config } from "./config";
import type { DataStack } from "./data-stack";
import type { FunctionName } from "./permissions";

export function environmentOf(name: FunctionName, config: Config, data: DataStack): Record<string, string> {
  const common = {
    ABX_CATALOG_TABLE: data.tables.catalog.tableName,
    ABX_LOG_LEVEL: config.logLevel,
    // A layer is unpacked into /opt.
    ...(config.bundled === undefined ? {} : { ABX_BUNDLED_REVISION: `/opt/${REVISION_FILE}` }),
  };
  const answering = {
    ...common,
    ABX_EVENT_STREAM: data.stream.streamName,
    ABX_EXPOSURES: config.exposures,
    ...(config.corsOrigins.length === 0 ? {} : { ABX_CORS_ORIGINS: config.corsOrigins.join(",") }),
    ...(config.corsHeaders === undefined ? {} : { ABX_CORS_HEADERS: config.corsHeaders }),
    ...(config.basePath === undefined ? {} : { ABX_BASE_PATH: config.basePath }),
  };
  switch (name) {
    case "assignment":
      return {
        ...answering,
        ABX_ASSIGNMENTS_TABLE: data.tables.assignments.tableName,
        ABX_ASSIGNMENT_TTL_DAYS: String(config.assignmentTtlDays),
        ABX_CACHE_ASSIGNMENTS: String(config.cacheAssignments),
      };
    case "flags":
      return { ...answering, ABX_EVALUATIONS: config.evaluations };
    case "events":
      return {
        ...common,
        ABX_METRICS_TABLE: data.tables.metrics.tableName,
        ABX_MARKS_TABLE: data.tables.marks.tableName,
        ABX_ARCHIVE_STREAM: data.archive.streamName,
      };
  }
}
