// The dashboard, the alarms, and who hears of them.

import { CfnOutput, Stack } from "aws-cdk-lib";
import type { StackProps } from "aws-cdk-lib";
import { Alarm, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Topic } from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import type { Construct } from "constructs";
import { alarms, comparison } from "./alarms";
import type { AlarmSpec, Watched } from "./alarms";
import type { Config } from "./config";
import { dashboard } from "./dashboard";
import type { DataStack } from "./data-stack";
import type { FunctionsStack } from "./functions-stack";
import { nameOf } from "./names";
import { FUNCTIONS } from "./permissions";
import type { FunctionName } from "./permissions";
import { TABLE_NAMES } from "./tables";

export interface MonitoringStackProps extends StackProps {
  readonly config: Config;
  readonly data: DataStack;
  readonly functions: FunctionsStack;
}

export class MonitoringStack extends Stack {
  constructor(scope: Construct, id: string, { config, data, functions, ...props }: MonitoringStackProps) {
    super(scope, id, props);
    const watched = watch(data, functions);
    const topic = config.alarmEmail === undefined ? undefined : this.topic(config, config.alarmEmail);
    for (const spec of alarms(watched)) {
      const alarm = this.alarm(spec, config);
      if (topic !== undefined) {
        alarm.addAlarmAction(new SnsAction(topic));
        alarm.addOkAction(new SnsAction(topic));
      }
    }
    const board = dashboard(this, nameOf(config, "overview"), watched);
    new CfnOutput(this, "dashboard", { value: board.dashboardName });
  }

  private alarm(spec: AlarmSpec, config: Config): Alarm {
    const [datapointsToAlarm, evaluationPeriods] = spec.periods ?? [1, 1];
    return new Alarm(this, spec.name, {
      alarmName: nameOf(config, spec.name),
      alarmDescription: `${spec.says} docs/runbook.md#${spec.runbook}`,
      metric: spec.metric,
      threshold: spec.threshold,
      comparisonOperator: comparison(spec),
      evaluationPeriods,
      datapointsToAlarm,
      // Nobody asked, nothing came: that is well.
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  }

  private topic(config: Config, address: string): Topic {
    const topic = new Topic(this, "Topic", { topicName: nameOf(config, "alarms"), enforceSSL: true });
    // A topic with a policy of its own has lost the one that let the account's alarms publish.
    topic.addToResourcePolicy(new PolicyStatement({
      principals: [new ServicePrincipal("cloudwatch.amazonaws.com")],
      actions: ["sns:Publish"],
      resources: [topic.topicArn],
      conditions: { StringEquals: { "aws:SourceAccount": this.account } },
    }));
    topic.addSubscription(new EmailSubscription(address));
    return topic;
  }
}

/** The names that CloudWatch knows things by. */
function watch(data: DataStack, functions: FunctionsStack): Watched {
  const names = FUNCTIONS.map((name) => [name, functions.functions[name].function.functionName] as const);
  return {
    functions: Object.fromEntries(names) as Record<FunctionName, string>,
    tables: TABLE_NAMES.map((name) => data.tables[name].tableName),
    stream: data.stream.streamName,
    archive: data.archive.streamName,
    mapping: functions.mapping.uuid,
  };
}
