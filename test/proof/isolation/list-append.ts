/**
 * Finds anomalies in histories of transactions that append to lists and read them.
 *
 * A list shows all versions of itself, so the order of writes can be read off, and with it who
 * depends on whom: ww (wrote the version after), wr (read what was written), rw (read what was then
 * overwritten) and time (began after the other had been answered). Anomalies are cycles of these,
 * or things that no order explains (Adya's and Elle's names).
 */
import { Graph } from "./cycles.ts";
import type { Anomaly, Read, Transaction } from "./history.ts";

const ww = 1;
const wr = 2;
const rw = 4;
const time = 8;
const names: Readonly<Record<number, string>> = { 1: "ww", 2: "wr", 4: "rw", 8: "time" };

export type Level = "serializable" | "snapshot";

export interface Verdict {
  readonly anomalies: readonly Anomaly[];
  /** Groups of transactions that only serializability forbids. */
  readonly writeSkews: number;
}

export function checkLists(transactions: readonly Transaction[], level: Level): Verdict {
  const check = new ListCheck(transactions);
  check.readsAlone();
  if (check.anomalies.length === 0) check.cycles(level);
  return { anomalies: check.anomalies, writeSkews: check.writeSkews };
}

class ListCheck {
  readonly anomalies: Anomaly[] = [];
  writeSkews = 0;
  readonly #all: readonly Transaction[];
  /** Who has appended a value, and to which key. */
  readonly #writers = new Map<number, { writer: number; key: number }>();
  /** The longest list that anybody has read, by key. */
  readonly #lists = new Map<number, readonly number[]>();
  readonly #graph = new Graph();

  constructor(transactions: readonly Transaction[]) {
    this.#all = transactions;
    for (const [writer, { steps }] of transactions.entries()) {
      for (const step of steps) {
        if (step.kind !== "append") continue;
        if (this.#writers.has(step.value)) this.#report("duplicate", writer, "appends again");
        this.#writers.set(step.value, { writer, key: step.key });
      }
    }
  }

  #report(name: string, index: number, what: string): void {
    const { client, begin, end } = this.#all[index];
    const message = `transaction ${index} (client ${client}, ${begin} to ${end}) ${what}`;
    this.anomalies.push({ name, message });
  }

  /** What is wrong with a read whatever the others have read. */
  readsAlone(): void {
    for (const [index, transaction] of this.#all.entries()) {
      if (transaction.status === "fail") continue;
      this.#requireOwn(index, transaction);
      for (const step of transaction.steps) if (step.kind === "read") this.#readAlone(index, step);
    }
    this.#lengthen("ok");
    // What these have seen may have been cut off, and others have gone another way since.
    this.#lengthen("unknown");
    for (const [index, { status, steps }] of this.#all.entries()) {
      if (status === "fail") continue;
      for (const step of steps) if (step.kind === "read") this.#requirePrefix(index, step);
    }
  }

  /** Notes the longest of the lists that transactions of this outcome have read. */
  #lengthen(outcome: Transaction["status"]): void {
    for (const [index, { status, steps }] of this.#all.entries()) {
      if (status !== outcome) continue;
      for (const step of steps) {
        if (step.kind !== "read") continue;
        const longest = this.#lists.get(step.key);
        const shown = this.#lasting(index, this.#shown(index, step.list), longest ?? []);
        if (shown.length > (longest?.length ?? -1)) this.#lists.set(step.key, shown);
      }
    }
  }

  /** A transaction sees what it has read before and its own appends after that. */
  #requireOwn(index: number, { steps }: Transaction): void {
    const known = new Map<number, readonly number[]>();
    const own = new Map<number, number[]>();
    for (const step of steps) {
      const mine = own.get(step.key) ?? [];
      own.set(step.key, mine);
      if (step.kind === "append") mine.push(step.value);
      else {
        const base = known.get(step.key) ?? step.list.slice(0, step.list.length - mine.length);
        known.set(step.key, base);
        if (!isSame(step.list, [...base, ...mine])) {
          this.#report("internal", index, `reads key ${step.key} as it has not left it`);
        }
      }
    }
  }

  #readAlone(index: number, { key, list }: Read): void {
    if (new Set(list).size < list.length) this.#report("duplicate", index, `reads ${list} twice`);
    for (const value of list) {
      const found = this.#writers.get(value);
      if (found === undefined || found.key !== key) {
        this.#report("unwritten", index, `reads ${value}, which nobody has appended to ${key}`);
      } else if (this.#all[found.writer].status === "fail") {
        this.#report("G1a", index, `reads ${value}, which was rolled back`);
      }
    }
    const last = this.#writers.get(list.at(-1) ?? -1);
    if (last !== undefined && last.writer !== index) {
      const appended = this.#all[last.writer].steps.findLast(
        (step) => step.kind === "append" && step.key === key,
      );
      if (appended?.kind === "append" && appended.value !== list.at(-1)) {
        this.#report("G1b", index, `reads ${list.at(-1)}, which was not the last of its writer`);
      }
    }
  }

  /** What a read tells of the list: what an unknown one has appended itself may never be there. */
  #shown(index: number, list: readonly number[]): readonly number[] {
    return this.#all[index].status === "ok" ? list : this.#withoutOwn(list, index);
  }

  /**
   * A transaction in one turn sees the commits whose sync is under way. When the power fails then,
   * nobody was told of them, nor of it: what it has seen of them may be gone.
   */
  #lasting(index: number, shown: readonly number[], longest: readonly number[]): readonly number[] {
    if (this.#all[index].status === "ok") return shown;
    const isGone = (value: number): boolean => {
      const writer = this.#writers.get(value)?.writer ?? index;
      return !longest.includes(value) && this.#all[writer].status !== "ok";
    };
    const first = shown.findIndex(isGone);
    return first < 0 ? shown : shown.slice(0, first);
  }

  #requirePrefix(index: number, { key, list }: Read): void {
    const longest = this.#lists.get(key) ?? [];
    const shown = this.#lasting(index, this.#shown(index, list), longest);
    if (isSame(shown, longest.slice(0, shown.length))) return;
    this.#report("incompatible order", index, `reads ${list} of ${key}, others ${longest}`);
  }

  /** Cycles that the level forbids. */
  cycles(level: Level): void {
    this.#addWrites();
    this.#addReads();
    this.#addTime();
    const graph = this.#graph;
    const found =
      this.#knots("G0", ww) || this.#knots("G1c", ww | wr) || this.#knots("time", ww | wr | time);
    if (found) return;
    this.#lostUpdates();
    this.#singles();
    if (this.anomalies.length > 0) return;
    // Of cycles with several rw, snapshot isolation allows those where two of them meet.
    const count = graph.edges.length;
    for (const knot of separated(graph).knots(ww | wr | rw | time)) {
      const nodes = [...new Set(knot.map((node) => node % count))];
      const message = this.#describe(nodes, ww | wr | rw | time);
      this.anomalies.push({ name: "G-nonadjacent", message });
    }
    const skews = graph.knots(ww | wr | rw | time);
    this.writeSkews = skews.length;
    if (level === "snapshot" || this.anomalies.length > 0) return;
    for (const knot of skews) {
      this.anomalies.push({ name: "G2", message: this.#describe(knot, ww | wr | rw | time) });
    }
  }

  #addWrites(): void {
    for (const [key, list] of this.#lists) {
      let before: number | undefined;
      for (const value of list) {
        const writer = this.#writers.get(value)?.writer as number;
        if (before !== undefined) this.#graph.add(before, writer, ww);
        before = writer;
      }
      for (const writer of this.#unseen(key, list)) {
        if (before !== undefined) this.#graph.add(before, writer, ww);
      }
    }
  }

  /** Writers of a key whose values nobody has read: they come after everything that was. */
  #unseen(key: number, list: readonly number[]): number[] {
    const seen = new Set(list);
    const writers: number[] = [];
    for (const value of this.#byKey().get(key) ?? []) {
      const writer = this.#writers.get(value)?.writer as number;
      if (!seen.has(value) && this.#all[writer].status === "ok") writers.push(writer);
    }
    return writers;
  }

  #valuesByKey: Map<number, number[]> | undefined;
  #byKey(): Map<number, number[]> {
    if (this.#valuesByKey !== undefined) return this.#valuesByKey;
    const all = new Map<number, number[]>();
    for (const [value, { key }] of this.#writers) {
      const values = all.get(key) ?? [];
      all.set(key, values);
      values.push(value);
    }
    this.#valuesByKey = all;
    return all;
  }

  #addReads(): void {
    for (const [index, { status, steps }] of this.#all.entries()) {
      if (status === "fail") continue;
      for (const step of steps) {
        if (step.kind !== "read") continue;
        const others = this.#withoutOwn(step.list, index);
        const longest = this.#lists.get(step.key) ?? [];
        const from = this.#writers.get(others.at(-1) ?? -1)?.writer;
        if (from !== undefined) this.#graph.add(from, index, wr);
        const next = this.#writers.get(longest[others.length] ?? -1)?.writer;
        if (next !== undefined) this.#graph.add(index, next, rw);
        else if (others.length === longest.length) {
          for (const unseen of this.#unseen(step.key, longest)) this.#graph.add(index, unseen, rw);
        }
      }
    }
  }

  /** The list as the transaction found it. */
  #withoutOwn(list: readonly number[], index: number): readonly number[] {
    let length = list.length;
    while (length > 0 && this.#writers.get(list[length - 1])?.writer === index) length--;
    return list.slice(0, length);
  }

  /** Each answer is a node: who has been answered comes before it, who begins later behind it. */
  #addTime(): void {
    const first = this.#all.length;
    const ends = [...this.#all.entries()]
      .filter(([, { status, end }]) => status === "ok" && Number.isFinite(end))
      .sort(([, left], [, right]) => left.end - right.end);
    for (const [at, [index]] of ends.entries()) {
      this.#graph.add(index, first + at, time);
      if (at > 0) this.#graph.add(first + at - 1, first + at, time);
    }
    const moments = ends.map(([, { end }]) => end);
    for (const [index, { begin, status }] of this.#all.entries()) {
      if (status === "fail") continue;
      const before = countBelow(moments, begin);
      if (before > 0) this.#graph.add(first + before - 1, index, time);
    }
  }

  #knots(name: string, kinds: number): boolean {
    const knots = this.#graph.knots(kinds);
    for (const knot of knots) this.anomalies.push({ name, message: this.#describe(knot, kinds) });
    return knots.length > 0;
  }

  /** Two that have appended to the same list after having read it at the same length. */
  #lostUpdates(): void {
    const seen = new Map<string, number>();
    for (const [index, { status, steps }] of this.#all.entries()) {
      if (status !== "ok") continue;
      const read = new Map<number, number>();
      for (const step of steps) {
        if (step.kind === "read") {
          if (!read.has(step.key)) read.set(step.key, this.#withoutOwn(step.list, index).length);
          continue;
        }
        const length = read.get(step.key);
        if (length === undefined) continue;
        const name = `${step.key} ${length}`;
        const other = seen.get(name);
        if (other !== undefined && other !== index) {
          this.#report("lost update", index, `appends to ${step.key} over what ${other} has`);
        }
        seen.set(name, index);
      }
    }
  }

  /** Cycles with a single rw: somebody has seen one half of what somebody else did. */
  #singles(): void {
    const { edges } = this.#graph;
    for (const knot of this.#graph.knots(ww | wr | rw | time)) {
      const within = new Set(knot);
      for (const node of knot) {
        for (let at = 0; at < edges[node].length; at += 2) {
          if (edges[node][at + 1] !== rw || !within.has(edges[node][at])) continue;
          const back = this.#graph.path(edges[node][at], node, ww | wr | time, within);
          if (back === undefined) continue;
          const way = [{ node: edges[node][at], kind: rw }, ...back];
          this.anomalies.push({ name: "G-single", message: this.#show(node, way) });
          return;
        }
      }
    }
  }

  #describe(knot: readonly number[], kinds: number): string {
    const start = knot.find((node) => node < this.#all.length) ?? knot[0];
    const way = this.#graph.path(start, start, kinds, new Set(knot));
    return way === undefined ? `transactions ${knot.slice(0, 9)}` : this.#show(start, way);
  }

  #show(start: number, way: readonly { node: number; kind: number }[]): string {
    const steps = way.map(({ node, kind }) => {
      const name = node < this.#all.length ? node : "answered";
      return `-${names[kind]}-> ${name}`;
    });
    return `transaction ${start} ${steps.join(" ")}`;
  }
}

/**
 * The same graph without cycles in which two rw meet: behind an rw a node is another one, from
 * which no rw leads on.
 */
function separated(graph: Graph): Graph {
  const count = graph.edges.length;
  const layers = new Graph();
  for (const [from, list] of graph.edges.entries()) {
    for (let at = 0; at < list.length; at += 2) {
      const to = list[at];
      const kind = list[at + 1];
      layers.add(from, kind === rw ? to + count : to, kind);
      if (kind !== rw) layers.add(from + count, to, kind);
    }
  }
  return layers;
}

function countBelow(sorted: readonly number[], limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isSame(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((value, at) => value === right[at]);
}
