/** What a value behind a secret's name tells about itself: a word of prose, or a secret. */

/** Says that there is a secret, or where it comes from (a variable, a file), and is none. */
const HARMLESS =
  /^(?:true|false|null|nil|none|undefined|yes|no|on|off|unset|empty|missing|required|invalid|expected|unknown|wrong|denied|expired|malformed|rejected|revoked|string|number|boolean|object|str|int|bytes|\*+|x{3,}|\.{3}|…|\[?redacted\]?|\$\{?\w+\}?|\$\(.*|!\w+|%\w+%|\{+[\w. ]*|\/(?:etc|home|mnt|opt|root|run|srv|tmp|usr|var)\/[\w./-]+)$/i;

/** Whether the value is a placeholder or a plain word about the secret. */
export function isHarmless(value: string): boolean {
  return HARMLESS.test(value);
}

/** A number of tokens, or one of a model's. */
export function isCount(value: string): boolean {
  return /^\d{1,7}$/.test(value);
}

/** A number as JSON has it, which is never a secret. */
export function isNumber(value: string): boolean {
  return /^-?\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?$/.test(value);
}

/** Whether a word is too long or too mixed to be one of a language. */
export function isOpaque(word: string): boolean {
  return word.length >= 20 || /\d/.test(word) || /[a-z][A-Z]/.test(word) || /[+/=~_]/.test(word);
}

/** Whether an item of a list is a value, and not the next of many names. */
export function isListedValue(item: string): boolean {
  return /[\d=~]/.test(item) || (item.length >= 20 && !/[_.-]/.test(item));
}

/** Whether a long word is no id of small digits, no name with dashes and no path. */
export function isRandom(word: string): boolean {
  return /\d/.test(word) && /[a-z]/.test(word) && /[A-Z]/.test(word) &&
    /[A-Za-z0-9]{16}/.test(word);
}

/** Whether it is Base64 of `user:password`. */
export function isUserAndPassword(word: string): boolean {
  try {
    return /^\P{Cc}*:\P{Cc}*$/u.test(atob(word.replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return false;
  }
}
