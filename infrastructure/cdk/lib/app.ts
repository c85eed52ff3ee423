// The stacks of one stage.

import { Tags } from "aws-cdk-lib";
import type { App, Environment } from "aws-cdk-lib";
import type { Config } from "./config";
import { DataStack } from "./data-stack";
import { FunctionsStack } from "./functions-stack";
import { MonitoringStack } from "./monitoring-stack";
import { nameOf } from "./names";

/** Choices that the CDK leaves to an app, here and not in cdk.json so that the tests make the same templates. */
export const FLAGS = {
  // A stack cannot take away what another one uses.
  "@aws-cdk/core:defaultCrossStackReferences": "strong",
  // A new bundled revision is a new version of each function.
  "@aws-cdk/aws-lambda:recognizeLayerVersion": true,
  "@aws-cdk/aws-iam:minimizePolicies": true,
} as const;

export interface Stacks {
  readonly data: DataStack;
  readonly functions: FunctionsStack;
  readonly monitoring: MonitoringStack;
}

export function makeStacks(app: App, config: Config, env?: Environment): Stacks {
  const props = env === undefined ? {} : { env };
  const data = new DataStack(app, nameOf(config, "data"), config, props);
  const functions = new FunctionsStack(app, nameOf(config, "functions"), config, data, props);
  const monitoring = new MonitoringStack(app, nameOf(config, "monitoring"), { config, data, functions, ...props });
  Tags.of(app).add("abx:stage", config.stage);
  return { data, functions, monitoring };
}
