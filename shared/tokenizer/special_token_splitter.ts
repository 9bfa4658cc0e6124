/**
 * Finds special tokens in text before anything else looks at it: the leftmost, and of those that
 * start at one place the longest. A trie keeps this linear in the text whatever the vocabulary.
 */

/** A stretch of ordinary text, or the id of a special token that stood there. */
export type TextPart = string | number;

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  id?: number;
}

export class SpecialTokenSplitter {
  readonly #root: TrieNode = { children: new Map() };

  constructor(tokens: Iterable<{ readonly text: string; readonly id: number }>) {
    for (const { text, id } of tokens) {
      let node = this.#root;
      for (let at = 0; at < text.length; at++) {
        const unit = text.charCodeAt(at);
        const child = node.children.get(unit) ?? { children: new Map() };
        node.children.set(unit, child);
        node = child;
      }
      if (node !== this.#root) node.id = id;
    }
  }

  /** The parts of a text in order, without empty stretches. */
  split(text: string): TextPart[] {
    const parts: TextPart[] = [];
    let textStart = 0;
    for (let at = 0; at < text.length;) {
      const match = this.#longestAt(text, at);
      if (match === undefined) {
        at++;
        continue;
      }
      if (at > textStart) parts.push(text.slice(textStart, at));
      parts.push(match.id);
      at = match.end;
      textStart = at;
    }
    if (textStart < text.length) parts.push(text.slice(textStart));
    return parts;
  }

  #longestAt(text: string, start: number): { id: number; end: number } | undefined {
    let node: TrieNode | undefined = this.#root;
    let longest: { id: number; end: number } | undefined;
    for (let at = start; at < text.length; at++) {
      node = node.children.get(text.charCodeAt(at));
      if (node === undefined) break;
      if (node.id !== undefined) longest = { id: node.id, end: at + 1 };
    }
    return longest;
  }
}
