// BERT's tokenizer for the text encoder: words in lower case without accents, cut into WordPieces.
// Source: Devlin et al. 2018 (1810.04805), as in the transformers library's BertTokenizer.

const LONGEST = 100; // characters of a word; a longer one is unknown
const PUNCTUATION = /[\p{P}$+<=>^`|~]/u;
const CHINESE = /[\u{3400}-\u{4dbf}\u{4e00}-\u{9fff}\u{f900}-\u{faff}\u{20000}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/u;

/** The numbers of a text's tokens, [CLS] and [SEP] included. `vocabulary` is a Map from tokens to their numbers. */
export function encode(text, vocabulary) {
  const pieces = wordsOf(text).flatMap((word) => piecesOf(word, vocabulary));
  return ["[CLS]", ...pieces, "[SEP]"].map((piece) => vocabulary.get(piece));
}

/** A vocabulary from its file: one token a line, numbered from 0. */
export function readVocabulary(text) {
  return new Map(text.trimEnd().split("\n").map((token, i) => [token, i]));
}

function wordsOf(text) {
  const clean = text.replace(/\s/gu, " ").replace(/[\p{C}\u{fffd}]/gu, "");
  const plain = clean.toLowerCase().normalize("NFD").replace(/\p{Mn}/gu, "");
  const spaced = [...plain].map((character) =>
    PUNCTUATION.test(character) || CHINESE.test(character) ? ` ${character} ` : character,
  );
  return spaced.join("").split(/\s+/u).filter(Boolean);
}

/** The longest known beginning of a word, then the longest known continuation ("##…"), and so on. */
function piecesOf(word, vocabulary) {
  const characters = [...word];
  if (characters.length > LONGEST) return ["[UNK]"];
  const pieces = [];
  for (let start = 0; start < characters.length; ) {
    let end = characters.length;
    const piece = () => (start ? "##" : "") + characters.slice(start, end).join("");
    while (end > start && !vocabulary.has(piece())) end--;
    if (end === start) return ["[UNK]"];
    pieces.push(piece());
    start = end;
  }
  return pieces;
}
