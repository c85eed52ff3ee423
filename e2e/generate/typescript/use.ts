import { OpenFeature as Server } from "@openfeature/server-sdk";
import { OpenFeature as Web } from "@openfeature/web-sdk";
import { Flags, experiments } from "./abx.js";
import type { ExperimentKey, ExperimentPayload, ExperimentVariant, FlagKey, FlagValue, FlagVariant } from "./abx.js";
import * as nasty from "./nasty.js";

// On a server: a context, and a promise.
const server = new Flags(Server.getClient());
const isNew: boolean = await server.newNavigation({ targetingKey: "user_1" });
const payments: FlagValue<"payment_settings"> = await server.paymentSettings();
const provider: string = payments.provider;

// In a browser: neither.
const web = new Flags(Web.getClient());
const isNewHere: boolean = web.newNavigation();
const retries: number = web.paymentSettings().retries;
// @ts-expect-error a context belongs to the client in a browser
web.newNavigation({ targetingKey: "user_1" });
// @ts-expect-error a boolean is no string
const text: string = web.newNavigation();

const key: ExperimentKey = "checkout_redesign";
const variant: ExperimentVariant<"checkout_redesign"> = "redesign";
const payload: ExperimentPayload<"checkout_redesign"> = { layout: "steps", express_buttons: true };
const flag: FlagKey = "new_navigation";
const flagVariant: FlagVariant<"new_navigation"> = "on";
const variants: readonly string[] = experiments[key];

// Names that are alike have suffixes, and descriptions have words.
const other = new nasty.Flags(Web.getClient());
const word: "x" | 'y "z"' = other.then_();
const described: boolean | null = other.described().maybe;
const integer: number | undefined = other.described().large;
const mode: nasty.ExperimentPayload<"a-b"> = { mode: "fast", nested: { rate: 1 }, sizes: { a: null } };
// @ts-expect-error `mode` is one of two words
const wrong: nasty.ExperimentPayload<"a-b"> = { mode: "slow", nested: { rate: 1 } };

console.log(isNew, provider, isNewHere, retries, text, variant, payload, flag, flagVariant, variants, word, described, integer, mode, wrong);
