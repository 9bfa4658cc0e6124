/**
 * `baggage`, W3C Baggage: the caller's own key-value pairs, forwarded to every hop.
 *
 * Members that are not valid are left out, the others survive. Limits are the specification's: 64
 * members and 8192 bytes; what does not fit any more is left out, so that a header cannot grow a
 * message without bound. Properties (`;ttl=60`) are kept as they came.
 */

export interface BaggageMember {
  readonly key: string;
  /** Decoded value. */
  readonly value: string;
  /** The text after the first `;`, not interpreted. */
  readonly properties?: string;
}

const MAX_MEMBERS = 64;
const MAX_BYTES = 8192;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** baggage-octet: printable ASCII without blank, `"`, `,`, `;` and `\`. */
const ENCODED_VALUE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;
const PROPERTIES = /^[\x20\x21\x23-\x2b\x2d-\x5b\x5d-\x7e\t]*$/;

/** Reads a header value; an absent or wholly invalid one gives no members. */
export function parseBaggage(header: string | undefined): BaggageMember[] {
  const members: BaggageMember[] = [];
  for (const part of (header ?? "").split(",")) {
    const member = parseMember(part);
    if (member !== null && members.length < MAX_MEMBERS) members.push(member);
  }
  return members;
}

/** The header value of the members that fit, or an empty string. */
export function formatBaggage(members: readonly BaggageMember[]): string {
  let header = "";
  for (const { key, value, properties } of members.slice(0, MAX_MEMBERS)) {
    const member = `${key}=${encodeValue(value)}${properties ? `;${properties}` : ""}`;
    const longer = header === "" ? member : `${header},${member}`;
    if (longer.length <= MAX_BYTES) header = longer;
  }
  return header;
}

function parseMember(part: string): BaggageMember | null {
  const semicolon = part.indexOf(";");
  const pair = semicolon < 0 ? part : part.slice(0, semicolon);
  const properties = semicolon < 0 ? "" : part.slice(semicolon + 1).trim();
  const equals = pair.indexOf("=");
  if (equals < 0) return null;
  const key = pair.slice(0, equals).trim();
  const encoded = pair.slice(equals + 1).trim();
  if (!TOKEN.test(key) || !ENCODED_VALUE.test(encoded) || !PROPERTIES.test(properties)) return null;
  const value = decodeValue(encoded);
  return properties === "" ? { key, value } : { key, value, properties };
}

/** Percent-decodes; bytes that are not UTF-8 become U+FFFD, as the specification asks. */
function decodeValue(encoded: string): string {
  if (!encoded.includes("%")) return encoded;
  const bytes: number[] = [];
  for (let at = 0; at < encoded.length; at += 1) {
    const hex = encoded.slice(at + 1, at + 3);
    if (encoded[at] === "%" && /^[0-9A-Fa-f]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else {
      bytes.push(encoded.charCodeAt(at));
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

function encodeValue(value: string): string {
  return [...new TextEncoder().encode(value)].map((byte) => {
    const character = String.fromCharCode(byte);
    return byte !== 0x25 && ENCODED_VALUE.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
