// The extension for functions of any language: a layer, what its roles may do, and its variables. The functions are somebody else's.

import { CfnOutput, RemovalPolicy, Stack } from "aws-cdk-lib";
import { ManagedPolicy, PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Architecture, LayerVersion } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import { EXTENSION, codeOfExtension } from "./code";
import type { Config } from "./config";
import type { DataStack } from "./data-stack";
import { environmentOf } from "./environment";
import { useKey } from "./keys";
import { nameOf } from "./names";
import { PERMISSIONS } from "./permissions";

/** Variables that say nothing to a function's own extension: no page reaches it, and what is bundled is in another layer. */
const NOT_BESIDE = ["ABX_BASE_PATH", "ABX_BUNDLED_REVISION", "ABX_CORS_HEADERS", "ABX_CORS_ORIGINS"];

export interface ExtensionLayerProps {
  readonly config: Config;
  readonly data: DataStack;
}

export class ExtensionLayer extends Construct {
  constructor(scope: Construct, id: string, { config, data }: ExtensionLayerProps) {
    super(scope, id);
    const layer = new LayerVersion(this, "Layer", {
      layerVersionName: nameOf(config, "extension"),
      description: `${EXTENSION}: assignments and flags at http://localhost:2772`,
      code: codeOfExtension(config),
      compatibleArchitectures: [config.arch === "arm64" ? Architecture.ARM_64 : Architecture.X86_64],
      // Functions of others name a version, and a deployment here must not take it away.
      removalPolicy: RemovalPolicy.RETAIN,
    });
    // It answers what both functions answer, and the assignment function may do more than the other.
    const { tables, stream } = PERMISSIONS.assignment;
    const policy = new ManagedPolicy(this, "Policy", {
      managedPolicyName: `${nameOf(config, "extension")}-${Stack.of(this).region}`,
      description: "A function with the layer of the extension: reads the catalog, keeps assignments, sends exposures",
      statements: [
        new PolicyStatement({ actions: [...tables.catalog ?? []], resources: [data.tables.catalog.tableArn] }),
        new PolicyStatement({ actions: [...tables.assignments ?? []], resources: [data.tables.assignments.tableArn] }),
        new PolicyStatement({ actions: [...stream], resources: [data.stream.streamArn] }),
        ...useKey(config),
      ],
    });
    new CfnOutput(this, "layer", { value: layer.layerVersionArn });
    new CfnOutput(this, "policy", { value: policy.managedPolicyArn });
    const all = { ...environmentOf("flags", config, data), ...environmentOf("assignment", config, data) };
    const variables = Object.fromEntries(Object.entries(all).filter(([name]) => !NOT_BESIDE.includes(name)));
    new CfnOutput(this, "variables", { value: Stack.of(this).toJsonString(variables) });
  }
}
