// What somebody who types into the filter bar may mean.

import { FIELDS, isField, labelOf } from "./fields.js";

/**
 * @typedef {object} Suggestion
 * @property {string} label
 * @property {string} [hint]
 * @property {{ name: string, value: string }} [filter] what choosing it asks for
 * @property {string} [text] or what stands in the bar then
 */

const SHOWN_MAX = 12;

/**
 * What was typed, taken apart: `actor:alice`, `payload.colour=red`.
 * @param {string} text
 */
export function split(text) {
  const found = /^\s*([a-z_]+|payload\.[^=:]+)\s*[:=]\s*(.*)$/s.exec(text);
  return found && isField(found[1]) ? { name: found[1], value: found[2].trim() } : null;
}

/**
 * @param {string} text what was typed
 * @param {Record<string, { value: string | null, count: number }[]>} known values that there are, by field
 * @returns {Suggestion[]}
 */
export function suggest(text, known) {
  const typed = split(text);
  if (typed) return valuesOf(typed, known);
  const words = text.trim();
  if (words === "") return FIELDS.map(fieldSuggestion);
  const fields = FIELDS.filter(({ name, label }) => name.startsWith(words.toLowerCase()) || includes(label, words));
  const values = FIELDS.flatMap((field) => matches(field, words, known)).sort((a, b) => b.count - a.count);
  return [
    ...values.slice(0, 6).map(({ suggestion }) => suggestion),
    ...fields.slice(0, 4).map(fieldSuggestion),
    { label: `Words: ${words}`, hint: "anywhere in the payloads", filter: { name: "q", value: words } },
  ];
}

/** What Enter means when nothing is chosen. @returns {{ name: string, value: string } | null} */
export function meaningOf(text) {
  const typed = split(text);
  if (typed) return typed.value ? typed : null;
  const words = text.trim();
  return words ? { name: "q", value: words } : null;
}

function fieldSuggestion({ name, label, hint }) {
  return { label, hint, text: `${name}:` };
}

function valuesOf({ name, value }, known) {
  const field = FIELDS.find((candidate) => candidate.name === name);
  const found = field ? matches(field, value, known).map(({ suggestion }) => suggestion) : [];
  if (!value && found.length === 0) return [{ label: `${labelOf(name)}: …`, hint: field?.hint ?? "a value", text: `${name}:` }];
  const isListed = found.some(({ filter }) => filter.value === value);
  const asTyped = value && !isListed ? [{ label: `${labelOf(name)}: ${value}`, hint: "as it is typed", filter: { name, value } }] : [];
  return [...found.slice(0, SHOWN_MAX), ...asTyped];
}

function matches(field, text, known) {
  const counted = (known[field.name] ?? []).filter(({ value }) => value !== null);
  const fixed = (field.values ?? [])
    .filter((value) => !counted.some((entry) => entry.value === value))
    .map((value) => ({ value, count: 0 }));
  return [...counted, ...fixed]
    .filter(({ value }) => includes(value, text))
    .map(({ value, count }) => ({
      count,
      suggestion: {
        label: `${field.label}: ${value}`,
        hint: count > 0 ? count.toLocaleString("en") : "",
        filter: { name: field.name, value },
      },
    }));
}

function includes(text, part) {
  return text.toLowerCase().includes(part.toLowerCase());
}
