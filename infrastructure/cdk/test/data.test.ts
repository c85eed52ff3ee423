import assert from "node:assert/strict";
import { test } from "node:test";
import { Match } from "aws-cdk-lib/assertions";
import { ARCHIVE_COLUMNS, ID_COLUMN, ID_FIELD } from "../lib/archive-columns";
import { TABLES, TABLE_NAMES, TTL } from "../lib/tables";
import { found, firsts, rust, sorted, synth } from "./synth";

const dev = synth();
const prod = synth({ stage: "prod" });

test("the tables are those that the functions make for their tests", () => {
  const made = rust("functions/src/adapters/aws/tables.rs");
  const expiring = firsts(made, /expire\(client, names\.(\w+)\)/g);
  const shapes = found(made, /create\(client, names\.(\w+), \["(\w+)", "(\w+)"\]\)/g)
    .map(([name = "", partition, sort]) => [name, { partition, sort, expires: expiring.includes(name) }]);
  assert.deepEqual(TABLES, Object.fromEntries(shapes));
  assert.deepEqual(firsts(made, /enabled\(true\)\.attribute_name\("(\w+)"\)/g), [TTL]);
});

test("tables are on demand, encrypted, and can be restored to any second", () => {
  prod.data.resourceCountIs("AWS::DynamoDB::Table", TABLE_NAMES.length);
  for (const name of TABLE_NAMES) {
    const { partition, sort, expires } = TABLES[name];
    prod.data.hasResource("AWS::DynamoDB::Table", {
      Properties: {
        TableName: `abx-prod-${name}`,
        KeySchema: [{ AttributeName: partition, KeyType: "HASH" }, { AttributeName: sort, KeyType: "RANGE" }],
        AttributeDefinitions: [{ AttributeName: partition, AttributeType: "S" }, { AttributeName: sort, AttributeType: "S" }],
        BillingMode: "PAY_PER_REQUEST",
        SSESpecification: { SSEEnabled: true },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        DeletionProtectionEnabled: true,
        TimeToLiveSpecification: expires ? { AttributeName: TTL, Enabled: true } : Match.absent(),
      },
      DeletionPolicy: "Retain",
    });
  }
});

test("prod keeps what holds data, and another stage deletes all of it", () => {
  const holding = ["AWS::DynamoDB::Table", "AWS::Kinesis::Stream", "AWS::S3::Bucket", "AWS::Logs::LogGroup"];
  for (const type of holding) {
    prod.data.allResources(type, { DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" });
    dev.data.allResources(type, { DeletionPolicy: "Delete" });
  }
  dev.data.allResourcesProperties("AWS::DynamoDB::Table", { DeletionProtectionEnabled: false });
  assert.equal(prod.stacks.data.terminationProtection, true);
  assert.equal(dev.stacks.data.terminationProtection, false);
});

test("the stream is encrypted, and remembers a week in prod", () => {
  const stream = (hours: number, shards: number) => ({
    RetentionPeriodHours: hours,
    ShardCount: shards,
    StreamEncryption: { EncryptionType: "KMS", KeyId: "alias/aws/kinesis" },
  });
  prod.data.hasResourceProperties("AWS::Kinesis::Stream", { Name: "abx-prod-events", ...stream(168, 2) });
  dev.data.hasResourceProperties("AWS::Kinesis::Stream", { Name: "abx-dev-events", ...stream(24, 1) });
  synth({ shards: "on-demand" }).data.hasResourceProperties("AWS::Kinesis::Stream", {
    StreamModeDetails: { StreamMode: "ON_DEMAND" }, ShardCount: Match.absent(),
  });
});

test("buckets are private, encrypted, and speak TLS only", () => {
  dev.data.resourceCountIs("AWS::S3::Bucket", 2);
  const encryption = { ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } };
  const leftovers = { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 }, Status: "Enabled" };
  dev.data.allResourcesProperties("AWS::S3::Bucket", {
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true,
    },
    BucketEncryption: { ServerSideEncryptionConfiguration: [encryption] },
    LifecycleConfiguration: { Rules: Match.arrayWith([leftovers]) },
  });
  const tlsOnly = Match.objectLike({ Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } });
  dev.data.resourceCountIs("AWS::S3::BucketPolicy", 2);
  dev.data.allResourcesProperties("AWS::S3::BucketPolicy", { PolicyDocument: { Statement: Match.arrayWith([tlsOnly]) } });
});

test("the archive is gzip'd, a folder for each day", () => {
  dev.data.hasResourceProperties("AWS::KinesisFirehose::DeliveryStream", {
    DeliveryStreamType: "DirectPut",
    DeliveryStreamEncryptionConfigurationInput: { KeyType: "AWS_OWNED_CMK" },
    ExtendedS3DestinationConfiguration: {
      Prefix: "events/day=!{timestamp:yyyy-MM-dd}/",
      ErrorOutputPrefix: "failed/!{firehose:error-output-type}/day=!{timestamp:yyyy-MM-dd}/",
      CompressionFormat: "GZIP",
      BufferingHints: { SizeInMBs: 128, IntervalInSeconds: 300 },
      CloudWatchLoggingOptions: { Enabled: true },
    },
  });
});

test("Athena's table has the fields of a line, and projects the days that Firehose writes", () => {
  const line = /struct ArchivedEvent<'a> \{([^}]*)\}/.exec(rust("functions/src/events/archived.rs"))?.[1] ?? "";
  const fields = found(line, /(?:#\[serde\(rename = "(\w+)"\)\]\s*)?^ {4}(\w+): /gm)
    .map(([renamed, name]) => renamed ?? name ?? "");
  const columns = ARCHIVE_COLUMNS.map(({ name }) => (name === ID_COLUMN ? ID_FIELD : name));
  assert.deepEqual(sorted(columns), sorted(fields));
  dev.data.hasResourceProperties("AWS::Glue::Table", {
    DatabaseName: "abx_dev_archive",
    TableInput: {
      Name: "events",
      PartitionKeys: [Match.objectLike({ Name: "day" })],
      Parameters: Match.objectLike({ "projection.enabled": "true", "projection.day.format": "yyyy-MM-dd" }),
      StorageDescriptor: { SerdeInfo: { Parameters: { "mapping.id": "_id" } } },
    },
  });
  const location = JSON.stringify(dev.data.findResources("AWS::Glue::Table"));
  assert.match(location, /\/events\/day=\$\{day\}\//);
});
