/**
 * Secrets that are known by their own shape, wherever they stand: keys and tokens of providers, JSON
 * web tokens, private keys, NATS seeds, and passwords in addresses.
 */

/** Stands where a secret stood. */
export const REDACTED = "[redacted]";

/** Each begins where a word does. Lengths are bounded below by what the issuer issues. */
const TOKENS: readonly string[] = [
  // JSON web tokens, signed or encrypted; a pair of which the signature was cut off.
  String.raw`eyJ[\w-]{13,}(?:\.[\w-]*){2,4}`,
  String.raw`eyJ[\w-]{13,}\.eyJ[\w-]{6,}`,
  // AWS, Google Cloud, Azure.
  String.raw`(?:A[BKS]IA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])`,
  String.raw`AIza[\w-]{30,}`,
  String.raw`ya29\.[\w-]{20,}`,
  String.raw`GOCSPX-[\w-]{20,}`,
  String.raw`1\/\/0[\w-]{30,}`,
  String.raw`[\w~.-]{3}\dQ~[\w~.-]{31,}`,
  // Code hosts and package registries.
  String.raw`gh[opsru]_[A-Za-z0-9]{30,}`,
  String.raw`github_pat_\w{22,}`,
  String.raw`gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas|imt)-[\w.-]{20,}`,
  String.raw`npm_[A-Za-z0-9]{30,}`,
  String.raw`pypi-[\w-]{40,}`,
  String.raw`rubygems_[0-9a-f]{48}`,
  String.raw`dckr_[op]at_[\w-]{20,}`,
  String.raw`ATATT3[\w=-]{30,}`,
  // Model hosts. A key has a long run without a dash, and not of small letters alone.
  String.raw`sk-(?=[\w-]{0,40}?[A-Za-z0-9]{16})(?=[a-z_-]{0,60}[A-Z0-9])[\w-]{20,}`,
  String.raw`hf_[A-Za-z0-9]{30,}`,
  String.raw`api_org_[A-Za-z0-9]{30,}`,
  String.raw`gsk_[A-Za-z0-9]{40,}`,
  String.raw`xai-[A-Za-z0-9]{40,}`,
  String.raw`r8_[A-Za-z0-9]{30,}`,
  String.raw`pplx-[A-Za-z0-9]{40,}`,
  String.raw`nvapi-[\w-]{40,}`,
  // NATS: seeds of user, account, operator, cluster, server and curve keys.
  String.raw`S[ACNOUX][A-Z2-7]{56}(?![A-Z0-9])`,
  // Others that turn up in environments.
  String.raw`xox[a-z](?:\.xox[a-z])?-[\w-]{16,}`,
  String.raw`xapp-\d-[\w-]{16,}`,
  String.raw`[rs]k_(?:live|test)_[A-Za-z0-9]{16,}`,
  String.raw`whsec_[A-Za-z0-9+/=]{16,}`,
  String.raw`SG\.[\w-]{16,}\.[\w-]{16,}`,
  String.raw`SK[0-9a-f]{32}(?![0-9a-f])`,
  String.raw`key-[0-9a-f]{32}(?![0-9a-f])`,
  String.raw`\d{8,10}:AA[\w-]{32,}`,
  String.raw`gl(?:sa|c)_[\w+/=]{32,}`,
  String.raw`hv[bsr]\.[\w-]{20,}`,
  String.raw`dapi[0-9a-f]{32}`,
  String.raw`do[opr]_v1_[0-9a-f]{64}`,
  String.raw`lin_api_[A-Za-z0-9]{32,}`,
  String.raw`(?:ntn|secret)_[A-Za-z0-9]{40,}`,
  String.raw`shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}`,
  String.raw`sq0[a-z]{3}-[\w-]{22,}`,
  String.raw`PMAK-[\w-]{40,}`,
  String.raw`tskey-[a-z]+-[\w-]{16,}`,
  String.raw`AGE-SECRET-KEY-1[A-Z0-9]{50,}`,
];

const TOKEN = new RegExp(`(?<![A-Za-z0-9])(?:${TOKENS.join("|")})`, "g");

/** To its end line; where that was cut off, to the end of the text or of the string it is in. */
const PRIVATE_KEY =
  /-----BEGIN ([A-Z0-9 ]*(?:PRIVATE KEY(?: BLOCK)?|NKEY SEED|USER JWT))-----[^"'`]*?(?:------?END \1-----(?!-)|------?END \1------|(?=\\*["'`])|$)/g;

/** `scheme://user:password@`; a port is no password. */
const URL_PASSWORD =
  /([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@?#"'`[\]]{0,256}):(?!\d{1,5}(?:[/?#]|$))((?:(?!:\/\/|,[a-z]+:)[^\s"'`<>]){1,512})@/gi;
/** A NATS token, or the key of a DSN, is a user without a password. */
const URL_TOKEN = /((?:nats|tls|wss?):\/\/)[^\s:/@?#"'`]{1,512}@/gi;
const URL_KEY = /(https?:\/\/)[0-9a-f]{32}@/gi;
const WEBHOOK =
  /(hooks\.slack\.com\/(?:services|workflows)\/|discord(?:app)?\.com\/api\/webhooks\/)[\w/-]{20,}/g;
/** Go's form of a database's address. */
const TCP_PASSWORD = /([\w.-]{1,64}):[^\s:@/"']{1,256}@(?=(?:tcp|unix)\()/g;

/** The text without secrets that their shape tells. */
export function hideShapes(text: string): string {
  return text
    .replace(PRIVATE_KEY, REDACTED)
    .replace(URL_PASSWORD, `$1:${REDACTED}@`)
    .replace(URL_TOKEN, `$1${REDACTED}@`)
    .replace(URL_KEY, `$1${REDACTED}@`)
    .replace(TCP_PASSWORD, `$1:${REDACTED}@`)
    .replace(WEBHOOK, `$1${REDACTED}`)
    .replace(TOKEN, REDACTED);
}
