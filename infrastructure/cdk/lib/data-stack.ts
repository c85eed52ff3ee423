// What must not be lost: the tables, the stream and the archive.

import { CfnOutput, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import type { StackProps } from "aws-cdk-lib";
import { AttributeType, BillingMode, Table, TableEncryption } from "aws-cdk-lib/aws-dynamodb";
import { Stream, StreamEncryption, StreamMode } from "aws-cdk-lib/aws-kinesis";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { Construct } from "constructs";
import { Archive } from "./archive";
import { PrivateBucket } from "./bucket";
import type { Config } from "./config";
import { keyOf } from "./keys";
import { nameOf } from "./names";
import { retention } from "./retention";
import { TABLES, TABLE_NAMES, TTL } from "./tables";
import type { TableName, TableShape } from "./tables";

export class DataStack extends Stack {
  readonly tables: Readonly<Record<TableName, Table>>;
  readonly stream: Stream;
  readonly archive: Archive;
  /** Batches that the event function gave up: Lambda writes the records themselves into it. */
  readonly failures: PrivateBucket;

  constructor(scope: Construct, id: string, config: Config, props?: StackProps) {
    super(scope, id, { ...props, terminationProtection: config.keep });
    const key = keyOf(this, config);
    const tables = TABLE_NAMES.map((name) => [name, this.table(name, TABLES[name], config, key)] as const);
    this.tables = Object.fromEntries(tables) as Record<TableName, Table>;
    this.stream = this.makeStream(config, key);
    this.archive = new Archive(this, "Archive", config, key);
    new CfnOutput(this, "archive-folder", { value: this.archive.address });
    this.failures = new PrivateBucket(this, "Failures", {
      keep: config.keep,
      key,
      // Who was not there for three months will not put them back.
      lifecycleRules: [{ expiration: Duration.days(90) }],
    });
  }

  private table(name: TableName, shape: TableShape, config: Config, key: IKey | undefined): Table {
    return new Table(this, `Table-${name}`, {
      tableName: nameOf(config, name),
      partitionKey: { name: shape.partition, type: AttributeType.STRING },
      sortKey: { name: shape.sort, type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      ...(key === undefined
        ? { encryption: TableEncryption.AWS_MANAGED }
        : { encryption: TableEncryption.CUSTOMER_MANAGED, encryptionKey: key }),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: config.keep,
      removalPolicy: config.keep ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      ...(shape.expires ? { timeToLiveAttribute: TTL } : {}),
    });
  }

  private makeStream(config: Config, key: IKey | undefined): Stream {
    return new Stream(this, "Stream", {
      streamName: nameOf(config, "events"),
      ...(config.shards === 0
        ? { streamMode: StreamMode.ON_DEMAND }
        : { streamMode: StreamMode.PROVISIONED, shardCount: config.shards }),
      retentionPeriod: retention(config),
      ...(key === undefined
        ? { encryption: StreamEncryption.MANAGED }
        : { encryption: StreamEncryption.KMS, encryptionKey: key }),
      removalPolicy: config.keep ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }
}
