/** The state that a read of an index sees. */
import { type At, nextTurn, type Steps } from "../engine/index.ts";
import { throwIfAborted } from "../transaction/index.ts";

export class View {
  /** As reads of the engine take it. */
  readonly at: At;
  /** The last commit in it. */
  readonly seq: number;
  /** Labels of its vectors are below this one. */
  readonly next: number;
  /** The same for all states in which the index is the same. */
  readonly version: number;
  readonly #isSync: boolean;
  readonly #signal: AbortSignal | undefined;

  constructor(
    state: {
      readonly at: At;
      readonly seq: number;
      readonly next: number;
      readonly version: number;
    },
    isSync: boolean,
    signal: AbortSignal | undefined,
  ) {
    this.at = state.at;
    this.seq = state.seq;
    this.next = state.next;
    this.version = state.version;
    this.#isSync = isSync;
    this.#signal = signal;
  }

  /** Between pieces of long work: others come first, unless all must happen in one turn. */
  *breathe(): Steps<void> {
    throwIfAborted(this.#signal);
    if (this.#isSync || this.at === undefined) return;
    yield nextTurn();
    throwIfAborted(this.#signal);
  }
}
