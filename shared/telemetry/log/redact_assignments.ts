/**
 * Secrets that the text itself names: `password=…`, `"api_key": "…"`, `--token …`, `Authorization: …`,
 * cookies, Basic and Bearer credentials.
 *
 * Only the value goes; the name stays, so that a reader knows what was there. A value that is a plain
 * word after `token:` or the like is prose ("unexpected token: end") and stays.
 */

import { isSecretName } from "./redact_names.ts";
import { REDACTED } from "./redact_shapes.ts";

/** A name and the sign behind it; quotes may be escaped, as in JSON that is a string of JSON. */
const NAMED =
  /(?<![A-Za-z0-9_])([A-Za-z_][\w.-]{0,80})(?:\\{0,8}["'`])?\]?\s{0,2}(=>|:=|=|(?<!\d):(?!\/\/)|:(?!\d|\/\/))\s{0,4}/g;
const OPENING_QUOTE = /(\\{0,8})(["'`])/y;
const BARE_VALUE = /[^\s"'`,;&<>)}\]\\]{1,4096}/y;
const FLAG = /(?<![\w-])(--?[A-Za-z][\w-]{1,60})(\s{1,2})(?!-)(\\{0,4}["']?)([^\s"'\\]{1,4096})/g;
const AUTHORIZATION =
  /((?:proxy-)?authorization\\{0,4}["']?\s{0,2}[:=]\s{0,2}\\{0,4}["']?)((?:(?:Bearer|Basic|Digest|Token|ApiKey|Negotiate|NTLM|AWS4-HMAC-SHA256)\s{1,2})?)[^\s"'\\]{1,4096}/gi;
const COOKIES = /((?:set-)?cookie\\{0,4}["']?\s{0,2}:\s{0,2}\\{0,4}["']?)[^"'\\\r\n]{1,4096}/gi;
const BEARER = /\b(bearer\s{1,2})([\w~+/.=-]{8,4096})/gi;
const BASIC = /\b(basic\s{1,2})([A-Za-z0-9+/_-]{6,1024}={0,2})/gi;
/** `curl -u user:password`, `login user password word`, `;Signature=…` of a signed address. */
const USER_FLAG =
  /((?:^|\s)(?:-u|--user|--proxy-user)[\s=]{1,2}["']?[^\s:"']{1,128}:)[^\s"']{1,512}/g;
const NETRC = /(\blogin\s{1,4}\S{1,256}\s{1,4}password\s{1,4})[^\s"'\\]{1,512}/g;
/** As errors of libraries have it: `invalid token "…"`, `API key … is revoked`, `with password '…'`. */
const TOLD =
  /\b((?:token|secret|key|passw(?:or)?d|passphrase|bearer|credentials?)\s{1,4}\\{0,8}["'`]?)([\w+/=]{20,1024})(?![\w+/=.-])/gi;
const TOLD_PASSWORD =
  /\b(passw(?:or)?d\s{1,4}\\{0,8}(?:"|'|`))([^\s"'`\\]{1,256})(?=\\{0,8}["'`])/gi;
const SIGNED =
  /([?&;](?:amp;)?(?:sig|signature|x-amz-signature|x-goog-signature|x-amz-credential)=)[\w%+/=.-]{8,1024}/gi;

/** Hides however it is written; the others are also words of prose, and of language models. */
const ALWAYS = /pass|pwd|key|jwt|cookie|seed|signature|pat$/i;
const HARMLESS =
  /^(?:true|false|null|nil|none|undefined|yes|no|on|off|unset|empty|missing|required|invalid|expected|unknown|wrong|denied|string|number|boolean|object|str|int|bytes|\*+|x{3,}|\.{3}|…|\[redacted|\$\{?\w+\}?|%\w+%|\{+[\w. ]*)$/i;

/** The text without the values that it calls secret. */
export function hideAssignments(text: string): string {
  const hidden = text
    .replace(AUTHORIZATION, `$1$2${REDACTED}`)
    .replace(COOKIES, `$1${REDACTED}`)
    .replace(
      BEARER,
      (whole, scheme: string, value: string) => isOpaque(value) ? scheme + REDACTED : whole,
    )
    .replace(
      BASIC,
      (whole, scheme: string, value: string) =>
        isUserAndPassword(value) ? scheme + REDACTED : whole,
    )
    .replace(
      TOLD,
      (whole, telling: string, value: string) => isRandom(value) ? telling + REDACTED : whole,
    )
    .replace(
      TOLD_PASSWORD,
      (whole, telling: string, value: string) => HARMLESS.test(value) ? whole : telling + REDACTED,
    )
    .replace(SIGNED, `$1${REDACTED}`)
    .replace(USER_FLAG, `$1${REDACTED}`)
    .replace(NETRC, `$1${REDACTED}`)
    .replace(
      FLAG,
      (whole, flag: string, space: string, quote: string, value: string) =>
        isSecretName(flag) && !HARMLESS.test(value) ? flag + space + quote + REDACTED : whole,
    );
  return hideNamed(hidden);
}

interface AssignedValue {
  readonly start: number;
  readonly end: number;
  readonly isQuoted: boolean;
}

/** Hides the value behind each name of a secret. */
function hideNamed(text: string): string {
  let shown = "";
  let done = 0;
  NAMED.lastIndex = 0;
  for (let match = NAMED.exec(text); match !== null; match = NAMED.exec(text)) {
    const [, name = "", sign = ""] = match;
    if (!isSecretName(name)) continue;
    const value = valueAt(text, NAMED.lastIndex);
    if (value === null || !isHidden(text.slice(value.start, value.end), { ...value, name, sign })) {
      continue;
    }
    shown += text.slice(done, value.start) + REDACTED;
    done = value.end;
    NAMED.lastIndex = value.end;
  }
  return shown + text.slice(done);
}

function valueAt(text: string, at: number): AssignedValue | null {
  OPENING_QUOTE.lastIndex = at;
  const opening = OPENING_QUOTE.exec(text);
  if (opening === null) {
    BARE_VALUE.lastIndex = at;
    const bare = BARE_VALUE.exec(text)?.[0];
    return bare === undefined ? null : { start: at, end: at + bare.length, isQuoted: false };
  }
  const [whole, escapes = "", quote = ""] = opening;
  const start = at + whole.length;
  let end = text.indexOf(quote, start);
  while (end !== -1 && escapesBefore(text, end) !== escapes.length) {
    end = text.indexOf(quote, end + 1);
  }
  return { start, end: end === -1 ? text.length : end - escapes.length, isQuoted: true };
}

function escapesBefore(text: string, at: number): number {
  let count = 0;
  while (text[at - 1 - count] === "\\") count++;
  return count;
}

interface Naming {
  readonly name: string;
  readonly sign: string;
  readonly isQuoted: boolean;
}

function isHidden(value: string, { name, sign, isQuoted }: Naming): boolean {
  if (value === "" || HARMLESS.test(value)) return false;
  if (name === "PWD" && value.startsWith("/")) return false;
  if (ALWAYS.test(name)) return true;
  const isProse = !isQuoted && sign.includes(":");
  return isProse ? isOpaque(value) && !isCount(value) : !isCount(value);
}

/** A number of tokens, or one of a model's. */
function isCount(value: string): boolean {
  return /^\d{1,7}$/.test(value);
}

/** Whether a word is too long or too mixed to be one of a language. */
function isOpaque(word: string): boolean {
  return word.length >= 20 || /\d/.test(word) || /[a-z][A-Z]/.test(word) || /[+/=~_]/.test(word);
}

/** Whether a long word is no id of small digits, no name and no path. */
function isRandom(word: string): boolean {
  return /\d/.test(word) && /[a-z]/.test(word) && /[A-Z]/.test(word);
}

/** Whether it is Base64 of `user:password`. */
function isUserAndPassword(word: string): boolean {
  try {
    return /^\P{Cc}*:\P{Cc}*$/u.test(
      atob(word.replaceAll("-", "+").replaceAll("_", "/")),
    );
  } catch {
    return false;
  }
}
