import type { Awaitable } from "../port.ts";

/** Resolves when an operation that was just started may take effect. */
export type Latency = () => Promise<void>;

/** Answers at once, or after a latency: the one difference between the two memory storages. */
export class Answers {
  readonly #latency: Latency | undefined;

  constructor(latency: Latency | undefined) {
    this.#latency = latency;
  }

  get atOnce(): boolean {
    return this.#latency === undefined;
  }

  give<T>(work: () => T): Awaitable<T> {
    return this.#latency === undefined ? work() : this.#latency().then(work);
  }

  /** The same with bytes of the caller, which are only valid now. */
  giveWith<T>(bytes: Uint8Array, work: (bytes: Uint8Array) => T): Awaitable<T> {
    if (this.#latency === undefined) return work(bytes);
    const copy = bytes.slice();
    return this.#latency().then(() => work(copy));
  }

  /** Always a promise, also where everything else answers at once. */
  async promise<T>(work: () => T): Promise<T> {
    await this.#latency?.();
    return work();
  }
}
