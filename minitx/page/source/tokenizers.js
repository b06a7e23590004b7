// Text to tokens and back: characters, words, a closed list of words, or byte-level BPE.
//
// The four tokenizers of minitx/text, with the same ids for every text. All are used alike:
// `tokens` are the readable strings in the order of their ids, `encode` and `decode` go between a
// text and its ids. A text that cannot be encoded is an InputError; no token means "unknown".
"use strict";

// White space as Python has it; JavaScript's \s has other members.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WORD = "\\p{L}\\p{N}_";

// A word or a run of signs, each with one space before it if there is one; or white space, which
// leaves its last character to what follows.
const PIECE = new RegExp(
  ` ?[${WORD}]+(?:['\\u2019][${WORD}]+)*| ?[^${WORD}${SPACE}]+|[${SPACE}]+(?![^${SPACE}])|[${SPACE}]`,
  "gu",
);

// GPT-2's rule for cutting a text before it is merged; here white space is Unicode's.
const UNICODE_SPACE = SPACE.replace("\\x1c-\\x20", "\\x20");
const GPT2_PIECE = new RegExp(
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+" +
    `| ?[^${UNICODE_SPACE}\\p{L}\\p{N}]+|[${UNICODE_SPACE}]+(?![^${UNICODE_SPACE}])|[${UNICODE_SPACE}]+`,
  "gu",
);

/** One token for each character (a Unicode code point). */
class Characters {
  constructor({ tokens }) {
    this.tokens = tokens;
    this.ids = idsOf(tokens);
  }

  encode(text) {
    return Array.from(text, (character) => idOf(this, character));
  }

  decode(ids) {
    return ids.map((id) => this.tokens[id]).join("");
  }
}

/** Frequent words, each with the space before it; other words are spelled in characters. */
class Words {
  constructor({ tokens, special }) {
    this.tokens = tokens;
    this.ids = idsOf(tokens);
    this.special = special;
  }

  encode(text) {
    const ids = [];
    for (const part of splitAround(text, this.special)) {
      const pieces = this.special.includes(part) ? [part] : part.match(PIECE) || [];
      for (const piece of pieces) {
        for (const token of this.ids.has(piece) ? [piece] : piece) ids.push(idOf(this, token));
      }
    }
    return ids;
  }

  decode(ids) {
    return ids.map((id) => this.tokens[id]).join("");
  }
}

/** A closed list of words for generated corpora: one token a word, white space between. */
class WordList {
  constructor({ tokens }) {
    this.tokens = tokens;
    this.ids = idsOf(tokens);
  }

  encode(text) {
    const words = text.split(new RegExp(`[${SPACE}]+`, "u")).filter((word) => word !== "");
    return words.map((word) => {
      if (!this.ids.has(word)) {
        const known = this.tokens.slice(0, 3).join(", ");
        throw new InputError(
          `the word “${word}” is not in this model's vocabulary of ${this.tokens.length}: ` +
            `use words such as ${known}`,
        );
      }
      return this.ids.get(word);
    });
  }

  decode(ids) {
    return ids.map((id) => this.tokens[id]).join(" ");
  }
}

/** Byte-level byte-pair encoding: frequent neighbours are merged, the most frequent pair first. */
class BPE {
  /**
   * @param {object} content
   * @param {string[]} content.tokens readable
   * @param {string[]} content.bytes of each token, one character U+0000 to U+00FF for a byte
   * @param {number[][]} content.merges [left, right, merged] ids, the first merge first
   * @param {[string, number][]} content.special strings that are one id wherever they stand
   * @param {boolean} content.digits whether each digit is a token of its own
   */
  constructor({ tokens, bytes, merges, special, digits }) {
    this.tokens = tokens;
    this.bytes = bytes;
    this.special = new Map(special);
    this.digits = digits;
    this.byte_ids = idsOf(bytes);
    this.merges = new Map(
      merges.map(([left, right, merged], rank) => [this.pair(left, right), { rank, merged }]),
    );
  }

  pair(left, right) {
    return left * this.tokens.length + right;
  }

  encode(text) {
    checkText(text);
    const ids = [];
    for (const part of splitAround(text, [...this.special.keys()])) {
      if (this.special.has(part)) ids.push(this.special.get(part));
      else for (const piece of this.pieces(part)) ids.push(...this.merge(piece));
    }
    return ids;
  }

  /** Cut a text into the pieces that no merge crosses. */
  pieces(text) {
    const parts = this.digits ? text.split(/(\p{N})/u) : [text];
    return parts.flatMap((part) => part.match(GPT2_PIECE) || []);
  }

  /** The ids of a piece: its bytes, merged for as long as there is a merge. */
  merge(piece) {
    const ids = Array.from(new TextEncoder().encode(piece), (byte) =>
      this.byte_ids.get(String.fromCharCode(byte)),
    );
    for (;;) {
      let first = { rank: Infinity };
      for (let i = 0; i + 1 < ids.length; i++) {
        const merge = this.merges.get(this.pair(ids[i], ids[i + 1]));
        if (merge && merge.rank < first.rank) first = { ...merge, i };
      }
      if (first.rank === Infinity) return ids;
      ids.splice(first.i, 2, first.merged);
    }
  }

  decode(ids) {
    const bytes = ids.map((id) => this.bytes[id]).join("");
    return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
  }
}

const TOKENIZERS = { char: Characters, word: Words, list: WordList, bpe: BPE };

function makeTokenizer(content) {
  return new TOKENIZERS[content.kind](content);
}

/** Token -> id. Of two equal strings the first counts. */
function idsOf(tokens) {
  const ids = new Map();
  tokens.forEach((token, id) => ids.has(token) || ids.set(token, id));
  return ids;
}

function idOf(tokenizer, character) {
  const id = tokenizer.ids.get(character);
  if (id !== undefined) return id;
  checkText(character);
  const code = character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  throw new InputError(
    `the character “${character}” (U+${code}) is not in this model's vocabulary of ` +
      `${tokenizer.tokens.length}: leave it out`,
  );
}

/** Half a surrogate pair is not text. */
function checkText(text) {
  const half = text.match(/\p{Surrogate}/u);
  if (half) {
    const code = half[0].charCodeAt(0).toString(16).toUpperCase();
    throw new InputError(`U+${code} is half a surrogate pair, not text: remove it`);
  }
}

/** Cut a text around its special tokens, which stay in the list as parts of their own. */
function splitAround(text, special) {
  if (special.length === 0) return [text];
  const longest_first = [...special].sort((a, b) => b.length - a.length);
  const escaped = longest_first.map((token) => token.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"));
  return text.split(new RegExp(`(${escaped.join("|")})`, "u")).filter((part) => part !== "");
}
