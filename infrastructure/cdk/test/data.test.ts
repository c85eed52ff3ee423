import assert from "node:assert/strict";
import { test } from "node:test";
import { Match } from "aws-cdk-lib/assertions";
import { ARCHIVE_COLUMNS, ID_COLUMN, ID_FIELD } from "../lib/archive-columns";
import { TABLES, TABLE_NAMES, TTL } from "../lib/tables";
import { found, firsts, objects, rust, sorted, synth } from "./synth";
import type { Json } from "./synth";

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

const keyArn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555";

test("a key of the account's own guards all that holds data, and who works with it may use it", () => {
  const own = synth({ keyArn, alarmEmail: "ops@example.com" });
  own.data.allResourcesProperties("AWS::DynamoDB::Table", {
    SSESpecification: { SSEEnabled: true, SSEType: "KMS", KMSMasterKeyId: keyArn },
  });
  own.data.allResourcesProperties("AWS::Kinesis::Stream", { StreamEncryption: { EncryptionType: "KMS", KeyId: keyArn } });
  const rule = { ServerSideEncryptionByDefault: { SSEAlgorithm: "aws:kms", KMSMasterKeyID: keyArn }, BucketKeyEnabled: true };
  own.data.allResourcesProperties("AWS::S3::Bucket", { BucketEncryption: { ServerSideEncryptionConfiguration: [rule] } });
  own.data.hasResourceProperties("AWS::KinesisFirehose::DeliveryStream", {
    DeliveryStreamEncryptionConfigurationInput: { KeyType: "CUSTOMER_MANAGED_CMK", KeyARN: keyArn },
    ExtendedS3DestinationConfiguration: { EncryptionConfiguration: { KMSEncryptionConfig: { AWSKMSKeyARN: keyArn } } },
  });
  own.monitoring.hasResourceProperties("AWS::SNS::Topic", { KmsMasterKeyId: keyArn });
  const uses = (template: typeof own.data) => objects(template.toJSON() as Json)
    .filter((it) => it["Resource"] === keyArn && JSON.stringify(it["Action"]).includes("kms:Decrypt")).length;
  assert.equal(uses(own.data), 1, "Firehose");
  assert.equal(uses(own.functions), 3 + 5, "three functions, and every person but a caller");
});

test("without a key of its own, an account's keys are not named", () => {
  assert.doesNotMatch(JSON.stringify([dev.data, dev.functions, dev.monitoring].map((it) => it.toJSON() as Json)), /kms:Decrypt/);
});

test("Parquet has a folder of its own, the same columns, and Firehose may read them", () => {
  const { data } = synth({ archiveFormat: "parquet" });
  data.hasResourceProperties("AWS::KinesisFirehose::DeliveryStream", {
    ExtendedS3DestinationConfiguration: {
      Prefix: "events-parquet/day=!{timestamp:yyyy-MM-dd}/",
      CompressionFormat: "UNCOMPRESSED",
      // Firehose refuses to convert smaller buffers than 64 MB.
      BufferingHints: { SizeInMBs: 128 },
      DataFormatConversionConfiguration: {
        Enabled: true,
        InputFormatConfiguration: { Deserializer: { OpenXJsonSerDe: { ColumnToJsonKeyMappings: { id: "_id" } } } },
        OutputFormatConfiguration: { Serializer: { ParquetSerDe: Match.anyValue() } },
        SchemaConfiguration: { DatabaseName: "abx_dev_archive", TableName: "events" },
      },
    },
  });
  data.hasResourceProperties("AWS::Glue::Table", {
    TableInput: {
      Parameters: Match.objectLike({ classification: "parquet", "projection.enabled": "true" }),
      StorageDescriptor: { InputFormat: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat" },
    },
  });
  const text = JSON.stringify(data.toJSON());
  assert.match(text, /events-parquet\/day=\$\{day\}\//);
  assert.match(text, /glue:GetTableVersions/);
  assert.doesNotMatch(JSON.stringify(dev.data.toJSON()), /glue:GetTable/);
});
