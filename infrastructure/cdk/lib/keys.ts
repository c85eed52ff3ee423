// A key of the account's own instead of those of AWS, for what holds data.

import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { Construct } from "constructs";
import type { Config } from "./config";

/**
 * What reading and writing data under the key takes: of DynamoDB (which re-encrypts), Kinesis, Firehose and S3. `kms:ReEncrypt*` and
 * `kms:GenerateDataKey*`, as AWS writes them, hold actions that nothing here needs.
 */
const USE = [
  "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo",
];

/** The key, if there is one. Its policy is not changed: an account's keys are made and guarded elsewhere. */
export function keyOf(scope: Construct, config: Config): IKey | undefined {
  return config.keyArn === undefined ? undefined : Key.fromKeyArn(scope, "Key", config.keyArn);
}

/** What a role that reads or writes data needs besides. */
export function useKey(config: Config): PolicyStatement[] {
  return config.keyArn === undefined ? [] : [new PolicyStatement({ actions: USE, resources: [config.keyArn] })];
}
