// How long the stream remembers a record, and how long Lambda tries to have it counted.

import { Duration } from "aws-cdk-lib";
import type { Config } from "./config";

/** A week is what is left to mend a fault in before records are lost; a day is free. */
export function retention({ keep }: Pick<Config, "keep">): Duration {
  return keep ? Duration.days(7) : Duration.days(1);
}

/**
 * Nearly as long as the stream remembers. The rest is for Lambda to read what it gives up and write it into the bucket of failures: what
 * the stream drops before that is lost without a trace. A shorter age was rejected: it would send records through `abx redrive` that
 * the function counts by itself once the fault is mended.
 */
export function giveUpAfter(config: Pick<Config, "keep">): Duration {
  return Duration.hours(retention(config).toHours() - (config.keep ? 24 : 6));
}
