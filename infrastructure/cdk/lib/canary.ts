// How a new version gets its traffic: some of it first, and none of it any more once an alarm goes off.

import { ArnFormat, Stack } from "aws-cdk-lib";
import { Alarm, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { LambdaDeploymentConfig, LambdaDeploymentGroup } from "aws-cdk-lib/aws-codedeploy";
import type { ILambdaDeploymentConfig } from "aws-cdk-lib/aws-codedeploy";
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { Alias } from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import type { Canary } from "./config";
import { MINUTE, errorRate } from "./metrics";
import type { FunctionName } from "./permissions";

/** In percent of the invocations of both versions together, a tenth of which the new one has: so one in ten of its own. */
export const CANARY_ERRORS = 1;

const PACES: Readonly<Record<Exclude<Canary, "off">, ILambdaDeploymentConfig>> = {
  "10percent5minutes": LambdaDeploymentConfig.CANARY_10PERCENT_5MINUTES,
  "10percent15minutes": LambdaDeploymentConfig.CANARY_10PERCENT_15MINUTES,
  "linear10percent1minute": LambdaDeploymentConfig.LINEAR_10PERCENT_EVERY_1MINUTE,
};

export interface CanaryProps {
  readonly name: FunctionName;
  readonly functionName: string;
  readonly alias: Alias;
  readonly pace: Exclude<Canary, "off">;
}

/**
 * The alarm stands beside the function and not with the others, because a deployment asks for it before the monitoring stack is
 * there. It notifies nobody: the alarms of the monitoring stack do, and a deployment that is rolled back fails by itself.
 */
export function canary(scope: Construct, { name, functionName, alias, pace }: CanaryProps): void {
  const alarm = new Alarm(scope, "CanaryAlarm", {
    alarmName: `${functionName}-canary`,
    alarmDescription: `More than ${CANARY_ERRORS} % of the invocations of ${name} fail: CodeDeploy moves the alias back. docs/runbook.md#canary`,
    metric: errorRate(name, functionName, MINUTE),
    threshold: CANARY_ERRORS,
    evaluationPeriods: 1,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
  new LambdaDeploymentGroup(scope, "Deployment", {
    alias,
    alarms: [alarm],
    deploymentConfig: PACES[pace],
    autoRollback: { deploymentInAlarm: true, failedDeployment: true, stoppedDeployment: true },
    // The construct adds a managed policy that may move the alias of every function of the account.
    role: deployer(scope, alias, alarm).withoutPolicyUpdates(),
  });
}

/** CodeDeploy's own: it moves this alias, and reads this alarm. */
function deployer(scope: Construct, alias: Alias, alarm: Alarm): Role {
  const stack = Stack.of(scope);
  const functionArn = stack.formatArn({
    service: "lambda", resource: "function", resourceName: alias.lambda.functionName, arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  const statements = [
    new PolicyStatement({
      actions: ["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"],
      resources: [functionArn, `${functionArn}:${alias.aliasName}`],
    }),
    new PolicyStatement({ actions: ["cloudwatch:DescribeAlarms"], resources: [alarm.alarmArn] }),
  ];
  return new Role(scope, "Deployer", {
    assumedBy: new ServicePrincipal("codedeploy.amazonaws.com", {
      conditions: { StringEquals: { "aws:SourceAccount": stack.account } },
    }),
    inlinePolicies: { deploy: new PolicyDocument({ statements }) },
  });
}
