// What a deployment is told by context (`-c stage=prod`, or "context" in cdk.json), checked as a whole before it is used.

/** Where the placeholder stands for the functions. */
export const NO_ASSETS = "none";

/** A checked configuration. */
export interface Config {
  /** Names every resource: two stages of one account share nothing but the metrics of the functions. */
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
  /** Who is told of alarms. */
  readonly alarmEmail: string | undefined;
}

/** Everything that is wrong with the context. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`the context cannot be used:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.name = "ConfigError";
  }
}

type Context = Readonly<Record<string, unknown>>;

/** How long CloudWatch Logs may be told to keep lines, in days; other numbers are refused by the service. */
const LOG_DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 180, 365];

/** Reads the context; whatever is wrong is said at once. Keys with a `:` or a `/` belong to the CDK. */
export function readConfig(context: Context): Config {
  const own = Object.entries(context).filter(([key]) => !/[:/]/.test(key));
  const reader = new Reader(new Map(own));
  const stage = reader.matching("stage", "dev", /^[a-z][a-z0-9-]{0,15}$/, "1 to 16 of a-z 0-9 -, a letter first");
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
    assignmentTtlDays: reader.whole("assignmentTtlDays", 90, 1, 3650),
    cacheAssignments: reader.whole("cacheAssignments", 10_000, 1, 1_000_000),
    logLevel: reader.word("logLevel", "info", ["debug", "info", "warn", "error"]),
    platformLogs: reader.flag("platformLogs", !isProd),
    logDays: reader.oneOf("logDays", isProd ? 90 : 7, LOG_DAYS),
    shards: reader.shards("shards", isProd ? 2 : 1),
    batchSize: reader.whole("batchSize", 500, 100, 500),
    batchWindow: reader.whole("batchWindow", 5, 0, 300),
    provisioned: reader.whole("provisioned", 0, 0, 1000),
    alarmEmail: reader.email("alarmEmail"),
  };
  reader.finish();
  return config;
}

/** Takes values, and collects what is wrong with them. From a command line everything is text; cdk.json has types. */
class Reader {
  private readonly problems: string[] = [];
  private readonly known: string[] = [];

  constructor(private readonly values: Map<string, unknown>) {}

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

  email(key: string): string | undefined {
    const value = this.text(key);
    const isRight = value === undefined || /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(value);
    return isRight ? value : this.wrong(key, value, "an address, as ops@example.com", undefined);
  }

  /** The functions refuse `*` and what no browser sends; better before a deployment than in each start after it. */
  origins(key: string): readonly string[] {
    const written = this.text(key) ?? "";
    const origins = written.split(",").map((it) => it.trim()).filter((it) => it !== "");
    for (const origin of origins) {
      if (!/^https?:\/\/[a-z0-9.:[\]-]+$/.test(origin)) {
        this.wrong(key, origin, "origins as https://shop.example.com, separated by commas", undefined);
      }
    }
    return origins;
  }

  finish(): void {
    for (const key of this.values.keys()) {
      this.problems.push(`\`${key}\` is not known; there are ${this.known.join(", ")}`);
    }
    if (this.problems.length > 0) {
      throw new ConfigError(this.problems);
    }
  }

  private wrong<T>(key: string, value: string, right: string, otherwise?: T): T {
    this.problems.push(`\`${key}\` is ${JSON.stringify(value)}; it has to be ${right}`);
    return otherwise as T;
  }
}
