// Called by `cdk`; see docs/operating.md.

import { App } from "aws-cdk-lib";
import { FLAGS, makeStacks } from "../lib/app";
import { ConfigError, readConfig } from "../lib/config";

const app = new App({ context: FLAGS });
try {
  // Of the account and region that the credentials are for; without any, of whichever it will be deployed to.
  makeStacks(app, readConfig(app.node.getAllContext()));
} catch (error) {
  if (!(error instanceof ConfigError)) {
    throw error;
  }
  console.error(error.message);
  // At once: a mere exit code would let the half-made stacks be synthesized first.
  process.exit(2);
}
