/**
 * The fast look at a text: false when no rule of redaction could find anything in it, at about a
 * nanosecond a character. It may be wrong in one direction only, which a test holds it to.
 */

/** Kinds of characters, as bits where they gather in a run. */
const BREAK = 0;
const UPPER = 1;
const LOWER = 2;
/** `a` to `f`: a run of these and digits is an id. */
const HEX = 4;
const DIGIT = 8;
const DASH = 16;
const SIGN = 32;
const COLON = 64;
const SPACE = 128;
/** Belongs to what `MARKED` looks for. */
const MARK = 192;

const KINDS = new Uint8Array(128);
for (let code = 0; code < 128; code++) KINDS[code] = kindOf(String.fromCharCode(code));

function kindOf(character: string): number {
  if (/[A-Z]/.test(character)) return UPPER;
  if (/[a-f]/.test(character)) return HEX;
  if (/[g-z]/.test(character)) return LOWER;
  if (/[0-9]/.test(character)) return DIGIT;
  if (/[_-]/.test(character)) return DASH;
  if (/[=@$]/.test(character)) return SIGN;
  if (character === ":") return COLON;
  if (/["'<%]/.test(character)) return MARK;
  return /\s/.test(character) ? SPACE : BREAK;
}

const SLASH = 47;
const ZERO = 48;
const NINE = 57;
/** No token has a shorter run without another sign. */
const SHORTEST_TOKEN = 16;
/** Secrets that a sentence or a command names without `=` or `:`. */
const TOLD =
  /(?:bearer|basic|login|mysql\w{0,8}|pass(?:phrase|w(?:or)?d)?|token|secret|key|credentials?)\s|-----BEGIN|--?[a-z][\w-]{0,60}\s/i;
/** Names and values side by side, elements of XML, addresses inside of others. */
const MARKED = /["']\s{0,2},\s{0,2}\\*["']|pass\\*["']|<\/|%3D|%40/i;

/** Whether `text` is worth a closer look. */
export function mayHoldSecret(text: string): boolean {
  let run = 0;
  let length = 0;
  let hasSpace = false;
  let hasMark = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // Some of the others are spaces.
    const kind = code < 128 ? KINDS[code] ?? BREAK : SPACE;
    if (kind !== BREAK && kind <= DASH) {
      run |= kind;
      length++;
      continue;
    }
    if (kind === SIGN || isSuspicious(run, length)) return true;
    if (kind === COLON && isAssigning(text, at)) return true;
    if (kind === SPACE) hasSpace = true;
    else if (kind === MARK) hasMark = true;
    run = 0;
    length = 0;
  }
  return isSuspicious(run, length) || (hasSpace && TOLD.test(text)) ||
    (hasMark && MARKED.test(text));
}

function isSuspicious(run: number, length: number): boolean {
  if (length < SHORTEST_TOKEN) return false;
  // Capitals with dashes alone are names of variables.
  if ((run & UPPER) !== 0) return (run & (LOWER | HEX | DIGIT)) !== 0 || (run & DASH) === 0;
  return (run & LOWER) !== 0 && (run & DIGIT) !== 0;
}

/** A colon that is neither of `http://` nor of a time or before a port. */
function isAssigning(text: string, at: number): boolean {
  const next = text.charCodeAt(at + 1);
  if (next === SLASH) return text.charCodeAt(at + 2) !== SLASH;
  return !(isDigit(next) && isDigit(text.charCodeAt(at - 1)));
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}
