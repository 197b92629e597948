// Text from outside, on its way to where people read it: what turns the direction of
// writing, cannot be seen or controls something is shown as an escape. It is the same
// rule by which the service writes its log.

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]/gu;

/** @param {string} text */
export function readable(text) {
  return text.replace(UNSEEN, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}
