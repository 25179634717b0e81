/**
 * Whether calls on registers can be put into one order that their times allow. Each key is looked
 * at by itself (a history is linearizable when every key's is).
 *
 * Calls are met in the order of their beginnings and ends. What may have happened so far is a set
 * of pairs: the calls under way that have already taken effect, and the value after them. When a
 * call ends, only those pairs are left in which it has taken effect; pairs that were met before are
 * not looked at again.
 */
import type { Anomaly, Call } from "./history.ts";

/** Calls of one key that are under way at a time, and those that were never answered. */
const underWayMax = 30;

export function checkRegisters(calls: readonly Call[]): Anomaly[] {
  const byKey = new Map<number, Call[]>();
  for (const call of calls) {
    if (call.status === "fail") continue;
    const others = byKey.get(call.key) ?? [];
    byKey.set(call.key, others);
    others.push(call);
  }
  const anomalies: Anomaly[] = [];
  for (const [key, own] of byKey) {
    const message = orderOf(own);
    if (message === undefined) continue;
    anomalies.push({ name: "not linearizable", message: `key ${key}: ${message}` });
  }
  return anomalies;
}

interface Moment {
  readonly at: number;
  readonly call: Call;
  readonly isEnd: boolean;
}

/** Why there is no order; undefined when there is one. */
function orderOf(calls: readonly Call[]): string | undefined {
  const moments: Moment[] = [];
  for (const call of calls) {
    // A read without an answer says nothing.
    if (call.status === "unknown" && call.kind === "read") continue;
    moments.push({ at: call.begin, call, isEnd: false });
    if (call.status === "ok") moments.push({ at: call.end, call, isEnd: true });
  }
  moments.sort((left, right) => left.at - right.at);
  const slots: (Call | undefined)[] = [];
  // A value times 2^30, plus a bit for each slot whose call has taken effect.
  let states = new Set<number>([0]);
  for (const { call, isEnd } of moments) {
    if (!isEnd) {
      const free = slots.indexOf(undefined);
      const slot = free < 0 ? slots.length : free;
      if (slot >= underWayMax) return "too many calls are under way to be checked";
      slots[slot] = call;
      continue;
    }
    const slot = slots.indexOf(call);
    states = ended(states, slots, slot);
    slots[slot] = undefined;
    if (states.size === 0) return `no order explains ${JSON.stringify(call)}`;
  }
  return undefined;
}

/** The pairs in which the call in `slot` has taken effect, without it. */
function ended(
  states: ReadonlySet<number>,
  slots: readonly (Call | undefined)[],
  slot: number,
): Set<number> {
  const seen = new Set<number>(states);
  const open = [...states];
  const done = new Set<number>();
  while (open.length > 0) {
    const state = open.pop() as number;
    const mask = state % 2 ** underWayMax;
    const value = (state - mask) / 2 ** underWayMax;
    if ((mask & (1 << slot)) !== 0) {
      done.add(state - (1 << slot));
      continue;
    }
    for (let other = 0; other < slots.length; other++) {
      const call = slots[other];
      if (call === undefined || (mask & (1 << other)) !== 0) continue;
      const after = effectOf(call, value);
      if (after === undefined) continue;
      const next = after * 2 ** underWayMax + (mask | (1 << other));
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(next);
    }
  }
  return done;
}

/** The value after a call; undefined when the call cannot take effect here. */
function effectOf({ kind, value, status }: Call, before: number): number | undefined {
  if (kind === "write") return value;
  if (kind === "read") return value === before ? before : undefined;
  if (status === "ok" && (value === 1) !== (before !== 0)) return undefined;
  return 0;
}
