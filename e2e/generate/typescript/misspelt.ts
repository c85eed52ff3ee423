import { OpenFeature } from "@openfeature/server-sdk";
import { Flags } from "./abx.js";
import type { ExperimentKey } from "./abx.js";

const key: ExperimentKey = "checkout_redesing";
console.log(key, await new Flags(OpenFeature.getClient()).newNavigaton());
