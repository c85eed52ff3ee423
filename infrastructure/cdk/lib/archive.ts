// The archive: every event as a line of JSON, gzip'd, or as a row of Parquet; a folder for each day, and a table over it for Athena.

import { ArnFormat, Duration, Stack } from "aws-cdk-lib";
import { CfnDatabase, CfnTable } from "aws-cdk-lib/aws-glue";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { CfnDeliveryStream } from "aws-cdk-lib/aws-kinesisfirehose";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import { StorageClass } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { ARCHIVE_COLUMNS } from "./archive-columns";
import { FORMATS, TABLE, conversion, readTable, tableArns } from "./archive-format";
import { PrivateBucket } from "./bucket";
import type { Config } from "./config";
import { useKey } from "./keys";
import { logGroup } from "./logs";
import { nameOf } from "./names";

/** Apart from each other, because Athena reads all files of a table in one format: after a change, the older files stay readable. */
const FOLDERS = { json: "events/", parquet: "events-parquet/" } as const;
const FAILED = "failed/";
const LOG_STREAM = "delivery";

export class Archive extends Construct {
  readonly bucket: PrivateBucket;
  readonly delivery: CfnDeliveryStream;
  readonly streamName: string;
  /** Of Glue, as Athena calls it. */
  readonly databaseName: string;

  private readonly folder: string;

  constructor(scope: Construct, id: string, private readonly config: Config, private readonly key: IKey | undefined) {
    super(scope, id);
    this.folder = FOLDERS[config.archiveFormat];
    this.streamName = nameOf(config, "archive");
    // Athena's names have no dashes.
    this.databaseName = nameOf(config, "archive").replaceAll("-", "_");
    this.bucket = new PrivateBucket(this, "Bucket", {
      keep: config.keep,
      key,
      lifecycleRules: [
        { transitions: [{ storageClass: StorageClass.GLACIER_INSTANT_RETRIEVAL, transitionAfter: Duration.days(90) }] },
      ],
    });
    const log = logGroup(this, "Log", `/aws/kinesisfirehose/${this.streamName}`, config);
    const table = this.describe();
    this.delivery = this.deliver(this.role(log), log);
    this.delivery.addResourceDependency(table);
  }

  get deliveryArn(): string {
    return this.delivery.attrArn;
  }

  /** The folder of the events, as `abx results --archive` takes it. */
  get address(): string {
    return `s3://${this.bucket.bucketName}/${this.folder}`;
  }

  /** The events of both formats, because a change of the format leaves the older ones where they are; not what failed. */
  get eventArns(): string[] {
    return Object.values(FOLDERS).map((folder) => this.bucket.arnForObjects(`${folder}*`));
  }

  /** Glue's table of the events, its database and its catalog. */
  get tableArns(): string[] {
    return tableArns(Stack.of(this), this.databaseName);
  }

  /** Firehose's own. Nothing but objects under the two folders, and what a multipart upload needs. */
  private role(log: LogGroup): Role {
    const objects = [this.bucket.arnForObjects(`${this.folder}*`), this.bucket.arnForObjects(`${FAILED}*`)];
    const stack = Stack.of(this);
    const logStream = stack.formatArn({
      service: "logs",
      resource: "log-group",
      resourceName: `${log.logGroupName}:log-stream:${LOG_STREAM}`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    const statements = [
      new PolicyStatement({ actions: ["s3:AbortMultipartUpload", "s3:PutObject"], resources: objects }),
      new PolicyStatement({
        actions: ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
        resources: [this.bucket.bucketArn],
      }),
      new PolicyStatement({ actions: ["logs:PutLogEvents"], resources: [logStream] }),
      ...(this.config.archiveFormat === "parquet" ? [readTable(stack, this.databaseName)] : []),
      ...useKey(this.config),
    ];
    return new Role(this, "Role", {
      assumedBy: new ServicePrincipal("firehose.amazonaws.com", {
        conditions: { StringEquals: { "aws:SourceAccount": stack.account } },
      }),
      inlinePolicies: { deliver: new PolicyDocument({ statements }) },
    });
  }

  private deliver(role: Role, log: LogGroup): CfnDeliveryStream {
    const stack = Stack.of(this);
    const day = "day=!{timestamp:yyyy-MM-dd}/";
    const logging = { enabled: true, logGroupName: log.logGroupName, logStreamName: LOG_STREAM };
    log.addStream("LogStream", { logStreamName: LOG_STREAM });
    return new CfnDeliveryStream(this, "Delivery", {
      deliveryStreamName: this.streamName,
      deliveryStreamType: "DirectPut",
      deliveryStreamEncryptionConfigurationInput: this.key === undefined
        ? { keyType: "AWS_OWNED_CMK" }
        : { keyType: "CUSTOMER_MANAGED_CMK", keyArn: this.key.keyArn },
      extendedS3DestinationConfiguration: {
        bucketArn: this.bucket.bucketArn,
        roleArn: role.roleArn,
        prefix: `${this.folder}${day}`,
        errorOutputPrefix: `${FAILED}!{firehose:error-output-type}/${day}`,
        // Large files are what Athena reads fastest; on a quiet stream one comes every five minutes.
        bufferingHints: { sizeInMBs: 128, intervalInSeconds: 300 },
        ...(this.config.archiveFormat === "json"
          ? { compressionFormat: "GZIP" }
          : conversion(role, this.databaseName, stack.region)),
        ...(this.key === undefined ? {} : { encryptionConfiguration: { kmsEncryptionConfig: { awskmsKeyArn: this.key.keyArn } } }),
        cloudWatchLoggingOptions: logging,
      },
    });
  }

  /** Days are projected, so that there is no crawler to run and no partition to add. */
  private describe(): CfnTable {
    const stack = Stack.of(this);
    const location = this.address;
    const { parameters, ...descriptor } = FORMATS[this.config.archiveFormat];
    const database = new CfnDatabase(this, "Database", {
      catalogId: stack.account,
      databaseInput: { name: this.databaseName, description: "What abx archived." },
    });
    const table = new CfnTable(this, "Table", {
      catalogId: stack.account,
      databaseName: this.databaseName,
      tableInput: {
        name: TABLE,
        description: "Every event that was taken, once or more: two lines with one id are one event.",
        tableType: "EXTERNAL_TABLE",
        partitionKeys: [{ name: "day", type: "string", comment: "Of arrival at the archive, UTC." }],
        parameters: {
          ...parameters,
          "projection.enabled": "true",
          "projection.day.type": "date",
          "projection.day.format": "yyyy-MM-dd",
          "projection.day.range": "2026-01-01,NOW+1DAYS",
          "projection.day.interval": "1",
          "projection.day.interval.unit": "DAYS",
          "storage.location.template": `${location}day=\${day}/`,
        },
        storageDescriptor: {
          location,
          columns: ARCHIVE_COLUMNS.map(({ name, type, comment }) => ({ name, type, comment })),
          ...descriptor,
        },
      },
    });
    table.addResourceDependency(database);
    return table;
  }
}
