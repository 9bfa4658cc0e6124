/**
 * Secrets that are known by their own shape, wherever they stand: keys and tokens of providers, JSON
 * web tokens, private keys, NATS seeds, and passwords in addresses.
 */

import { TOKEN } from "./redact_tokens.ts";

/** Stands where a secret stood. */
export const REDACTED = "[redacted]";

/** To its end line; where that was cut off, to the end of the text or of the string it is in. */
const PRIVATE_KEY =
  /-----BEGIN ([A-Z0-9 ]*(?:PRIVATE KEY(?: BLOCK)?|NKEY SEED|USER JWT))-----[^"'`]*?(?:------?END \1-----(?!-)|------?END \1------|(?<!\\)(?=\\*["'`])|$)/g;
/** PuTTY's form of one. */
const PUTTY_KEY =
  /(Private-Lines: \d{1,3})(?:(?!Private-Lines)[^"'`])*?(Private-MAC: ?)[0-9a-f]{8,128}/g;
/** The numbers that make a JSON web key a private or a shared one. */
const WEB_KEY =
  /(\\{0,8}"(?:d|p|q|dp|dq|qi|k)\\{0,8}"\s{0,2}:\s{0,2}\\{0,8}")(?=[\w-]{0,40}\d)(?=[\w-]{0,40}[a-z])(?=[\w-]{0,40}[A-Z])[\w-]{20,4096}/g;

/** `scheme://user:password@`; a port is no password. */
const URL_PASSWORD =
  /([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@?#"'`[\]]{0,256}):(?!\d{1,5}(?:[/?#]|$))((?:(?!:\/\/|,[a-z]+:)[^\s"'`<>]){1,512})@/gi;
/** The same inside of another address. */
const ENCODED_URL_PASSWORD =
  /(%3A%2F%2F[\w.~-]{0,256}%3A)((?:(?!%40|%2F)[\w%.~+!*-]){1,512})(?=%40)/gi;
/** A NATS token, or the key of a DSN or of a code host, is a user without a password. */
const URL_TOKEN = /((?:nats|tls|wss?):\/\/)[^\s:/@?#"'`]{1,512}@/gi;
const URL_KEY = /(https?:\/\/)(?=[a-z_-]{0,64}\d)[\w-]{20,256}(?=(?::x-oauth-basic)?@)/gi;
const WEBHOOK =
  /(hooks\.slack\.com\/(?:services|workflows)\/|discord(?:app)?\.com\/api\/webhooks\/|(?:outlook|[\w-]{1,64}\.webhook)\.office\.com\/webhook(?:b2)?\/|api\.telegram\.org\/bot)[\w@/:-]{20,}/g;
/** Go's form of a database's address, and Oracle's. */
const TCP_PASSWORD = /([\w.-]{1,64}):[^\s:@/"']{1,256}@(?=(?:tcp|unix)\()/g;
const ORACLE_PASSWORD =
  /((?:jdbc:oracle:\w{1,16}:|\b(?:sqlplus|CONNECT|connect)\s{1,2})[\w.$#-]{1,64}\/)[^\s/@"']{1,256}(?=@)/g;

/** The text without secrets that their shape tells. */
export function hideShapes(text: string): string {
  return text
    .replace(PRIVATE_KEY, REDACTED)
    .replace(PUTTY_KEY, `$1 ${REDACTED} $2${REDACTED}`)
    .replace(WEB_KEY, `$1${REDACTED}`)
    .replace(URL_KEY, `$1${REDACTED}`)
    .replace(URL_PASSWORD, `$1:${REDACTED}@`)
    .replace(ENCODED_URL_PASSWORD, `$1${REDACTED}`)
    .replace(URL_TOKEN, `$1${REDACTED}@`)
    .replace(TCP_PASSWORD, `$1:${REDACTED}@`)
    .replace(ORACLE_PASSWORD, `$1${REDACTED}`)
    .replace(WEBHOOK, `$1${REDACTED}`)
    .replace(TOKEN, REDACTED);
}
