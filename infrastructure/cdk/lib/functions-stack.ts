// The three functions, their URLs, and what feeds the third.

import { CfnOutput, Duration, Stack } from "aws-cdk-lib";
import type { StackProps } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Code, FunctionUrlAuthType, LayerVersion } from "aws-cdk-lib/aws-lambda";
import type { Alias, FunctionUrl, ILayerVersion } from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import { REVISION_FILE, bundle } from "./code";
import type { Config } from "./config";
import type { DataStack } from "./data-stack";
import { environmentOf } from "./environment";
import { AbxFunction } from "./function";
import { ExtensionLayer } from "./extension-layer";
import { Gateway } from "./gateway";
import { useKey } from "./keys";
import { People } from "./people";
import { FUNCTIONS, PERMISSIONS } from "./permissions";
import type { FunctionName } from "./permissions";
import { StreamMapping } from "./stream-mapping";
import { TABLE_NAMES } from "./tables";

/** Memory in MB and timeout in seconds. A request never waits for long, whatever the store does; a batch takes what it takes. */
const SIZES: Readonly<Record<FunctionName, { memory: number; timeout: number; description: string }>> = {
  assignment: { memory: 512, timeout: 5, description: "abx: assigns units to variants" },
  flags: { memory: 512, timeout: 5, description: "abx: evaluates feature flags" },
  events: { memory: 1024, timeout: 60, description: "abx: counts exposures and conversions" },
};

export class FunctionsStack extends Stack {
  readonly functions: Readonly<Record<FunctionName, AbxFunction>>;
  readonly mapping: StreamMapping;

  constructor(scope: Construct, id: string, config: Config, data: DataStack, props?: StackProps) {
    super(scope, id, props);
    const layers = this.layers(config);
    const made = FUNCTIONS.map((name) => [name, this.make(name, config, data, layers)] as const);
    this.functions = Object.fromEntries(made) as Record<FunctionName, AbxFunction>;
    this.mapping = new StreamMapping(this, "Mapping", {
      config, target: this.functions.events, stream: data.stream, failures: data.failures,
    });
    const { assignment, flags } = this.functions;
    const urls = [this.open("assignment", assignment.alias, config), this.open("flags", flags.alias, config)];
    if (config.gateway) {
      new Gateway(this, "Gateway", { config, aliases: { assignment: assignment.alias, flags: flags.alias } });
    }
    if (config.layer) {
      new ExtensionLayer(this, "Extension", { config, data });
    }
    new People(this, "People", { config, data, aliases: [assignment.alias, flags.alias], urls });
  }

  private make(name: FunctionName, config: Config, data: DataStack, layers: ILayerVersion[]): AbxFunction {
    const { memory, timeout, description } = SIZES[name];
    const made = new AbxFunction(this, name, {
      config, name, description, memory, layers,
      timeout: Duration.seconds(timeout),
      environment: environmentOf(name, config, data),
      provisioned: name === "events" ? 0 : config.provisioned,
      // Requests come in crowds, and would leave nothing for who counts them.
      reserved: name === "events" ? config.reservedConcurrency : 0,
    });
    permit(made, name, data);
    useKey(config).forEach((statement) => made.role.addToPolicy(statement));
    return made;
  }

  private layers(config: Config): ILayerVersion[] {
    if (config.bundled === undefined) {
      return [];
    }
    const description = `${REVISION_FILE}: what serves while the catalog's table cannot be read`;
    return [new LayerVersion(this, "Bundled", { code: Code.fromAsset(bundle(config.bundled)), description })];
  }

  /** No CORS here: the function answers for its origins itself, and two answers would be one too many. */
  private open(name: FunctionName, alias: Alias, config: Config): FunctionUrl {
    const authType = config.public ? FunctionUrlAuthType.NONE : FunctionUrlAuthType.AWS_IAM;
    const url = alias.addFunctionUrl({ authType });
    new CfnOutput(this, `${name}-url`, { value: url.url });
    return url;
  }
}

/** Gives a function what `PERMISSIONS` says, resource by resource. */
function permit(made: AbxFunction, name: FunctionName, data: DataStack): void {
  const { tables, stream, archive } = PERMISSIONS[name];
  const granted = [
    ...TABLE_NAMES.map((table) => [tables[table] ?? [], data.tables[table].tableArn] as const),
    [stream, data.stream.streamArn] as const,
    [archive, data.archive.deliveryArn] as const,
  ];
  for (const [actions, resource] of granted) {
    if (actions.length > 0) {
      made.role.addToPolicy(new PolicyStatement({ actions: [...actions], resources: [resource] }));
    }
  }
}
