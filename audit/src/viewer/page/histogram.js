// How much happened when, and how it ended. A part of it can be chosen with the mouse, a
// finger or the keyboard, and is then looked at alone.

import { h, svg } from "./dom.js";
import { OUTCOMES } from "./fields.js";
import { onPreferences } from "./preferences.js";
import { dateTime, tick, ticks } from "./time.js";

const WIDTH = 1000;
const HEIGHT = 72;
/** How far a pointer moves before it draws a range and does not only press. */
const DRAG_PX = 4;

/**
 * @param {HTMLElement} root
 * @param {{ narrow: (fromMs: number, toMs: number) => void }} options
 */
export function histogram(root, { narrow }) {
  /** @type {{ from: string, to: string, bucket_s: number, buckets: { from: string, count: number, outcomes: Record<string, number> }[] } | null} */
  let stats = null;
  /** The bucket that is looked at, and where a range that is being chosen began. */
  let at = 0;
  let anchor = null;
  /** Where a pointer went down, while it is. */
  let pressedX = null;

  const bars = svg("g", { class: "bars" });
  const shade = svg("rect", { class: "brush", y: "0", height: HEIGHT, hidden: true });
  const drawing = svg(
    "svg",
    { class: "bars-canvas", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    patterns(),
    bars,
    shade,
  );
  const axis = h("div", { class: "axis", "aria-hidden": "true" });
  const peak = h("div", { class: "peak", "aria-hidden": "true" });
  const tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  const plot = h(
    "div",
    {
      class: "plot",
      tabindex: "0",
      role: "slider",
      "aria-label": "Records over time. Arrow keys move, with Shift they choose a range, Enter narrows to it.",
      "aria-valuemin": "0",
      "aria-valuemax": "0",
      "aria-valuenow": "0",
      onpointerdown: down,
      onpointermove: move,
      onpointerup: up,
      onpointercancel: reset,
      onpointerleave: () => { if (pressedX === null) reset(); },
      onkeydown: key,
      onfocus: () => { if (stats && plot.matches(":focus-visible")) point(at); },
      onblur: reset,
    },
    drawing,
    peak,
  );
  root.append(plot, axis, tip);
  onPreferences(() => stats && drawAxis());

  function draw() {
    const { buckets } = stats;
    const highest = Math.max(...buckets.map(({ count }) => count));
    const width = WIDTH / buckets.length;
    const gap = Math.min(width * 0.22, 3);
    const rectangles = [];
    buckets.forEach((bucket, number) => {
      let y = HEIGHT;
      for (const outcome of OUTCOMES) {
        const count = bucket.outcomes[outcome] ?? 0;
        if (count === 0) continue;
        // One failure among thousands shall be seen.
        const height = Math.max((count / highest) * (HEIGHT - 6), 2);
        y -= height;
        rectangles.push(svg("rect", {
          class: `bar ${outcome}`, x: number * width + gap / 2, y, width: Math.max(width - gap, 0.5), height,
        }));
      }
    });
    bars.replaceChildren(...rectangles);
    peak.textContent = highest > 0 ? highest.toLocaleString("en") : "";
    plot.setAttribute("aria-valuemax", String(Math.max(buckets.length - 1, 0)));
    at = Math.min(at, buckets.length - 1);
    drawAxis();
    describe();
  }

  function drawAxis() {
    const from = startOf(0);
    const spanMs = startOf(stats.buckets.length) - from;
    const most = root.clientWidth < 600 ? 5 : 9;
    const labels = ticks(from, spanMs, most).map((ms) => {
      const label = h("span", null, tick(ms, spanMs));
      label.style.left = `${((ms - from) / spanMs) * 100}%`;
      return label;
    });
    axis.replaceChildren(...labels);
  }

  const startOf = (number) => Date.parse(stats.buckets[0].from) + number * stats.bucket_s * 1000;

  function text(number) {
    const { count, outcomes } = stats.buckets[number];
    const parts = OUTCOMES.filter((outcome) => outcomes[outcome]).map((outcome) => `${outcomes[outcome].toLocaleString("en")} ${outcome}`);
    const seconds = stats.bucket_s % 60 !== 0;
    const [from, to] = [startOf(number), startOf(number + 1)].map((ms) => dateTime(ms, { seconds }));
    // Where both are of one day, its time says enough.
    const until = to.slice(0, 6) === from.slice(0, 6) ? to.split(" ").at(-1) : to;
    return { when: `${from} – ${until}`, count, parts };
  }

  function describe() {
    const { when, count, parts } = text(at);
    const chosen = anchor !== null && anchor !== at
      ? `${dateTime(startOf(Math.min(anchor, at)))} to ${dateTime(startOf(Math.max(anchor, at) + 1))} chosen. `
      : "";
    plot.setAttribute("aria-valuenow", String(at));
    plot.setAttribute("aria-valuetext", `${chosen}${when}: ${count} records${parts.length ? `, ${parts.join(", ")}` : ""}`);
  }

  /** Shows what is in a bucket, and what is chosen. */
  function point(number) {
    at = Math.min(Math.max(number, 0), stats.buckets.length - 1);
    const { when, count, parts } = text(at);
    tip.replaceChildren(
      h("strong", null, count === 0 ? "Nothing" : count.toLocaleString("en")),
      h("span", null, when),
      ...parts.map((part) => h("span", { class: "tip-part" }, h("i", { class: `swatch ${part.split(" ")[1]}` }), part)),
    );
    tip.hidden = false;
    const share = (at + 0.5) / stats.buckets.length;
    const left = share * plot.clientWidth - tip.offsetWidth / 2;
    tip.style.left = `${Math.min(Math.max(left, 0), Math.max(plot.clientWidth - tip.offsetWidth, 0))}px`;
    const width = WIDTH / stats.buckets.length;
    const first = anchor === null ? at : Math.min(anchor, at);
    const last = anchor === null ? at : Math.max(anchor, at);
    shade.setAttribute("x", String(first * width));
    shade.setAttribute("width", String((last - first + 1) * width));
    shade.removeAttribute("hidden");
    shade.classList.toggle("chosen", anchor !== null);
    describe();
  }

  function reset() {
    anchor = null;
    pressedX = null;
    shade.setAttribute("hidden", "");
    tip.hidden = true;
    if (stats) describe();
  }

  function apply() {
    const first = Math.min(anchor ?? at, at);
    const last = Math.max(anchor ?? at, at);
    reset();
    narrow(startOf(first), startOf(last + 1));
  }

  const numberAt = (event) => {
    const box = plot.getBoundingClientRect();
    return Math.floor(((event.clientX - box.left) / box.width) * stats.buckets.length);
  };

  function down(event) {
    if (!stats || event.button !== 0) return;
    plot.setPointerCapture(event.pointerId);
    pressedX = event.clientX;
    point(numberAt(event));
  }

  function move(event) {
    if (!stats) return;
    if (pressedX !== null && anchor === null && Math.abs(event.clientX - pressedX) >= DRAG_PX) anchor = at;
    point(numberAt(event));
  }

  function up(event) {
    if (!stats || pressedX === null) return;
    const wasDragged = anchor !== null;
    pressedX = null;
    // A bucket that is only pressed is shown first on a screen without a pointer.
    if (wasDragged || event.pointerType === "mouse") apply();
  }

  function key(event) {
    if (!stats) return;
    const far = Math.max(Math.round(stats.buckets.length / 10), 1);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -far, PageUp: far, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      if (event.shiftKey) anchor ??= at;
      else anchor = null;
      point(at + steps[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      apply();
    } else if (event.key === "Escape" && anchor !== null) {
      event.stopPropagation();
      anchor = null;
      point(at);
    }
  }

  return {
    /** Shows other counts, or none while there are none. */
    update(next) {
      reset();
      stats = next && next.buckets.length > 0 ? next : null;
      root.classList.toggle("is-empty", !stats);
      if (stats) {
        at = stats.buckets.length - 1;
        draw();
      } else {
        bars.replaceChildren();
        axis.replaceChildren();
        peak.textContent = "";
      }
    },
    /** Counts a record that has just come. */
    count(record) {
      if (!stats) return;
      const step = stats.bucket_s * 1000;
      const number = Math.floor((Date.parse(record.occurred_at) - startOf(0)) / step);
      if (number < 0) return;
      // Time goes on: what falls out on the left makes room on the right.
      const missing = number - stats.buckets.length + 1;
      if (missing > stats.buckets.length) return;
      for (let added = 0; added < missing; added += 1) {
        const from = new Date(startOf(stats.buckets.length)).toISOString();
        stats.buckets.push({ from, count: 0, outcomes: {} });
        stats.buckets.shift();
      }
      const bucket = stats.buckets[Math.min(number, stats.buckets.length - 1)];
      bucket.count += 1;
      bucket.outcomes[record.outcome] = (bucket.outcomes[record.outcome] ?? 0) + 1;
      draw();
    },
    setBusy(isBusy) { root.classList.toggle("is-busy", isBusy); },
  };
}

/** Outcomes differ by more than their colour. */
function patterns() {
  const pattern = (id, ...marks) =>
    svg("pattern", { id: `pattern-${id}`, class: `pattern ${id}`, width: "6", height: "6", patternUnits: "userSpaceOnUse" },
      svg("rect", { width: "6", height: "6", class: "ground" }), marks);
  const line = (d) => svg("path", { d, class: "mark" });
  return svg(
    "defs",
    null,
    pattern("denied", line("M-1 7 7 -1M-1 1 1 -1M5 7 7 5")),
    pattern("rejected", line("M0 1.5h6M0 4.5h6")),
    pattern("aborted", line("M1.5 0v6M4.5 0v6")),
    pattern("unknown", line("M-1 -1 7 7M-1 7 7 -1")),
  );
}
