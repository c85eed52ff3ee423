// From the stream to the event function. The counting relies on what is set here, so the tests hold each value.

import { Duration } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Stream } from "aws-cdk-lib/aws-kinesis";
import { EventSourceMapping, MetricType, StartingPosition } from "aws-cdk-lib/aws-lambda";
import type { DlqDestinationConfig } from "aws-cdk-lib/aws-lambda";
import type { Bucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import type { Config } from "./config";
import type { AbxFunction } from "./function";
import { giveUpAfter } from "./retention";

/** Where Lambda writes what it gave up. */
export const FAILURES_PREFIX = "aws/lambda/";

export interface StreamMappingProps {
  readonly config: Config;
  readonly target: AbxFunction;
  readonly stream: Stream;
  readonly failures: Bucket;
}

export class StreamMapping extends Construct {
  /** The mapping's UUID, under which CloudWatch counts what it did. */
  readonly uuid: string;

  constructor(scope: Construct, id: string, { config, target, stream, failures }: StreamMappingProps) {
    super(scope, id);
    const mapping = new EventSourceMapping(this, "Source", {
      target: target.alias,
      eventSourceArn: stream.streamArn,
      // The first record that is there: with LATEST, what came before the mapping was ready would never be counted.
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: config.batchSize,
      maxBatchingWindow: Duration.seconds(config.batchWindow),
      // A shard has one head, so one batch at a time. More would lose what lies between.
      parallelizationFactor: 1,
      reportBatchItemFailures: true,
      bisectBatchOnError: true,
      // No record fails by itself, only the tables and the archive behind it. A refused commit answers within milliseconds, so a
      // number of attempts is used up within seconds of an outage: only age gives a record up.
      retryAttempts: -1,
      maxRecordAge: giveUpAfter(config),
      onFailure: { bind: () => this.give(target, failures) },
      metricsConfig: { metrics: [MetricType.EVENT_COUNT] },
    });
    this.uuid = mapping.eventSourceMappingId;
    // When the mapping is made, Lambda checks that the role may read the stream.
    mapping.node.addDependency(target.role);
  }

  /** As `S3OnFailureDestination`, which lets the function read, write and delete everything in the bucket. */
  private give(target: AbxFunction, failures: Bucket): DlqDestinationConfig {
    target.role.addToPolicy(new PolicyStatement({ actions: ["s3:ListBucket"], resources: [failures.bucketArn] }));
    target.role.addToPolicy(new PolicyStatement({
      actions: ["s3:PutObject"],
      resources: [failures.arnForObjects(`${FAILURES_PREFIX}*`)],
    }));
    return { destination: failures.bucketArn };
  }
}
