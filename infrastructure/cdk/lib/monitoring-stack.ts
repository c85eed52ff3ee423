// The dashboard, the alarms, and who hears of them.

import { Annotations, CfnOutput, Stack } from "aws-cdk-lib";
import type { StackProps } from "aws-cdk-lib";
import { Alarm, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Topic } from "aws-cdk-lib/aws-sns";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import type { Construct } from "constructs";
import { alarms, comparison } from "./alarms";
import type { AlarmSpec, Watched } from "./alarms";
import type { Config } from "./config";
import { dashboard } from "./dashboard";
import type { DataStack } from "./data-stack";
import type { FunctionsStack } from "./functions-stack";
import { keyOf } from "./keys";
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
    const watched = watch(config, data, functions);
    const actions = this.topics(config).map((topic) => new SnsAction(topic));
    for (const spec of alarms(watched)) {
      const alarm = this.alarm(spec, config);
      alarm.addAlarmAction(...actions);
      alarm.addOkAction(...actions);
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
      treatMissingData: spec.silenceIsFault === true ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
    });
  }

  /** Who hears of alarms: an address, a topic of one's own, both, or nobody. */
  private topics(config: Config): ITopic[] {
    const { alarmEmail, alarmTopic, keep, stage } = config;
    if (keep && alarmEmail === undefined && alarmTopic === undefined) {
      const file = `infrastructure/cdk/config/${stage}.json`;
      Annotations.of(this).addWarningV2("abx:alarms", `nobody hears of alarms: set \`alarmEmail\` or \`alarmTopic\` in ${file}`);
    }
    return [
      ...(alarmEmail === undefined ? [] : [this.topic(config, alarmEmail)]),
      ...(alarmTopic === undefined ? [] : [Topic.fromTopicArn(this, "AlarmTopic", alarmTopic)]),
    ];
  }

  private topic(config: Config, address: string): Topic {
    const key = keyOf(this, config);
    const topicName = nameOf(config, "alarms");
    const topic = new Topic(this, "Topic", { topicName, enforceSSL: true, ...(key === undefined ? {} : { masterKey: key }) });
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
function watch(config: Config, data: DataStack, functions: FunctionsStack): Watched {
  const names = FUNCTIONS.map((name) => [name, nameOf(config, name)] as const);
  return {
    functions: Object.fromEntries(names) as Record<FunctionName, string>,
    tables: TABLE_NAMES.map((name) => data.tables[name].tableName),
    stream: data.stream.streamName,
    archive: data.archive.streamName,
    mapping: functions.mapping.uuid,
    converts: config.archiveFormat === "parquet",
    maxUnknownEvents: config.maxUnknownEvents,
  };
}
