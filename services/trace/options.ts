/** What the command line of `deno task trace` may say. */

export const HELP = `Draws a request as a waterfall, from log lines or from Tempo.

Usage: deno task trace [REQUEST] [options]      one request; "last" without a word
       deno task trace diff REQUEST REQUEST     which spans grew, appeared or vanished
       deno task trace tail                     requests as they happen

REQUEST is a trace id or its first eight digits, a traceparent, an x-request-id, the id
of an answer, "last" (ended last) or "slow" (took longest).

Options:
  --logs FILE...   JSON lines of any number of services, folders of them, or - for standard
                   input; written with DYN_LOGGING_JSONL=1 DYN_LOGGING_SPAN_EVENTS=1
                   (default: DYN_LOG_DIR, else where "deno task start" keeps its logs)
  --tempo [URL]    ask Tempo's API, or Baton's own traces service, instead
                   (default: TEMPO_QUERY_URL, whose queries have TEMPO_QUERY_HEADERS)
  --html FILE      write one HTML file that opens anywhere
  --json           write one JSON object
  --help           this text
`;

export type TraceCommand = "show" | "diff" | "tail" | "help";

export interface TraceOptions {
  readonly command: TraceCommand;
  /** Two for `diff`, one for `show`, none for the others. */
  readonly requests: readonly string[];
  /** Empty: the default folder. */
  readonly logs: readonly string[];
  /** Empty: that of TEMPO_QUERY_URL. */
  readonly tempoUrl?: string;
  readonly htmlPath?: string;
  readonly isJson: boolean;
}

/** A wrong command line. */
export class UsageError extends Error {
  override name = "UsageError";
}

interface Draft {
  readonly words: string[];
  readonly logs: string[];
  tempoUrl?: string;
  htmlPath?: string;
  isJson: boolean;
  isHelp: boolean;
}

/** Parses the arguments after the script's name. Throws a UsageError. */
export function parseOptions(args: readonly string[]): TraceOptions {
  const draft = readArguments(args);
  const [first = "last", ...rest] = draft.words;
  const isCommand = first === "diff" || first === "tail";
  const command = draft.isHelp ? "help" : isCommand ? first : "show";
  const requests = command === "show" ? [first, ...rest] : rest;
  const { logs, tempoUrl, htmlPath, isJson } = draft;
  const options = { command, requests, logs, tempoUrl, htmlPath, isJson } as const;
  if (command !== "help") checkOptions(options);
  return options;
}

function readArguments(args: readonly string[]): Draft {
  const draft: Draft = { words: [], logs: [], isJson: false, isHelp: false };
  const rest = [...args];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [name = "", inline] = splitFlag(argument);
    if (name === "--logs") draft.logs.push(...(inline === undefined ? takeWords(rest) : [inline]));
    else if (name === "--tempo") {
      draft.tempoUrl = inline === undefined ? takeUrl(rest) : tempoUrl(inline);
    } else if (name === "--html") draft.htmlPath = value(name, inline ?? rest.shift());
    else if (argument === "--json") draft.isJson = true;
    else if (argument === "--help" || argument === "-h") draft.isHelp = true;
    else if (argument.startsWith("-")) {
      throw new UsageError(`Cannot use ${argument}: no such option; see --help`);
    } else draft.words.push(argument);
  }
  if (args.some((argument) => splitFlag(argument)[0] === "--logs") && draft.logs.length === 0) {
    throw new UsageError("Cannot use --logs: name files, folders, or - for standard input");
  }
  return draft;
}

/** `--name=value` apart. */
function splitFlag(argument: string): [string, string | undefined] {
  const equals = argument.indexOf("=");
  return argument.startsWith("--") && equals > 0
    ? [argument.slice(0, equals), argument.slice(equals + 1)]
    : [argument, undefined];
}

/** The words up to the next option. */
function takeWords(rest: string[]): string[] {
  const end = rest.findIndex((word) => word.startsWith("-") && word !== "-");
  return rest.splice(0, end < 0 ? rest.length : end);
}

/** The next word, where it is meant as an address. */
function takeUrl(rest: string[]): string {
  const isMeant = /:\/\/|^[\w.-]+:\d+/.test(rest[0] ?? "");
  return isMeant ? tempoUrl(rest.shift() ?? "") : "";
}

function value(name: string, text: string | undefined): string {
  if (text === undefined || text === "") {
    throw new UsageError(`Cannot use ${name}: it needs a value`);
  }
  return text;
}

function tempoUrl(text: string): string {
  if (!/^https?:\/\/\S+$/.test(text)) {
    throw new UsageError(`Cannot use --tempo "${text}": use an http:// or https:// URL`);
  }
  return text.replace(/\/+$/, "");
}

function checkOptions(options: TraceOptions): void {
  const { command, requests, logs, tempoUrl, htmlPath, isJson } = options;
  const wanted = command === "diff" ? 2 : command === "show" ? 1 : 0;
  if (requests.length !== wanted) {
    throw new UsageError(
      `Cannot use "${requests.join(" ")}": ${command} takes ${
        ["no request", "one request", "two requests"][wanted]
      }; see --help`,
    );
  }
  if (tempoUrl !== undefined && logs.length > 0) {
    throw new UsageError("Cannot use --logs with --tempo: choose one of them");
  }
  if (htmlPath !== undefined && isJson) {
    throw new UsageError("Cannot use --html with --json: choose one of them");
  }
  if (command === "tail" && (tempoUrl !== undefined || isJson || htmlPath !== undefined)) {
    throw new UsageError("Cannot use these options with tail: it reads logs and writes lines");
  }
  if (command === "diff" && htmlPath !== undefined) {
    throw new UsageError("Cannot use --html with diff: it writes text or --json");
  }
}
