/**
 * Whether a name - of a field, a variable, a header, a flag - is the name of a secret.
 *
 * By its words: `api_key`, `authToken`, `HF-TOKEN`, `PGPASSWORD` are, `max_tokens` and `tokenizer` are
 * not. A name that ends by saying something about the secret (`token_count`, `password_file`) is none,
 * and neither are the tokens that a language model knows (`eos_token`, `next_token`).
 */

const SECRET_WORDS: ReadonlySet<string> = new Set([
  ..."auth authorization bearer cookie cookies credential credentials creds jwt".split(" "),
  ..."passcode passphrase passphrases passwd password passwords pwd secret secrets token".split(
    " ",
  ),
]);

/** The word before `key`, `tokens` or another word that alone says nothing. */
const SECRET_PAIRS: Readonly<Record<string, ReadonlySet<string>>> = {
  key: new Set(
    ("access account api app application consumer deploy encryption fernet functions hmac ingestion license " +
      "master private rapidapi service session shared signing ssh storage subscription webhook")
      .split(" "),
  ),
  keys: new Set("access api encryption private signing".split(" ")),
  pass: new Set(
    "admin app database db email ftp imap ldap mail mongo mysql nats pg postgres proxy redis root smtp sudo user"
      .split(" "),
  ),
  pat: new Set(["github", "gitlab"]),
  seed: new Set(["nkey"]),
  signature: new Set("access amz goog oauth".split(" ")),
  team: new Set(["honeycomb"]),
  tokens: new Set("access api auth bearer refresh".split(" ")),
};

/** Words written as one: `PGPASSWORD`, `secretkey`. */
const SECRET_ENDS =
  /(?:password|passwd|passphrase|(?:api|secret|access|private|account)key|(?:auth|access|refresh|bearer|identity|session)token|clientsecret|accesssignature)$/;

/** A name that ends with one of these tells about a secret, and is none. */
const ABOUT: ReadonlySet<string> = new Set(
  ("addr address algorithm arn budget bytes class count counts dir directory enabled endpoint expiration " +
    "expires expiry file format header host hosts id ids index kind length lifetime limit max method min " +
    "mode ms name names ns offset path policy port position prefix provider rate ref required scheme scope " +
    "seconds server service size sock socket type ttl uri url us usage user username version ts js py rs " +
    "go md").split(" "),
);

/** What a language model calls a token. */
const MODEL_TOKEN: ReadonlySet<string> = new Set(
  ("accepted audio begin bos cls completion control draft each end eos eot first image input last mask " +
    "next output pad page per prefix prev previous prompt sampled sep special start stop text think top " +
    "unk").split(" "),
);

/** Names are few and come again with every line. */
const known = new Map<string, boolean>();
const MAX_KNOWN = 2000;

/** Whether the value under `name` is to be hidden, whatever it looks like. */
export function isSecretName(name: string): boolean {
  let isSecret = known.get(name);
  if (isSecret === undefined) {
    isSecret = hasSecretWord(wordsOf(name));
    if (known.size < MAX_KNOWN) known.set(name, isSecret);
  }
  return isSecret;
}

function wordsOf(name: string): string[] {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .toLowerCase().split(/[^a-z0-9]+/).filter((word) => word !== "");
}

function hasSecretWord(words: readonly string[]): boolean {
  if (ABOUT.has(words.at(-1) ?? "")) return false;
  return words.some((word, at) => {
    const before = words[at - 1] ?? "";
    if (word === "token" && MODEL_TOKEN.has(before)) return false;
    return SECRET_WORDS.has(word) || SECRET_ENDS.test(word) ||
      (Object.hasOwn(SECRET_PAIRS, word) && SECRET_PAIRS[word]?.has(before) === true);
  });
}
