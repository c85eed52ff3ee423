// Log groups that end, instead of those that AWS services make themselves and never delete.

import { RemovalPolicy } from "aws-cdk-lib";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import type { Config } from "./config";

export function logGroup(scope: Construct, id: string, name: string, config: Config): LogGroup {
  return new LogGroup(scope, id, {
    logGroupName: name,
    retention: config.logDays,
    removalPolicy: config.keep ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
}
