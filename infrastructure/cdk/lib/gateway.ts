// An API Gateway beside the function URLs, for callers that cannot sign requests. It does what a URL cannot: it knows API keys, limits
// each of them, and lets AWS WAF stand before it.

import { CfnOutput } from "aws-cdk-lib";
import { EndpointType, LambdaIntegration, RestApi } from "aws-cdk-lib/aws-apigateway";
import type { IResource } from "aws-cdk-lib/aws-apigateway";
import type { Alias } from "aws-cdk-lib/aws-lambda";
import { CfnWebACLAssociation } from "aws-cdk-lib/aws-wafv2";
import { Construct } from "constructs";
import type { Config } from "./config";
import { nameOf } from "./names";

/** Paths of the functions, each with what lies below it. */
const PATHS = { assign: "assignment", flags: "flags", ofrep: "flags", "openapi.json": "flags" } as const;

/** Of one key: requests a second, and how many may come at once on top. */
const RATE = 1_000;
const BURST = 2_000;

export interface GatewayProps {
  readonly config: Config;
  readonly aliases: Readonly<Record<"assignment" | "flags", Alias>>;
}

export class Gateway extends Construct {
  readonly api: RestApi;

  constructor(scope: Construct, id: string, { config, aliases }: GatewayProps) {
    super(scope, id);
    this.api = new RestApi(this, "Api", {
      restApiName: nameOf(config, "gateway"),
      endpointTypes: [EndpointType.REGIONAL],
      deployOptions: { stageName: config.stage, tracingEnabled: config.tracing },
      // The role would be one for the whole account and region.
      cloudWatchRole: false,
    });
    for (const [path, name] of Object.entries(PATHS)) {
      const integration = new LambdaIntegration(aliases[name], { proxy: true, allowTestInvoke: false });
      const resource = this.api.root.addResource(path);
      open(resource, integration);
      open(resource.addResource("{proxy+}"), integration);
    }
    this.keys(config);
    if (config.webAcl !== undefined) {
      new CfnWebACLAssociation(this, "Wall", { resourceArn: this.api.deploymentStage.stageArn, webAclArn: config.webAcl });
    }
    new CfnOutput(this, "url", { value: this.api.url });
  }

  /** One key to begin with; others are added to the plan by hand, one for each caller. */
  private keys(config: Config): void {
    const plan = this.api.addUsagePlan("Plan", {
      name: nameOf(config, "callers"),
      throttle: { rateLimit: RATE, burstLimit: BURST },
    });
    plan.addApiStage({ stage: this.api.deploymentStage });
    const key = this.api.addApiKey("Key", { apiKeyName: nameOf(config, "caller") });
    plan.addApiKey(key);
    new CfnOutput(this, "key", { value: key.keyId });
  }
}

/** Every method takes a key, but for the question of a browser before its request, which cannot have one. */
function open(resource: IResource, integration: LambdaIntegration): void {
  resource.addMethod("ANY", integration, { apiKeyRequired: true });
  resource.addMethod("OPTIONS", integration);
}
