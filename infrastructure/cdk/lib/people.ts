// Policies for whoever is no function: to be attached to the roles of an organisation. None is attached here.

import { CfnOutput, Stack } from "aws-cdk-lib";
import { ManagedPolicy, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Alias, FunctionUrl } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import type { Config } from "./config";
import type { DataStack } from "./data-stack";
import { useKey } from "./keys";
import { nameOf } from "./names";
import { PERMISSIONS } from "./permissions";

export interface PeopleProps {
  readonly config: Config;
  readonly data: DataStack;
  /** The functions that answer requests. */
  readonly aliases: readonly Alias[];
  readonly urls: readonly FunctionUrl[];
}

/** What `abx results --athena` calls, and Athena in the name of whoever asks. Results are written by leave of the workgroup's location. */
export const ATHENA = [
  "athena:GetQueryExecution", "athena:GetQueryResults", "athena:GetWorkGroup", "athena:StartQueryExecution", "athena:StopQueryExecution",
] as const;

/** What `abx status` reads and IAM cannot give for single things: alarms by a prefix, numbers, and mappings by their function. */
export const FOR_ALL = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "lambda:ListEventSourceMappings"] as const;

export class People extends Construct {
  constructor(scope: Construct, id: string, { config, data, aliases, urls }: PeopleProps) {
    super(scope, id);
    const { catalog, metrics, marks } = data.tables;
    this.policy(config, "caller", "Asks for assignments and flags, by URL or by Invoke", [
      [["lambda:InvokeFunctionUrl"], urls.map((url) => url.functionArn)],
      [["lambda:InvokeFunction"], aliases.map((alias) => alias.functionArn)],
    ]);
    this.policy(config, "producer", "Sends conversions to the stream", [
      [["kinesis:PutRecord", "kinesis:PutRecords"], [data.stream.streamArn]],
    ]);
    this.policy(config, "publisher", "abx publish, rollback, revisions, pull", [
      [["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], [catalog.tableArn]],
    ]);
    // It answers what both functions answer, and the assignment function may do more than the other.
    const server = PERMISSIONS.assignment;
    this.policy(config, "server", "abx serve, and functions with the extension: reads the catalog, keeps assignments, sends exposures", [
      [[...server.tables.catalog ?? []], [catalog.tableArn]],
      [[...server.tables.assignments ?? []], [data.tables.assignments.tableArn]],
      [[...server.stream], [data.stream.streamArn]],
    ]);
    const stack = Stack.of(this);
    const workgroup = stack.formatArn({ service: "athena", resource: "workgroup", resourceName: config.athenaWorkgroup });
    this.policy(config, "analyst", "abx results: reads documents, counts, marks and archived events", [
      [["dynamodb:GetItem", "dynamodb:Query"], [catalog.tableArn, metrics.tableArn]],
      [["dynamodb:BatchGetItem"], [marks.tableArn]],
      [[...ATHENA], [workgroup]],
      // Without crawlers' partitions Athena asks for none; it does for those that somebody added.
      [["glue:GetDatabase", "glue:GetPartitions", "glue:GetTable"], data.archive.tableArns],
      [["s3:GetBucketLocation", "s3:ListBucket"], [data.archive.bucket.bucketArn]],
      [["s3:GetObject"], data.archive.eventArns],
    ]);
    // A replay is the event function's own work, done from a desk.
    const { tables, archive } = PERMISSIONS.events;
    this.policy(config, "operator", "abx status, quarantine, capture: reads the stream, counts what was quarantined", [
      [[...FOR_ALL], ["*"]],
      [[...tables.catalog ?? []], [catalog.tableArn]],
      [["dynamodb:DeleteItem", ...tables.metrics ?? []], [metrics.tableArn]],
      [[...tables.marks ?? []], [marks.tableArn]],
      [["firehose:DescribeDeliveryStream", ...archive], [data.archive.deliveryArn]],
      [["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"], [data.stream.streamArn]],
    ]);
  }

  private policy(config: Config, who: string, description: string, may: [string[], string[]][]): void {
    // Who only calls a function sees no data under the key.
    const key = who === "caller" ? [] : useKey(config);
    const statements = [...may.map(([actions, resources]) => new PolicyStatement({ actions, resources })), ...key];
    // IAM has no regions, so the name says which.
    const managedPolicyName = `${nameOf(config, who)}-${Stack.of(this).region}`;
    const policy = new ManagedPolicy(this, who, { managedPolicyName, description, statements });
    new CfnOutput(this, `${who}-policy`, { value: policy.managedPolicyArn });
  }
}
