// Called by `cdk`; see docs/operating.md.

import { App } from "aws-cdk-lib";
import { FLAGS, makeStacks } from "../lib/app";
import { ConfigError } from "../lib/config";
import { readStage } from "../lib/stage";

const app = new App({ context: FLAGS });
try {
  // Of the account and region that the credentials are for; without any, of whichever it will be deployed to.
  makeStacks(app, readStage(app.node.getAllContext()));
} catch (error) {
  if (!(error instanceof ConfigError)) {
    throw error;
  }
  console.error(error.message);
  // At once: a mere exit code would let the half-made stacks be synthesized first.
  process.exit(2);
}
