/** How long a record lives: times are Unix milliseconds, spans milliseconds. */
import { CairnError } from "../errors.ts";

/** From the commit on, until a moment, or for ever. */
export type Lifetime = { readonly ttl: number } | { readonly expiresAt: number } | undefined;

/** Latest expiry: 48 bits. */
export const expiresAtMax: number = 2 ** 48 - 1;

/** When a record that is written at `time` expires; 0 for never. */
export function expiryOf(lifetime: Lifetime, time: number): number {
  if (lifetime === undefined) return 0;
  // The engine reads 0 as "never"; a moment that long ago is as good as the one after it.
  if ("expiresAt" in lifetime) return Math.max(1, lifetime.expiresAt);
  const expiresAt = time + lifetime.ttl;
  if (expiresAt > expiresAtMax) throw ttlOverflow(expiresAt);
  return Math.max(1, expiresAt);
}

/** Expired records are absent. */
export function isExpired(expiresAt: number, now: number): boolean {
  return expiresAt !== 0 && expiresAt <= now;
}

/** A span that a caller gave. @throws CairnError `argument_invalid`, `ttl_overflow`. */
export function checkTtl(ttl: unknown): number {
  requireMilliseconds("ttl", ttl);
  return ttl;
}

/** A moment that a caller gave. @throws CairnError `argument_invalid`, `ttl_overflow`. */
export function checkExpiresAt(expiresAt: unknown): number {
  requireMilliseconds("expiresAt", expiresAt);
  return expiresAt;
}

function requireMilliseconds(option: string, value: unknown): asserts value is number {
  if (typeof value === "number" && value > expiresAtMax) throw ttlOverflow(value);
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return;
  throw new CairnError(
    "argument_invalid",
    `Cannot use the option ${option}: found ${describe(value)}, expected whole milliseconds, ` +
      "0 or more, or null for never.",
    { details: { option } },
  );
}

function describe(value: unknown): string {
  return typeof value === "number" ? String(value) : `a ${typeof value}`;
}

function ttlOverflow(found: number): CairnError {
  return new CairnError(
    "ttl_overflow",
    `Cannot let a record expire at ${found}: the latest moment is ${expiresAtMax} ` +
      "(Unix milliseconds, about the year 10,889). Use null for never.",
    { details: { found, expected: expiresAtMax } },
  );
}
