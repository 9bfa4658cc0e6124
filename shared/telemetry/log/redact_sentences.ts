/**
 * Secrets that a sentence, a header, a command or an address tells: `Authorization: …`, cookies, Basic
 * and Bearer credentials, `invalid token "…"`, `curl -u user:…`, `&sig=…`. Only the secret goes; what
 * tells of it stays, so that a reader knows what was there.
 */

import { isSecretName } from "./redact_names.ts";
import { REDACTED } from "./redact_shapes.ts";
import {
  isHarmless,
  isListedValue,
  isNumber,
  isOpaque,
  isRandom,
  isUserAndPassword,
} from "./redact_values.ts";

/** The scheme stays. What follows is one word, or parameters as Digest, OAuth and AWS have them. */
const AUTHORIZATION =
  /((?:proxy-)?authorization\\{0,8}["']?\s{0,2}[:=]\s{0,2}\[?\\{0,8}["']?)((?:[A-Za-z][\w-]{1,40}\s{1,2})?)((?:[\w-]{1,64}=(?:\\{0,8}"[^"\\]{0,4096}\\{0,8}"|[^\s,"'\\]{1,4096})(?:,\s{0,2}(?=[\w-]{1,64}=)|(?=[^\w-]|$))){1,16}|[^\s"'\\]{1,4096})/gi;
const KNOWN_SCHEME =
  /^(?:Bearer|Basic|Digest|Token|ApiKey|OAuth|HMAC|Negotiate|NTLM|AWS4-HMAC-SHA256)\s/i;
const COOKIES = /((?:set-)?cookie\\{0,4}["']?\s{0,2}:\s{0,2}\\{0,4}["']?)[^"'\\\r\n]{1,4096}/gi;
const BEARER = /\b(bearer\s{1,2})([\w~+/.=-]{8,4096})/gi;
const BASIC = /\b(basic\s{1,2})([A-Za-z0-9+/_-]{6,1024}={0,2})/gi;
/** `curl -u user:password`, `login user password word`. */
const USER_FLAG =
  /((?:^|\s)(?:-u|--user|--proxy-user)[\s=]{1,2}["']?[^\s:"']{1,128}:(?!\/\/))[^\s"']{1,512}/g;
const NETRC = /(\blogin\s{1,4}\S{1,256}\s{1,4}password\s{1,4})[^\s"'\\]{1,512}/g;
/** Short flags say nothing by themselves: these programs take a password by them. */
const PASSWORD_FLAG =
  /((?:\b(?:docker|podman|nerdctl|oras|helm registry) login\s[^|;&\n]{0,200}?-p\s{1,2}|\bsshpass\s{1,2}-p\s{0,2}|\bredis-cli\s[^|;&\n]{0,200}?-a\s{1,2}|\bmysql\w{0,8}\s(?:[^|;&\n]{0,200}?\s)?-p|(?<![\w-])-pass(?:in|out)?\s{1,2}pass:)\\{0,4}["']?)([^\s"'\\]{1,512})/g;
const FLAG = /(?<![\w-])(--?[A-Za-z][\w-]{1,60})(\s{1,2})(?!-)(\\{0,4}["']?)([^\s"'\\]{1,4096})/g;
/** As errors of libraries have it: `invalid token "…"`, `API key provided: …`, `with password '…'`. */
const TOLD =
  /\b((?:token|secret|key|passw(?:or)?d|passphrase|bearer|credentials?)(?:\s{1,2}(?:is|was|to|header|value|provided|given|used|sent):?){0,2}\s{1,4}\\{0,8}["'`]?)([\w+/=-]{20,1024})(?![\w+/=-]|\.\w)/gi;
const TOLD_KEY =
  /(\b(?:private|secret|encryption|signing|master|shared|access|api) key\s{0,2}[:=]\s{0,2}\\{0,8}["'`]?)(?=[\w+/=-]{0,60}\d)([\w+/=-]{16,1024})/gi;
const TOLD_PASSWORD =
  /\b(passw(?:or)?d\s{1,4}\\{0,8}(?:"|'|`))([^\s"'`\\]{1,256})(?=\\{0,8}["'`])/gi;
const TOLD_BARE_PASSWORD =
  /\b(passw(?:or)?d\s{1,2}(?:(?:is|was|to)\s{1,2})?)((?=\w{0,60}\d)(?=\w{0,60}[A-Za-z])\w{10,256})(?![\w./=-])/gi;
/** As NATS and its clients write it. */
const USER_AND_PASS =
  /(\buser(?:name)?\\{0,8}["']?\s{0,2}:?\s{0,2}\\{0,8}["'][^"'\\]{0,256}\\{0,8}["'],?\s{0,2}\\{0,8}["']?pass\\{0,8}["']?\s{0,2}:?\s{0,2}\\{0,8}["'])([^"'\\]{1,256})/gi;
/** `;Signature=…` of a signed address, a code that is good for a token, a key that has no other name. */
const SIGNED =
  /([?&;](?:amp;)?(?:sig|signature|x-amz-signature|x-goog-signature|x-amz-credential)=)[\w%+/=.-]{8,1024}/gi;
const QUERY_KEY =
  /([?&](?:amp;)?(?:code|key)=)(?=[\w%+/=.~-]{0,60}\d)(?=[\w%+/=.~-]{0,60}[A-Za-z])[\w%+/=.~-]{20,1024}/gi;
/** A query inside of another address. */
const ENCODED_QUERY =
  /((?:%3F|%26|%23|[?&#])([A-Za-z_][\w.-]{0,80})%3D)((?:(?!%26|%23)[\w%.~+!*/-]){1,4096})/gi;
/** Names and values side by side, as in a list of headers. */
const LISTED = /(\\{0,8}["'])([\w.-]{2,80})\1\s{0,2},\s{0,2}\1((?:(?!\1)[^\r\n]){1,4096})(?=\1)/g;
/** `{"name": "x-api-key", "value": "…"}`, with OTLP's wrapping too, in YAML and in XML. */
const NAME_AND_VALUE =
  /(\b(?:name|key|header)\\{0,8}["']?\s{0,2}[:=]\s{0,2}\\{0,8}["']?)([\w.-]{1,80})(\\{0,8}["']?,?(?:\s|\\{1,8}n){0,16}\\{0,8}["']?value\\{0,8}["']?\s{0,2}[:=]\s{0,2}(?:\{\s{0,2}\\{0,8}["']?string_?value\\{0,8}["']?\s{0,2}:\s{0,2})?\\{0,8}["']?)([^"'\\\s,}<>]{1,4096})/gi;
const ELEMENT = /(<([A-Za-z_][\w.-]{0,80})>)([^<>"']{1,4096})(?=<\/\2>)/g;

type Groups = readonly string[];

/** The text without what its sentences tell. */
export function hideTold(text: string): string {
  return hideListed(text)
    .replace(
      AUTHORIZATION,
      hideWhere(([, , scheme = "", value = ""]) =>
        KNOWN_SCHEME.test(scheme) ? !isHarmless(value) : isOpaque(value)
      ),
    )
    .replace(COOKIES, `$1${REDACTED}`)
    .replace(BEARER, hideWhere(([, , value = ""]) => isOpaque(value)))
    .replace(BASIC, hideWhere(([, , value = ""]) => isUserAndPassword(value)))
    .replace(TOLD, hideWhere(([, , value = ""]) => isRandom(value)))
    .replace(TOLD_KEY, `$1${REDACTED}`)
    .replace(TOLD_PASSWORD, hideWhere(([, , value = ""]) => !isHarmless(value)))
    .replace(TOLD_BARE_PASSWORD, `$1${REDACTED}`)
    .replace(USER_AND_PASS, `$1${REDACTED}`)
    .replace(SIGNED, `$1${REDACTED}`)
    .replace(QUERY_KEY, `$1${REDACTED}`)
    .replace(ENCODED_QUERY, hideWhere(([, , name = ""]) => isSecretName(name)))
    .replace(USER_FLAG, `$1${REDACTED}`)
    .replace(NETRC, `$1${REDACTED}`)
    .replace(PASSWORD_FLAG, `$1${REDACTED}`)
    .replace(
      FLAG,
      hideWhere(([, flag = "", , , value = ""]) => isSecretName(flag) && !isHarmless(value)),
    )
    .replace(
      NAME_AND_VALUE,
      hideWhere(([, , name = "", joint = "", value = ""]) =>
        isSecretName(name) && !isHarmless(value) && (/["']$/.test(joint) || !isNumber(value))
      ),
    )
    .replace(
      ELEMENT,
      hideWhere(([, , name = "", value = ""]) => isSecretName(name) && !isHarmless(value)),
    );
}

/** An item that is no name of a secret may be before one that is. */
function hideListed(text: string): string {
  let shown = "";
  let done = 0;
  LISTED.lastIndex = 0;
  for (let match = LISTED.exec(text); match !== null; match = LISTED.exec(text)) {
    const [whole, quote = "", name = "", value = ""] = match;
    if (isSecretName(name) && isListedValue(value)) {
      shown += text.slice(done, match.index + whole.length - value.length) + REDACTED;
      done = LISTED.lastIndex;
    } else {
      LISTED.lastIndex = match.index + quote.length + name.length;
    }
  }
  return shown + text.slice(done);
}

/** Replaces the last group of a match, which is at its end, where `isSecret` says so of the groups. */
function hideWhere(isSecret: (match: Groups) => boolean): (...args: unknown[]) => string {
  return (...args) => {
    const groups = args.slice(0, args.findIndex((arg) => typeof arg === "number")) as string[];
    const [whole = ""] = groups;
    const value = groups.at(-1) ?? "";
    return isSecret(groups) ? whole.slice(0, whole.length - value.length) + REDACTED : whole;
  };
}
