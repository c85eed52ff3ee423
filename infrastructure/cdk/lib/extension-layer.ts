// The extension for functions of any language: a layer, and the variables of those functions, which are somebody else's.
// Their roles need the policy `server` of lib/people.ts.

import { CfnOutput, RemovalPolicy, Stack } from "aws-cdk-lib";
import { Architecture, LayerVersion } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import { EXTENSION, codeOfExtension } from "./code";
import type { Config } from "./config";
import type { DataStack } from "./data-stack";
import { environmentOf } from "./environment";
import { nameOf } from "./names";

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
    new CfnOutput(this, "layer", { value: layer.layerVersionArn });
    const all = { ...environmentOf("flags", config, data), ...environmentOf("assignment", config, data) };
    const variables = Object.fromEntries(Object.entries(all).filter(([name]) => !NOT_BESIDE.includes(name)));
    new CfnOutput(this, "variables", { value: Stack.of(this).toJsonString(variables) });
  }
}
