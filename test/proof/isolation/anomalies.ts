/** Histories that no database may produce, made by hand, and some that it may. */
import type { Call, Read, Status, Transaction } from "./history.ts";
import type { Level } from "./list-append.ts";

export interface ListHistory {
  readonly name: string;
  /** What the checker must call it; undefined where there is nothing to find. */
  readonly anomaly: string | undefined;
  readonly level: Level;
  readonly transactions: readonly Transaction[];
}

type Step = Transaction["steps"][number];

const append = (key: number, value: number): Step => ({ kind: "append", key, value });
const read = (key: number, ...list: number[]): Read => ({ kind: "read", key, list });

/** All at once, unless times are given. */
function t(steps: readonly Step[], status: Status = "ok", begin = 0, end = 1_000): Transaction {
  return { client: 0, begin, end, status, steps };
}

function after(time: number, ...steps: Step[]): Transaction {
  return t(steps, "ok", time, time + 1);
}

export const listHistories: readonly ListHistory[] = [
  {
    name: "two transactions that overwrite each other in turn (G0)",
    anomaly: "G0",
    level: "snapshot",
    transactions: [
      t([append(1, 10), append(2, 11)]),
      t([append(1, 20), append(2, 21)]),
      t([read(1, 10, 20), read(2, 21, 11)]),
    ],
  },
  {
    name: "a read of what was rolled back (G1a)",
    anomaly: "G1a",
    level: "snapshot",
    transactions: [t([append(1, 10)], "fail"), t([read(1, 10)])],
  },
  {
    name: "a read of what its writer has overwritten (G1b)",
    anomaly: "G1b",
    level: "snapshot",
    transactions: [t([append(1, 10), append(1, 11)]), t([read(1, 10)]), t([read(1, 10, 11)])],
  },
  {
    name: "two transactions that see each other (G1c)",
    anomaly: "G1c",
    level: "snapshot",
    transactions: [t([append(1, 10), read(2, 20)]), t([append(2, 20), read(1, 10)])],
  },
  {
    name: "one half of what another one did (G-single, read skew)",
    anomaly: "G-single",
    level: "snapshot",
    transactions: [t([append(1, 10), append(2, 11)]), t([read(1, 10), read(2)]), t([read(2, 11)])],
  },
  {
    name: "two that append to the same list as they have read it (lost update)",
    anomaly: "lost update",
    level: "snapshot",
    transactions: [t([read(1), append(1, 10)]), t([read(1), append(1, 20)]), t([read(1, 10, 20)])],
  },
  {
    name: "two that read what the other one writes (G2, write skew)",
    anomaly: "G2",
    level: "serializable",
    transactions: [
      t([read(1), read(2), append(1, 10)]),
      t([read(1), read(2), append(2, 20)]),
      after(2_000, read(1, 10), read(2, 20)),
    ],
  },
  {
    name: "two readers that disagree on what came first (long fork)",
    anomaly: "G-nonadjacent",
    level: "snapshot",
    transactions: [
      t([append(1, 10)]),
      t([append(2, 20)]),
      t([read(1, 10), read(2)]),
      t([read(2, 20), read(1)]),
      after(2_000, read(1, 10), read(2, 20)),
    ],
  },
  {
    name: "two lists of one key that do not continue each other",
    anomaly: "incompatible order",
    level: "snapshot",
    transactions: [
      t([append(1, 10)]),
      t([append(1, 20)]),
      t([read(1, 10, 20)]),
      t([read(1, 20, 10)]),
    ],
  },
  {
    name: "a value that nobody has appended",
    anomaly: "unwritten",
    level: "snapshot",
    transactions: [t([append(1, 10)]), t([read(1, 10, 99)])],
  },
  {
    name: "a value of another key",
    anomaly: "unwritten",
    level: "snapshot",
    transactions: [t([append(1, 10)]), t([read(2, 10)])],
  },
  {
    name: "a value twice in a list",
    anomaly: "duplicate",
    level: "snapshot",
    transactions: [t([append(1, 10)]), t([read(1, 10, 10)])],
  },
  {
    name: "a transaction that does not see what it has appended",
    anomaly: "internal",
    level: "snapshot",
    transactions: [t([read(1), append(1, 10), read(1)])],
  },
  {
    name: "a transaction whose second read is another one",
    anomaly: "internal",
    level: "snapshot",
    transactions: [t([append(1, 10)]), t([read(1), read(1, 10)])],
  },
  {
    name: "a read that does not see what had been answered",
    anomaly: "G-single",
    level: "snapshot",
    transactions: [t([append(1, 10)], "ok", 0, 5), after(10, read(1)), after(20, read(1, 10))],
  },
  {
    name: "an answered append that is gone (lost write)",
    anomaly: "G-single",
    level: "snapshot",
    transactions: [t([append(1, 10)], "ok", 0, 5), after(10, read(1)), after(20, read(1))],
  },
  {
    name: "a read of what was only written later",
    anomaly: "time",
    level: "snapshot",
    transactions: [t([read(1, 10)], "ok", 0, 5), after(10, append(1, 10))],
  },
  {
    name: "reads that go back in time",
    anomaly: "G-single",
    level: "serializable",
    transactions: [t([append(1, 10)], "ok", 0, 100), after(10, read(1, 10)), after(20, read(1))],
  },
  {
    name: "write skew, which snapshot isolation allows",
    anomaly: undefined,
    level: "snapshot",
    transactions: [
      t([read(1), read(2), append(1, 10)]),
      t([read(1), read(2), append(2, 20)]),
      after(2_000, read(1, 10), read(2, 20)),
    ],
  },
  {
    name: "what was seen of a commit that the crash cut off, beside what came in its place",
    anomaly: undefined,
    level: "serializable",
    transactions: [
      t([append(1, 10)], "ok", 0, 1),
      t([append(1, 20)], "unknown", 2, Number.POSITIVE_INFINITY),
      t([read(1, 10, 20)], "unknown", 3, Number.POSITIVE_INFINITY),
      t([read(1, 10), append(1, 30)], "ok", 5, 6),
      after(10, read(1, 10, 30)),
    ],
  },
  {
    name: "one after the other",
    anomaly: undefined,
    level: "serializable",
    transactions: [
      t([read(1), append(1, 10)], "ok", 0, 1),
      t([read(1, 10), append(1, 20), read(1, 10, 20)], "ok", 2, 3),
      t([append(1, 30)], "fail", 2, 3),
      t([append(1, 40)], "unknown", 2, Number.POSITIVE_INFINITY),
      after(10, read(1, 10, 20)),
    ],
  },
];

export interface CallHistory {
  readonly name: string;
  readonly isRight: boolean;
  readonly calls: readonly Call[];
}

function call(kind: Call["kind"], value: number, begin: number, end: number): Call {
  return { kind, key: 1, value, begin, end, status: "ok" };
}

export const callHistories: readonly CallHistory[] = [
  {
    name: "a read that misses a write which had been answered",
    isRight: false,
    calls: [call("write", 1, 0, 1), call("read", 0, 2, 3)],
  },
  {
    name: "a read of what nobody has written",
    isRight: false,
    calls: [call("write", 1, 0, 1), call("read", 7, 0, 3)],
  },
  {
    name: "two reads that see two writes in another order",
    isRight: false,
    calls: [
      call("write", 1, 0, 9),
      call("write", 2, 0, 9),
      call("read", 1, 1, 2),
      call("read", 2, 3, 4),
      call("read", 1, 5, 6),
    ],
  },
  {
    name: "a read from the future",
    isRight: false,
    calls: [call("read", 1, 0, 1), call("write", 1, 2, 3)],
  },
  {
    name: "a delete that has found what was gone",
    isRight: false,
    calls: [call("write", 1, 0, 1), call("delete", 1, 2, 3), call("delete", 1, 4, 5)],
  },
  {
    name: "a delete that has missed what was there",
    isRight: false,
    calls: [call("write", 1, 0, 1), call("delete", 0, 2, 3)],
  },
  {
    name: "a write of unknown outcome that comes and goes",
    isRight: false,
    calls: [
      { ...call("write", 1, 0, Number.POSITIVE_INFINITY), status: "unknown" },
      call("read", 1, 5, 6),
      call("read", 0, 7, 8),
    ],
  },
  {
    name: "a write of unknown outcome that took effect late",
    isRight: true,
    calls: [
      { ...call("write", 1, 0, Number.POSITIVE_INFINITY), status: "unknown" },
      call("read", 0, 5, 6),
      call("read", 1, 7, 8),
    ],
  },
  {
    name: "overlapping calls that one order explains",
    isRight: true,
    calls: [
      call("write", 1, 0, 9),
      call("write", 2, 0, 9),
      call("read", 2, 1, 4),
      call("read", 1, 3, 8),
      call("delete", 1, 5, 9),
      call("read", 0, 10, 11),
    ],
  },
];
