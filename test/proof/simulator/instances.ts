/**
 * Instances of the core that are used again, so that opening a database of a few pages takes a
 * tenth of the time: making an instance, growing its memory and collecting it costs 1.5 ms.
 *
 * The core's own bytes are changed in one respect: all of its global variables are exported. What
 * an instance is, is then its globals and its memory. A used one is set back to what it was after
 * `initialize`: the globals, and the pages of memory that runs are known to touch. Which those are
 * is learned: every so often all of the memory is compared, and a page that was missing is noted.
 * Whoever finds something wrong looks again with a fresh instance (`off`), and counts `missed`.
 */
import { loadCore } from "../../../bindings/load.ts";
import { coreBase64 } from "../../../bindings/wasm.generated.ts";

const pageBytes = 4096;
/** One of so many returned instances is compared in full. */
const auditEvery = 256;
/** The first few are all compared: they teach most of the pages. */
const auditFirst = 24;
const zeros = Buffer.alloc(pageBytes);

interface Kept {
  readonly exports: WebAssembly.Exports;
  readonly memory: WebAssembly.Memory;
  readonly globals: WebAssembly.Global[];
  readonly values: number[];
}

/** Functions that take the place of some of the core's; the core's own are given. */
export type Replace = (exports: WebAssembly.Exports) => WebAssembly.Exports;

export class Instances {
  /** To be given to the engine in place of the core. */
  readonly module: WebAssembly.Module = new WebAssembly.Module(withGlobals(coreBytes()));
  /** Instances made, handed out again, compared in full; pages that a comparison found missing. */
  readonly counts = { made: 0, used: 0, audited: 0, missed: 0 };
  readonly #free: Kept[] = [];
  #out: Kept[] = [];
  /** Memory right after `initialize`, as far as it is not zero. */
  #initial = new Uint8Array(0);
  /** Pages to set back, ascending. */
  #touched: number[] = [];
  readonly #isTouched = new Set<number>();
  #returned = 0;

  readonly #replace: Replace | undefined;

  /** With some functions of the core replaced, for showing that mistakes are found. */
  constructor(replace?: Replace) {
    this.#replace = replace;
    const Real = WebAssembly.Instance;
    const take = (): object => this.#take(Real);
    const { module } = this;
    // The engine makes instances by itself; this is the one place where that can be changed.
    WebAssembly.Instance = new Proxy(Real, {
      construct: (target, [wanted, imports]: [WebAssembly.Module, WebAssembly.Imports]) =>
        wanted === module ? take() : new target(wanted, imports),
    });
  }

  /**
   * All instances handed out since the last call may be used again: nothing runs on them. After
   * unusual work they are compared in full.
   */
  giveBack(isUnusual = false): void {
    for (const kept of this.#out) {
      this.#setBack(kept, isUnusual);
      this.#free.push(kept);
    }
    this.#out = [];
  }

  /** They may still be in use: never to be handed out again. */
  abandon(): void {
    this.#out = [];
  }

  /** Gives an instance that was never used before. */
  get fresh(): WebAssembly.Module {
    return this.#replace === undefined ? loadCore() : this.module;
  }

  #take(Real: typeof WebAssembly.Instance): object {
    this.counts.used++;
    const kept = this.#free.pop() ?? this.#make(Real);
    this.#out.push(kept);
    return { exports: kept.exports };
  }

  #make(Real: typeof WebAssembly.Instance): Kept {
    this.counts.made++;
    const { exports } = new Real(this.module, {});
    (exports.initialize as () => void)();
    const memory = exports.memory as WebAssembly.Memory;
    if (this.#initial.length === 0) this.#initial = new Uint8Array(memory.buffer).slice();
    const names = Object.keys(exports).filter((name) => name.startsWith("global "));
    const globals = names.map((name) => exports[name] as WebAssembly.Global);
    const values = globals.map((global) => global.value as number);
    const replaced = this.#replace?.(exports);
    const changed = { ...exports, ...replaced, initialize: () => undefined };
    return { exports: changed, memory, globals, values };
  }

  #setBack(kept: Kept, isUnusual: boolean): void {
    kept.globals.forEach((global, index) => {
      if (global.value !== kept.values[index]) global.value = kept.values[index];
    });
    const bytes = new Uint8Array(kept.memory.buffer);
    this.#returned++;
    const isDue = this.#returned <= auditFirst || this.#returned % auditEvery === 0;
    if (isDue || isUnusual) this.#audit(bytes);
    const initial = this.#initial;
    for (const page of this.#touched) {
      const at = page * pageBytes;
      if (at >= bytes.length) break;
      if (at < initial.length) bytes.set(initial.subarray(at, at + pageBytes), at);
      else bytes.fill(0, at, at + pageBytes);
    }
  }

  #audit(bytes: Uint8Array): void {
    this.counts.audited++;
    const initial = Buffer.from(this.#initial.buffer);
    const found = Buffer.from(bytes.buffer);
    const before = this.#isTouched.size;
    for (let at = 0; at < bytes.length; at += pageBytes) {
      const expected = at < initial.length ? initial : zeros;
      const from = at < initial.length ? at : 0;
      if (found.compare(expected, from, from + pageBytes, at, at + pageBytes) === 0) continue;
      this.#isTouched.add(at / pageBytes);
    }
    const more = this.#isTouched.size - before;
    if (more === 0) return;
    if (this.#returned > auditFirst) this.counts.missed += more;
    this.#touched = [...this.#isTouched].sort((a, b) => a - b);
  }
}

function coreBytes(): Uint8Array {
  return Uint8Array.from(Buffer.from(coreBase64, "base64"));
}

/** The same module with every global variable exported, as "global 0" and so on. */
function withGlobals(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts: number[][] = [[...bytes.subarray(0, 8)]];
  let globals = 0;
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at] as number;
    const [size, begin] = readLeb(bytes, at + 1);
    const body = bytes.subarray(begin, begin + size);
    at = begin + size;
    if (id === 6) globals = readLeb(body, 0)[0];
    const content = id === 7 ? withExports(body, globals) : [...body];
    // Not spread: a section may hold more bytes than a call can take arguments.
    parts.push([id, ...leb(content.length)], content);
  }
  return Uint8Array.from(parts.flat());
}

function withExports(body: Uint8Array, globals: number): number[] {
  const [count, begin] = readLeb(body, 0);
  const exported = Array.from({ length: globals }, (_, index) => {
    const name = new TextEncoder().encode(`global ${index}`);
    return [...leb(name.length), ...name, 3, ...leb(index)];
  });
  return [...leb(count + globals), ...body.subarray(begin), ...exported.flat()];
}

/** An unsigned LEB128 number, and where it ends. */
function readLeb(bytes: Uint8Array, from: number): [number, number] {
  let value = 0;
  for (let at = from, scale = 1; ; at++, scale *= 128) {
    const byte = bytes[at] as number;
    value += (byte & 127) * scale;
    if (byte < 128) return [value, at + 1];
  }
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}
