// The settings of a deployment, from the stage's file (lib/stage.ts) and from context (`-c stage=prod`), checked as a whole before they
// are used.

/** Where the placeholder stands for the functions. */
export const NO_ASSETS = "none";

/** A checked configuration. */
export interface Config {
  /** Names every resource and every metric: two stages of one account share nothing. */
  readonly stage: string;
  /** Whether data outlives its stack: true for the stage `prod`, and for every other with `-c keep=true`. */
  readonly keep: boolean;
  readonly arch: "arm64" | "x86_64";
  /** The folder with `{assignment,events,flags}/bootstrap.zip`, or `none`. */
  readonly assets: string;
  /** A folder that `abx pull` wrote: the revision that serves while the table cannot be read. */
  readonly bundled: string | undefined;
  /** Whether anybody may call the URLs, without credentials. */
  readonly public: boolean;
  /** The origins whose pages may ask. */
  readonly corsOrigins: readonly string[];
  /** Headers that pages may send beside the usual ones, separated by commas. */
  readonly corsHeaders: string | undefined;
  /** The base path of a custom domain, which is taken off every path. */
  readonly basePath: string | undefined;
  readonly exposures: "off" | "after" | "sync";
  /** Whether evaluations of flags are counted, sent one by one, or neither. */
  readonly evaluations: "off" | "summary" | "each";
  readonly assignmentTtlDays: number;
  /** How many assignments a process remembers. */
  readonly cacheAssignments: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** Whether Lambda writes its own lines (START, END, REPORT) around each invocation. */
  readonly platformLogs: boolean;
  readonly logDays: number;
  /** Shards of the stream; 0 leaves them to Kinesis (on demand). */
  readonly shards: number;
  /** The most records of one invocation of the event function. */
  readonly batchSize: number;
  /** How long the event function waits for more records, in seconds. */
  readonly batchWindow: number;
  /** Environments of the assignment and of the flag function that are kept warm; 0 for none. */
  readonly provisioned: number;
  /** Environments that are reserved for the event function, which are also the most that it has; 0 for no reservation. */
  readonly reservedConcurrency: number;
  /** How traffic moves to a new version of a function; `off` moves all of it at once. */
  readonly canary: Canary;
  /** Whether AWS X-Ray traces invocations. */
  readonly tracing: boolean;
  /** Whether an API Gateway with API keys and a usage plan stands beside the URLs. */
  readonly gateway: boolean;
  /** Whether there is a layer with the extension, for functions of any language. */
  readonly layer: boolean;
  /** The AWS WAF web ACL of the gateway, by its ARN. */
  readonly webAcl: string | undefined;
  readonly archiveFormat: "json" | "parquet";
  /** The workgroup of Athena that analysts ask in. */
  readonly athenaWorkgroup: string;
  /** A key of AWS KMS for tables, stream, buckets and topic, by its ARN, instead of those of AWS. */
  readonly keyArn: string | undefined;
  /** How many percent of the events may be such that no metric asks for, before an alarm; 100 for no alarm. */
  readonly maxUnknownEvents: number;
  /** Who gets an e-mail about alarms. */
  readonly alarmEmail: string | undefined;
  /** A topic of Amazon SNS that alarms are published to, by its ARN. */
  readonly alarmTopic: string | undefined;
}

/** How traffic moves to a new version: a tenth of it first, or a tenth each minute. */
export const CANARIES = ["off", "10percent5minutes", "10percent15minutes", "linear10percent1minute"] as const;
export type Canary = (typeof CANARIES)[number];

/** Everything that is wrong with the settings. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`the stacks cannot be made from these settings:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.name = "ConfigError";
  }
}

export type Context = Readonly<Record<string, unknown>>;

/** The settings of a file, and its name, which messages quote. */
export interface SettingsFile {
  readonly name: string;
  readonly values: Context;
}

/** The stage of a deployment that names none. */
export const DEFAULT_STAGE = "dev";
export const STAGE_SHAPE = /^[a-z][a-z0-9-]{0,15}$/;

/** How long CloudWatch Logs may be told to keep lines, in days; other numbers are refused by the service. */
const LOG_DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 180, 365];

/** The context without the CDK's own keys, which have a `:` or a `/`. */
export function ownContext(context: Context): Context {
  return Object.fromEntries(Object.entries(context).filter(([key]) => !/[:/]/.test(key)));
}

/** Reads the settings; context overrides the file, and every problem is reported at once. */
export function readConfig(context: Context, file?: SettingsFile): Config {
  const reader = new Reader(ownContext(context), file);
  const stage = reader.matching("stage", DEFAULT_STAGE, STAGE_SHAPE, "1 to 16 of a-z 0-9 -, a letter first");
  const isProd = stage === "prod";
  const config: Config = {
    stage,
    keep: reader.flag("keep", isProd),
    arch: reader.word("arch", "arm64", ["arm64", "x86_64"]),
    assets: reader.text("assets") ?? "../../target/lambda",
    bundled: reader.text("bundled"),
    public: reader.flag("public", false),
    corsOrigins: reader.origins("corsOrigins"),
    corsHeaders: reader.optional("corsHeaders", /^[\w-]+(\s*,\s*[\w-]+)*$/, "names of headers, separated by commas"),
    basePath: reader.optional("basePath", /^\/?[\w.~-]+(\/[\w.~-]+)*\/?$/, "a path, as /experiments"),
    exposures: reader.word("exposures", "after", ["off", "after", "sync"]),
    evaluations: reader.word("evaluations", "summary", ["off", "summary", "each"]),
    assignmentTtlDays: reader.whole("assignmentTtlDays", 90, 1, 3650),
    cacheAssignments: reader.whole("cacheAssignments", 10_000, 1, 1_000_000),
    logLevel: reader.word("logLevel", "info", ["debug", "info", "warn", "error"]),
    platformLogs: reader.flag("platformLogs", !isProd),
    logDays: reader.oneOf("logDays", isProd ? 90 : 7, LOG_DAYS),
    shards: reader.shards("shards", isProd ? 2 : 1),
    batchSize: reader.whole("batchSize", 500, 100, 500),
    batchWindow: reader.whole("batchWindow", 5, 0, 300),
    provisioned: reader.whole("provisioned", 0, 0, 1000),
    reservedConcurrency: reader.whole("reservedConcurrency", 0, 0, 10_000),
    canary: reader.word("canary", isProd ? "10percent5minutes" : "off", CANARIES),
    tracing: reader.flag("tracing", false),
    gateway: reader.flag("gateway", false),
    layer: reader.flag("layer", false),
    webAcl: reader.arn("webAcl", "wafv2", "regional/webacl/"),
    archiveFormat: reader.word("archiveFormat", "json", ["json", "parquet"]),
    athenaWorkgroup: reader.matching("athenaWorkgroup", "primary", /^[\w.-]{1,128}$/, "the name of a workgroup: 1 to 128 of A-Z a-z 0-9 . _ -"),
    keyArn: reader.arn("keyArn", "kms", "key/"),
    maxUnknownEvents: reader.whole("maxUnknownEvents", 5, 0, 100),
    alarmEmail: reader.email("alarmEmail"),
    alarmTopic: reader.arn("alarmTopic", "sns", ""),
  };
  if (config.webAcl !== undefined && !config.gateway) {
    reader.refuse("`webAcl` needs `gateway=true`: AWS WAF cannot stand before a function URL");
  }
  const { reservedConcurrency: reserved, shards } = config;
  if (reserved > 0 && reserved < shards) {
    reader.refuse(`\`reservedConcurrency\` is ${reserved}; it has to be ${shards} or more, one for each of \`shards\``);
  }
  reader.finish();
  return config;
}

/** Takes values, and collects what is wrong with them. From a command line everything is text; JSON has types. */
class Reader {
  private readonly problems: string[] = [];
  private readonly known: string[] = [];
  private readonly values: Map<string, unknown>;

  constructor(private readonly context: Context, private readonly file: SettingsFile | undefined) {
    this.values = new Map(Object.entries({ ...file?.values, ...context }));
  }

  text(key: string): string | undefined {
    this.known.push(key);
    const value = this.values.get(key);
    this.values.delete(key);
    if (value === undefined || value === "") {
      return undefined;
    }
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      return String(value);
    }
    this.wrong(key, JSON.stringify(value), "one value, not a list or an object");
    return undefined;
  }

  matching(key: string, otherwise: string, shape: RegExp, right: string): string {
    const value = this.text(key) ?? otherwise;
    return shape.test(value) ? value : this.wrong(key, value, right, otherwise);
  }

  optional(key: string, shape: RegExp, right: string): string | undefined {
    const value = this.text(key);
    return value === undefined || shape.test(value) ? value : this.wrong(key, value, right, undefined);
  }

  word<W extends string>(key: string, otherwise: W, words: readonly W[]): W {
    const value = this.text(key) ?? otherwise;
    return words.find((word) => word === value) ?? this.wrong(key, value, `one of ${words.join(", ")}`, otherwise);
  }

  flag(key: string, otherwise: boolean): boolean {
    return this.word(key, otherwise ? "true" : "false", ["true", "false"]) === "true";
  }

  whole(key: string, otherwise: number, least: number, most: number): number {
    const value = this.text(key) ?? String(otherwise);
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    const isRight = number >= least && number <= most;
    return isRight ? number : this.wrong(key, value, `a whole number from ${least} to ${most}`, otherwise);
  }

  oneOf(key: string, otherwise: number, numbers: readonly number[]): number {
    const value = this.text(key) ?? String(otherwise);
    return numbers.find((it) => String(it) === value)
      ?? this.wrong(key, value, `one of ${numbers.join(", ")}, which CloudWatch Logs knows`, otherwise);
  }

  shards(key: string, otherwise: number): number {
    return this.values.get(key) === "on-demand" ? (this.text(key), 0) : this.whole(key, otherwise, 1, 500);
  }

  arn(key: string, service: string, resource: string): string | undefined {
    const value = this.text(key);
    const shape = new RegExp(`^arn:aws[a-z-]*:${service}:[a-z0-9-]+:[0-9]{12}:${resource}[A-Za-z0-9_.:/-]+$`);
    const right = `an ARN, for example arn:aws:${service}:eu-central-1:123456789012:${resource}NAME`;
    return value === undefined || shape.test(value) ? value : this.wrong(key, value, right, undefined);
  }

  refuse(problem: string): void {
    this.problems.push(problem);
  }

  email(key: string): string | undefined {
    const value = this.text(key);
    const isRight = value === undefined || /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(value);
    return isRight ? value : this.wrong(key, value, "an address, for example ops@example.com", undefined);
  }

  /** The functions refuse `*` and what no browser sends; better before a deployment than in each start after it. */
  origins(key: string): readonly string[] {
    const written = this.text(key) ?? "";
    const origins = written.split(",").map((it) => it.trim()).filter((it) => it !== "");
    for (const origin of origins) {
      if (!/^https?:\/\/[a-z0-9.:[\]-]+$/.test(origin)) {
        this.wrong(key, origin, "origins, for example https://shop.example.com, separated by commas", undefined);
      }
    }
    return origins;
  }

  finish(): void {
    for (const key of this.values.keys()) {
      this.problems.push(`\`${key}\`${this.place(key)} is not known; there are ${this.known.join(", ")}`);
    }
    if (this.problems.length > 0) {
      throw new ConfigError(this.problems);
    }
  }

  private wrong<T>(key: string, value: string, right: string, otherwise?: T): T {
    this.problems.push(`\`${key}\`${this.place(key)} is ${JSON.stringify(value)}; it has to be ${right}`);
    return otherwise as T;
  }

  /** Where a value was written, if not in context. */
  private place(key: string): string {
    return this.file !== undefined && key in this.file.values && !(key in this.context) ? ` in ${this.file.name}` : "";
  }
}
