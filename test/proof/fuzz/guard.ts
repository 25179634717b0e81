/** What every decoder promises about every input, and how that is seen. */
import { CliError } from "../../../src/cli/cli-error.ts";
import { CairnError } from "../../../src/index.ts";

/** A decoder has done what none may do. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** Slow work is looked at a second time: the machine may have been busy. */
const slowSeconds = 1;

const prototypes: readonly object[] = [
  Object.prototype,
  Array.prototype,
  Function.prototype,
  Uint8Array.prototype,
  Map.prototype,
];
const probe: readonly unknown[] = [];
const keysBefore = prototypes.map((prototype) => Reflect.ownKeys(prototype).length);

export class Guard {
  /** Bytes of buffers that were made since the count began. */
  allocated = 0;
  readonly #clock: () => number;
  #runs = 0;
  readonly #array = globalThis.Uint8Array;
  readonly #buffer = globalThis.ArrayBuffer;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** From here on every buffer of a given size is counted. */
  begin(): void {
    globalThis.Uint8Array = this.#counting(this.#array);
    globalThis.ArrayBuffer = this.#counting(this.#buffer);
  }

  end(): void {
    globalThis.Uint8Array = this.#array;
    globalThis.ArrayBuffer = this.#buffer;
  }

  #counting<T extends typeof Uint8Array | typeof ArrayBuffer>(type: T): T {
    return new Proxy(type, {
      construct: (target, given, made) => {
        if (typeof given[0] === "number") this.allocated += given[0];
        return Reflect.construct(target, given, made);
      },
    });
  }

  /**
   * Runs a decoder on an input: its answer, or undefined for a typed error. `bytes` is the size of
   * the input, `fixed` what the decoder needs for any.
   */
  run<T>(work: () => T, bytes: number, fixed: number): T | undefined {
    const begin = this.#clock();
    this.allocated = 0;
    let answer: T | undefined;
    try {
      answer = work();
    } catch (error) {
      requireTyped(error);
    }
    this.#requireModest(bytes, fixed);
    if (this.#clock() - begin > slowSeconds) this.#requireQuick(work);
    return answer;
  }

  async runAsync<T>(work: () => Promise<T>, bytes: number, fixed: number): Promise<T | undefined> {
    this.allocated = 0;
    let answer: T | undefined;
    try {
      answer = await work();
    } catch (error) {
      requireTyped(error);
    }
    this.#requireModest(bytes, fixed);
    return answer;
  }

  #requireModest(bytes: number, fixed: number): void {
    if (this.allocated > 4 * bytes + fixed) {
      throw new Violation(
        `${this.allocated} bytes were allocated for an input of ${bytes} (and ${fixed} always)`,
      );
    }
    // Whatever is assigned to a prototype shows up in every object.
    for (const key in probe) throw new Violation(`a prototype of the language was given ${key}`);
    if ((++this.#runs & 255) === 0) this.requirePrototypes();
  }

  /** The same for what does not show. */
  requirePrototypes(): void {
    for (const [index, prototype] of prototypes.entries()) {
      if (Reflect.ownKeys(prototype).length === keysBefore[index]) continue;
      throw new Violation("a prototype of the language was changed");
    }
  }

  #requireQuick(work: () => unknown): void {
    const begin = this.#clock();
    try {
      work();
    } catch {
      // Known from the first time.
    }
    const seconds = this.#clock() - begin;
    if (seconds > slowSeconds) throw new Violation(`it took ${seconds.toFixed(1)} s, twice`);
  }
}

function requireTyped(error: unknown): void {
  if (error instanceof Violation) throw error;
  const isTyped = error instanceof CairnError || error instanceof CliError;
  if (isTyped && error.code !== "core_failed" && error.code !== "invariant_broken") return;
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  throw new Violation(`it ended with ${name}: ${message}\n${stack ?? ""}`);
}
