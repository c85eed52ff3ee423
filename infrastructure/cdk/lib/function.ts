// One function: its log, its role, its code, a version for each deployment and the alias that callers use.

import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import {
  Alias, ApplicationLogLevel, Architecture, Function, LoggingFormat, Runtime, SystemLogLevel, Tracing,
} from "aws-cdk-lib/aws-lambda";
import type { ILayerVersion } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import { canary } from "./canary";
import { codeOf } from "./code";
import type { Config } from "./config";
import { logGroup } from "./logs";
import { nameOf } from "./names";
import type { FunctionName } from "./permissions";

/** What callers name: it moves to a new version when that is ready, and back on a rollback. */
export const ALIAS = "live";

export interface AbxFunctionProps {
  readonly config: Config;
  readonly name: FunctionName;
  readonly description: string;
  /** In MB; with it comes CPU, 1,769 MB are a whole one. */
  readonly memory: number;
  readonly timeout: Duration;
  readonly environment: Record<string, string>;
  readonly layers: ILayerVersion[];
  /** Environments that are kept warm. */
  readonly provisioned: number;
  /** Environments that no other function takes, and the most that this one has; 0 for no reservation. */
  readonly reserved: number;
}

export class AbxFunction extends Construct {
  readonly function: Function;
  readonly alias: Alias;
  readonly role: Role;

  constructor(scope: Construct, id: string, props: AbxFunctionProps) {
    super(scope, id);
    const functionName = nameOf(props.config, props.name);
    const log = logGroup(this, "Log", `/aws/lambda/${functionName}`, props.config);
    // No managed policy: it would let the function write to every log of the account.
    this.role = new Role(this, "Role", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    log.grantWrite(this.role);
    this.function = new Function(this, "Function", {
      functionName,
      description: props.description,
      runtime: Runtime.PROVIDED_AL2023,
      architecture: props.config.arch === "arm64" ? Architecture.ARM_64 : Architecture.X86_64,
      handler: "bootstrap",
      code: codeOf(props.name, props.config),
      layers: props.layers,
      memorySize: props.memory,
      timeout: props.timeout,
      environment: props.environment,
      role: this.role,
      logGroup: log,
      ...(props.reserved > 0 ? { reservedConcurrentExecutions: props.reserved } : {}),
      ...(props.config.tracing ? { tracing: Tracing.ACTIVE } : {}),
      // Without this, the next deployment deletes the version before it, and there is no way back.
      currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN },
      ...logging(props.config),
    });
    this.alias = new Alias(this, "Alias", {
      aliasName: ALIAS,
      version: this.function.currentVersion,
      ...(props.provisioned > 0 ? { provisionedConcurrentExecutions: props.provisioned } : {}),
    });
    if (props.config.canary !== "off") {
      canary(this, { name: props.name, functionName, alias: this.alias, pace: props.config.canary });
    }
  }
}

/**
 * The function's own lines are JSON either way. Lambda's three lines around each invocation cost more than all else that is
 * logged (see docs/costs.md): only in Lambda's JSON format can they be left out, and only as text do they tell `abx invoke` and
 * `abx bench` what was billed.
 */
function logging(config: Config) {
  if (config.platformLogs) {
    return { loggingFormat: LoggingFormat.TEXT };
  }
  return {
    loggingFormat: LoggingFormat.JSON,
    systemLogLevelV2: SystemLogLevel.WARN,
    // `ABX_LOG_LEVEL` decides. A filter here would drop the lines of metrics as well, which have no level and pass for INFO.
    applicationLogLevelV2: ApplicationLogLevel.DEBUG,
  };
}
