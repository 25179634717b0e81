/** What the tour shows: chapters, findings, a progress line and the table at the end. */
import { stripVTControlCharacters } from "node:util";

const { stdout, env } = process;
const isWatched = stdout.isTTY === true && !env.CI && env.TERM !== "dumb";
const hasColours = isWatched && !env.NO_COLOR;

const paint = (on, off) => (text) => `\u001b[${on}m${text}\u001b[${off}m`;
const bold = paint(1, 22);
const dim = paint(2, 22);
const cyan = paint(36, 39);
const green = paint(32, 39);

function print(text) {
  stdout.write(`${hasColours ? text : stripVTControlCharacters(text)}\n`);
}

export const whole = (value) => Math.round(value).toLocaleString("en");

/** Milliseconds, with as many digits as tell something. */
export function time(ms) {
  if (ms < 0.001) return `${(ms * 1e6).toFixed(0)} ns`;
  if (ms < 1) return `${(ms * 1e3).toFixed(ms < 0.1 ? 1 : 0)} µs`;
  return ms < 1_000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

export const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export function title(text) {
  print(`\n${bold(text)}`);
}

let chapters = 0;
export function chapter(text) {
  print(`\n${cyan(String(++chapters).padStart(2))}  ${bold(text)}`);
}

/** Something that was found to be as it should be. */
export function ok(text) {
  print(`    ${green("✓")} ${text}`);
}

export function say(text) {
  print(`      ${dim(text)}`);
}

const barColumns = 40;
const redrawMs = 50;
const eraseLine = "\r\u001b[K";

/** A line that moves, on a terminal only: `show(done, total)`, then `end()`. */
export function progress(label) {
  const begin = performance.now();
  let drawn = 0;
  let hasEnded = false;
  const draw = (done, total) => {
    const now = performance.now();
    const isEnd = done >= total && !hasEnded;
    if (!isWatched || (now - drawn < redrawMs && !isEnd)) return;
    drawn = now;
    hasEnded = done >= total;
    const seconds = Math.max(0.001, (now - begin) / 1_000);
    const full = Math.round((done / total) * barColumns);
    const bar = cyan("━".repeat(full)) + dim("━".repeat(barColumns - full));
    const facts = `${whole(done)} of ${whole(total)}, ${whole(done / seconds)}/s`;
    const line = `      ${label} ${bar} ${facts}`;
    stdout.write(eraseLine + (hasColours ? line : stripVTControlCharacters(line)));
  };
  const end = () => {
    if (isWatched) stdout.write(eraseLine);
  };
  return { show: draw, end };
}

/** A line that says how long something has been going on whose end cannot be foreseen. */
export function waiting(label) {
  if (!isWatched) return () => {};
  const begin = performance.now();
  const draw = () => {
    const seconds = Math.floor((performance.now() - begin) / 1_000);
    stdout.write(`${eraseLine}      ${label} ${seconds} s`);
  };
  draw();
  const timer = setInterval(draw, 1_000);
  return () => {
    clearInterval(timer);
    stdout.write(eraseLine);
  };
}

/** Rows of two cells: what was measured, and how much it was. */
export function table(rows) {
  const [names, values] = [0, 1].map((column) =>
    Math.max(...rows.map((row) => row[column].length)),
  );
  print("");
  for (const [name, value] of rows) {
    print(`    ${name.padEnd(names)}  ${bold(value.padStart(values))}`);
  }
}
