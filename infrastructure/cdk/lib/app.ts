// The stacks of one stage.

import { Tags } from "aws-cdk-lib";
import type { App, Environment } from "aws-cdk-lib";
import type { Config } from "./config";
import { DataStack } from "./data-stack";
import { FunctionsStack } from "./functions-stack";
import { MonitoringStack } from "./monitoring-stack";
import { nameOf } from "./names";

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
