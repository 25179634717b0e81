/** What the platform gives: the time, randomness and timers. The one home of all three. */
import type { Timers } from "./engine/index.ts";

/** Unix milliseconds. */
export const systemClock: () => number = Date.now;

/** Bytes per call that `getRandomValues` accepts. */
const randomBytesMax = 65_536;

export function systemRandom(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += randomBytesMax) {
    const piece = bytes.subarray(at, at + randomBytesMax);
    crypto.getRandomValues(piece as Uint8Array<ArrayBuffer>);
  }
}

export const systemTimers: Timers = {
  after(ms, run) {
    const timer: unknown = setTimeout(run, ms);
    // Node, Deno and Bun: a timer of ours must not keep the process alive.
    if (typeof timer === "object" && timer !== null && "unref" in timer) {
      (timer as { unref(): void }).unref();
    }
    return () => clearTimeout(timer as ReturnType<typeof setTimeout>);
  },
};
