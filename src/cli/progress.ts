/**
 * A line on stderr that shows how far a long operation is: a bar, the rate and the time left. Only
 * where somebody looks at it; a log of a build gets nothing.
 */
import { stripVTControlCharacters } from "node:util";
import type { Progress } from "../index.ts";
import { paint } from "./colour.ts";
import { byteCount } from "./format.ts";
import { hasColours, isWatched, type Surroundings } from "./surroundings.ts";

const redrawMs = 100;
const barColumnsMax = 30;
const eraseLine = "\r\u001b[K";

export class ProgressLine {
  readonly #surroundings: Surroundings;
  readonly #isShown: boolean;
  readonly #begin: number;
  #drawn: number = Number.NEGATIVE_INFINITY;
  #hasLine = false;
  /** The line shows the end of a phase, which is drawn at once, but once. */
  #hasEnded = false;

  constructor(surroundings: Surroundings, isJson: boolean) {
    this.#surroundings = surroundings;
    this.#isShown = !isJson && isWatched(surroundings.stderr, surroundings.env);
    this.#begin = surroundings.now();
  }

  /** For the option `onProgress` of everything long. */
  readonly show = (progress: Progress): void => {
    if (!this.#isShown) return;
    const { stderr, env, now } = this.#surroundings;
    const time = now();
    const isEnd = progress.done >= progress.total && !this.#hasEnded;
    if (time - this.#drawn < redrawMs && !isEnd) return;
    this.#drawn = time;
    this.#hasEnded = progress.done >= progress.total;
    this.#hasLine = true;
    const text = renderProgress(progress, time - this.#begin, stderr.columns);
    // Progress may be lost, so nobody waits for it.
    void stderr.write(
      eraseLine + (hasColours(stderr, env) ? text : stripVTControlCharacters(text)),
    );
  };

  /** Removes the line. */
  async end(): Promise<void> {
    if (!this.#hasLine) return;
    this.#hasLine = false;
    await this.#surroundings.stderr.write(eraseLine);
  }
}

/** One line of at most `columns` characters, with colours. */
export function renderProgress(
  { phase, done, total, unit }: Progress,
  elapsedMs: number,
  columns: number,
): string {
  const part = total > 0 ? Math.min(1, done / total) : 0;
  const count = (value: number): string =>
    unit === "bytes" ? byteCount(value) : value.toLocaleString("en");
  const units = unit === "bytes" ? "" : ` ${unit}`;
  const left = done > 0 ? ((total - done) * elapsedMs) / done / 1_000 : 0;
  const rate = elapsedMs > 0 ? (done * 1_000) / elapsedMs : 0;
  const facts =
    `${String(Math.floor(part * 100)).padStart(3)} %  ${count(done)} of ${count(total)}${units}` +
    `  ${count(Math.round(rate))}${units}/s  ${Math.max(0, Math.round(left))} s left`;
  const room = columns - phase.length - facts.length - 3;
  const width = Math.max(0, Math.min(barColumnsMax, room));
  const full = Math.round(part * width);
  const bar = paint("cyan", "━".repeat(full)) + paint("dim", "━".repeat(width - full));
  return width < 4
    ? `${phase} ${facts}`.slice(0, Math.max(0, columns - 1))
    : `${phase} ${bar} ${facts}`;
}
