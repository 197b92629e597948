// Reading JSON without losing anything: the digits of numbers as they were written, the
// order of members, and members that come twice. A record is its bytes, and
// `JSON.parse` would show some of them as something else.

/**
 * One value: its text, and its parts if it has any. The text of a whole record is its
 * canonical bytes.
 *
 * @typedef {object} Json
 * @property {"object" | "array" | "string" | "number" | "boolean" | "null"} kind
 * @property {string} text as it was written
 * @property {[string, Json][]} [members] of an object
 * @property {Json[]} [items] of an array
 * @property {string} [value] of a string, without its quotes and escapes
 */

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const PLAIN = /[-+.0-9A-Za-z]+/y;
/** Records hold no deeper ones, and no text may use up the stack. */
const DEPTH_MAX = 200;

/**
 * Reads one JSON text.
 * @param {string} text
 * @returns {Json}
 */
export function read(text) {
  let at = 0;

  function token(pattern) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) throw new SyntaxError(`no JSON at ${at}`);
    at = pattern.lastIndex;
    return found[0];
  }

  function skip() { token(SPACE); }

  /** Steps over `character` if it is next. */
  function takes(character) {
    skip();
    if (text[at] !== character) return false;
    at += 1;
    return true;
  }

  function expect(character) {
    if (!takes(character)) throw new SyntaxError(`no ${character} at ${at}`);
  }

  function value(depth) {
    if (depth > DEPTH_MAX) throw new SyntaxError("nested too deeply");
    skip();
    const from = at;
    const json = body(depth);
    json.text = text.slice(from, at);
    return json;
  }

  function body(depth) {
    if (takes("{")) {
      const members = [];
      if (!takes("}")) {
        do {
          skip();
          const name = JSON.parse(token(STRING));
          expect(":");
          members.push([name, value(depth + 1)]);
        } while (takes(","));
        expect("}");
      }
      return { kind: "object", members };
    }
    if (takes("[")) {
      const items = [];
      if (!takes("]")) {
        do items.push(value(depth + 1)); while (takes(","));
        expect("]");
      }
      return { kind: "array", items };
    }
    if (text[at] === '"') return { kind: "string", value: JSON.parse(token(STRING)) };
    const word = token(PLAIN);
    if (word === "true" || word === "false") return { kind: "boolean" };
    if (word === "null") return { kind: "null" };
    return { kind: "number" };
  }

  const json = value(0);
  skip();
  if (at !== text.length) throw new SyntaxError(`more than one value at ${at}`);
  return json;
}

/** The member of this name, or nothing. @param {Json} json @returns {Json | undefined} */
export function member(json, name) {
  return json.members?.find(([own]) => own === name)?.[1];
}
