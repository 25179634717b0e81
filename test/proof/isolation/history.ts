/** What clients did and saw, as the checkers want it. Times are moments of a scheduler. */

/** `fail`: certainly not done. `unknown`: done or not. */
export type Status = "ok" | "fail" | "unknown";

export interface Append {
  readonly kind: "append";
  readonly key: number;
  /** No value is appended twice, to whatever key. */
  readonly value: number;
}

export interface Read {
  readonly kind: "read";
  readonly key: number;
  readonly list: readonly number[];
}

/** A transaction over lists. */
export interface Transaction {
  readonly client: number;
  readonly begin: number;
  /** When it was answered; infinite when it never was. */
  readonly end: number;
  readonly status: Status;
  readonly steps: readonly (Append | Read)[];
}

/** One call on a register: 0 stands for no record. */
export interface Call {
  readonly kind: "write" | "read" | "delete";
  readonly key: number;
  /** Written, or read; of a delete 1 when there was a record and 0 when there was none. */
  readonly value: number;
  readonly begin: number;
  readonly end: number;
  readonly status: Status;
}

/** Why a history cannot be what the database promises. */
export interface Anomaly {
  readonly name: string;
  readonly message: string;
}
