// A bucket that nobody reads from outside.

import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from "aws-cdk-lib/aws-s3";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { LifecycleRule } from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";

export interface PrivateBucketProps {
  readonly keep: boolean;
  readonly key: IKey | undefined;
  readonly lifecycleRules: readonly LifecycleRule[];
}

/**
 * Not public, over TLS only. Its name is made by CloudFormation, because names of buckets are shared with the whole world. What
 * is in it stays when it is not to be kept, too: emptying it by itself would take a function that may delete everything.
 */
export class PrivateBucket extends Bucket {
  constructor(scope: Construct, id: string, props: PrivateBucketProps) {
    super(scope, id, {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      // A key of the bucket asks KMS once for many objects instead of once for each.
      ...(props.key === undefined
        ? { encryption: BucketEncryption.S3_MANAGED }
        : { encryption: BucketEncryption.KMS, encryptionKey: props.key, bucketKeyEnabled: true }),
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(7) }, ...props.lifecycleRules],
      removalPolicy: props.keep ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }
}
