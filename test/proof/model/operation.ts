/**
 * Operations as data, drawn without looking at the state that they will meet: so any part of a
 * sequence is a sequence again, and one that fails can be made shorter.
 */
import type { Personality } from "../../storage/effects.ts";
import type { Random } from "../../storage/random.ts";

/** 0 as the keyspace says, 1 for ever, 2 a ttl, 3 a moment; `span` in milliseconds. */
export interface Life {
  readonly how: number;
  readonly span: number;
}

/** Keys by number; -1 for no bound. */
export interface Bounds {
  readonly low: number;
  readonly lowOpen: boolean;
  readonly high: number;
  readonly highOpen: boolean;
  /** Number of a prefix; -1 for none. */
  readonly prefix: number;
  readonly reverse: boolean;
  /** -1 for none. */
  readonly limit: number;
}

export interface Write {
  readonly key: number;
  /** What the value is made from; below 0 the record is deleted. */
  readonly value: number;
  readonly life: Life;
}

export type Step =
  | ({ readonly do: "put" | "delete" } & Write)
  | { readonly do: "get" | "has"; readonly key: number }
  | { readonly do: "scan"; readonly bounds: Bounds };

type Shaped<T> = T & { readonly shelf: number };
type Finality = { readonly finality: "visible" | "durable" | undefined };

export type Operation =
  | Shaped<{ readonly do: "put"; readonly write: Write } & Finality>
  | Shaped<{ readonly do: "delete" | "persist"; readonly key: number } & Finality>
  | Shaped<{ readonly do: "get" | "has" | "expiresAt" | "ttl" | "view"; readonly key: number }>
  | Shaped<{ readonly do: "getMany"; readonly keys: readonly number[] }>
  | Shaped<{ readonly do: "batch"; readonly writes: readonly Write[] } & Finality>
  | { readonly do: "batchAll"; readonly writes: readonly (readonly [number, Write])[] }
  | Shaped<{ readonly do: "burst"; readonly writes: readonly Write[] } & Finality>
  | Shaped<{ readonly do: "entries" | "keys" | "values"; readonly bounds: Bounds }>
  | Shaped<{ readonly do: "count"; readonly bounds: Bounds; readonly exact: boolean }>
  | Shaped<{ readonly do: "pages"; readonly limit: number; readonly reverse: boolean }>
  | Shaped<{ readonly do: "group" | "deleteGroup"; readonly group: number }>
  | Shaped<{ readonly do: "clear" | "drop" | "create" }>
  | Shaped<{
      readonly do: "transaction";
      readonly steps: readonly Step[];
      readonly end: "commit" | "throw";
      readonly isAsync: boolean;
    }>
  | Shaped<{
      readonly do: "conflict";
      readonly read: number;
      readonly write: Write;
      readonly other: Write;
      readonly isolation: "snapshot" | "serializable";
    }>
  | { readonly do: "snapshot" | "release"; readonly which: number }
  | Shaped<{ readonly do: "getThen"; readonly which: number; readonly key: number }>
  | Shaped<{ readonly do: "entriesThen"; readonly which: number; readonly bounds: Bounds }>
  | Shaped<{ readonly do: "iterate"; readonly which: number; readonly bounds: Bounds }>
  | { readonly do: "advance"; readonly which: number; readonly rows: number }
  | { readonly do: "wait"; readonly milliseconds: number }
  | { readonly do: "turn" | "sweep" | "checkpoint" | "compact" | "flush" | "verify" | "backup" }
  | { readonly do: "compare" }
  | {
      readonly do: "fault";
      readonly kind: "crash" | "disk_full" | "storage_failed";
      /** Storage calls from now. */
      readonly after: number;
      /** Bytes of that call that are done all the same; -1: not even the call. */
      readonly bytes: number;
      readonly personality: Personality;
      readonly seed: number;
    }
  | { readonly do: "crash"; readonly personality: Personality; readonly seed: number }
  | { readonly do: "reopen"; readonly crashAfter: number; readonly seed: number };

export interface Sizes {
  /** Keys of each keyspace. */
  readonly keys: readonly number[];
  readonly prefixes: readonly number[];
  readonly groups: readonly number[];
  /** Keyspaces that have an order. */
  readonly ordered: readonly number[];
  /** Keyspaces that have groups. */
  readonly grouped: readonly number[];
}

const finalities = [undefined, undefined, undefined, "visible", "durable"] as const;
const personalities: readonly Personality[] = ["kill", "synced", "prefix", "adversary"];
const spans = [0, 1, 700, 1_024, 3_000, 20_000, 1e9];

export class Draw {
  readonly #random: Random;
  readonly #sizes: Sizes;
  /** How near to each other the keys of one sequence lie. */
  readonly #focus: number;
  #values = 0;

  constructor(random: Random, sizes: Sizes) {
    this.#random = random;
    this.#sizes = sizes;
    this.#focus = random.pick([0.02, 0.3, 1, 1]);
  }

  next(): Operation {
    const random = this.#random;
    const dice = random.integer(10_000);
    if (dice < 3_300) return this.#read();
    if (dice < 6_900) return this.#write();
    if (dice < 8_400) return this.#visit();
    if (dice < 8_560) return this.#transaction();
    if (dice < 9_420) return this.#then();
    return this.#rest(random.integer(10_000));
  }

  #shelf(): number {
    return this.#random.integer(this.#sizes.keys.length);
  }

  #key(shelf: number): number {
    const count = this.#sizes.keys[shelf];
    const random = this.#random;
    if (random.chance(0.1)) return random.integer(count);
    return random.integer(Math.max(1, Math.ceil(count * this.#focus)));
  }

  #read(): Operation {
    const random = this.#random;
    const shelf = this.#shelf();
    const dice = random.integer(100);
    if (dice < 6) {
      const keys = Array.from({ length: 1 + random.integer(12) }, () => this.#key(shelf));
      return { do: "getMany", shelf, keys };
    }
    const kinds = ["has", "expiresAt", "ttl", "view"] as const;
    const kind = dice < 75 ? "get" : random.pick(kinds);
    return { do: kind, shelf, key: this.#key(shelf) };
  }

  #life(): Life {
    const how = this.#random.chance(0.75) ? 0 : 1 + this.#random.integer(3);
    return { how, span: how < 2 ? 0 : this.#random.pick(spans) };
  }

  #change(shelf: number): Write {
    const key = this.#key(shelf);
    const isDelete = this.#random.chance(0.25);
    return { key, value: isDelete ? -1 : this.#value(), life: this.#life() };
  }

  #value(): number {
    return this.#values++ * 64 + this.#random.integer(64);
  }

  #write(): Operation {
    const random = this.#random;
    const shelf = this.#shelf();
    const finality = random.pick(finalities);
    const dice = random.integer(1_000);
    if (dice < 640) {
      const write = { key: this.#key(shelf), value: this.#value(), life: this.#life() };
      return { do: "put", shelf, write, finality };
    }
    if (dice < 860) return { do: "delete", shelf, key: this.#key(shelf), finality };
    if (dice < 890) return { do: "persist", shelf, key: this.#key(shelf), finality };
    const length = 1 + random.integer(random.chance(0.03) ? 300 : 12);
    if (dice < 905) {
      const all = Array.from({ length }, () => {
        const other = this.#shelf();
        return [other, this.#change(other)] as const;
      });
      return { do: "batchAll", writes: all };
    }
    const writes = Array.from({ length }, () => this.#change(shelf));
    if (dice < 912) return { do: "burst", shelf, writes: writes.slice(0, 12), finality };
    return { do: "batch", shelf, writes, finality };
  }

  #bounds(shelf: number): Bounds {
    const random = this.#random;
    const isOrdered = this.#sizes.ordered.includes(shelf);
    const limit = random.chance(0.85) ? random.integer(20) : -1;
    if (!isOrdered) return { ...everything, limit };
    const low = random.chance(0.6) ? this.#key(shelf) : -1;
    const count = this.#sizes.keys[shelf];
    const isNear = low >= 0 && random.chance(0.7);
    const near = Math.min(count - 1, low + random.integer(12));
    const high = isNear ? near : random.chance(0.2) ? this.#key(shelf) : -1;
    return {
      low,
      lowOpen: random.chance(0.5),
      high,
      highOpen: random.chance(0.5),
      prefix: random.chance(0.1) ? random.integer(this.#sizes.prefixes[shelf]) : -1,
      reverse: random.chance(0.4),
      limit,
    };
  }

  #visit(): Operation {
    const random = this.#random;
    const shelf = this.#shelf();
    const dice = random.integer(1_000);
    if (dice < 700) {
      const kind = random.pick(["entries", "entries", "keys", "values"] as const);
      return { do: kind, shelf, bounds: this.#bounds(shelf) };
    }
    if (dice < 930) {
      return { do: "count", shelf, bounds: this.#bounds(shelf), exact: random.chance(0.5) };
    }
    if (dice < 950) {
      const limit = 1 + random.integer(30);
      const reverse = this.#sizes.ordered.includes(shelf) && random.chance(0.5);
      return { do: "pages", shelf, limit, reverse };
    }
    const grouped = random.pick(this.#sizes.grouped);
    const group = random.integer(this.#sizes.groups[grouped]);
    return { do: dice < 985 ? "group" : "deleteGroup", shelf: grouped, group };
  }

  #transaction(): Operation {
    const random = this.#random;
    const shelf = this.#shelf();
    if (random.chance(0.15)) {
      return {
        do: "conflict",
        shelf,
        read: this.#key(shelf),
        write: this.#change(shelf),
        other: this.#change(shelf),
        isolation: random.pick(["snapshot", "serializable"]),
      };
    }
    const steps = Array.from({ length: 1 + random.integer(10) }, (): Step => {
      const dice = random.integer(10);
      if (dice < 3) return { do: "put", key: this.#key(shelf), value: this.#value(), life: life0 };
      if (dice < 4) return { do: "put", ...this.#change(shelf), value: this.#value() };
      if (dice < 5) return { do: "delete", key: this.#key(shelf), value: -1, life: life0 };
      if (dice < 8) return { do: "get", key: this.#key(shelf) };
      if (dice < 9) return { do: "has", key: this.#key(shelf) };
      return { do: "scan", bounds: this.#bounds(shelf) };
    });
    const end = random.chance(0.15) ? "throw" : "commit";
    return { do: "transaction", shelf, steps, end, isAsync: random.chance(0.25) };
  }

  /** About states that are held. */
  #then(): Operation {
    const random = this.#random;
    const shelf = this.#shelf();
    const which = random.integer(3);
    const dice = random.integer(100);
    if (dice < 6) return { do: "snapshot", which };
    if (dice < 9) return { do: "release", which };
    if (dice < 60) return { do: "getThen", which, shelf, key: this.#key(shelf) };
    if (dice < 75) return { do: "entriesThen", which, shelf, bounds: this.#bounds(shelf) };
    if (dice < 80) return { do: "iterate", which, shelf, bounds: this.#bounds(shelf) };
    return { do: "advance", which, rows: 1 + random.integer(10) };
  }

  #rest(dice: number): Operation {
    const random = this.#random;
    const shelf = this.#shelf();
    if (dice < 5_000) {
      return { do: "wait", milliseconds: random.pick([1, 20, 300, 1_024, 4_000]) };
    }
    if (dice < 9_000) return { do: "turn" };
    if (dice < 9_250) return { do: "sweep" };
    if (dice < 9_330) return { do: "clear", shelf };
    if (dice < 9_380) return { do: "drop", shelf };
    if (dice < 9_530) return { do: "create", shelf };
    if (dice < 9_600) return { do: "checkpoint" };
    if (dice < 9_615) return { do: "compact" };
    if (dice < 9_690) return { do: "flush" };
    if (dice < 9_694) return { do: "verify" };
    if (dice < 9_699) return { do: "backup" };
    if (dice < 9_720) return { do: "compare" };
    const seed = random.integer(2 ** 30);
    if (dice < 9_790) {
      const crashAfter = random.chance(0.3) ? 1 + random.integer(12) : 0;
      return { do: "reopen", crashAfter, seed };
    }
    const personality = random.pick(personalities);
    if (dice < 9_830) return { do: "crash", personality, seed };
    return {
      do: "fault",
      kind: random.pick(["crash", "disk_full", "storage_failed"]),
      after: 1 + random.integer(random.pick([4, 40, 400])),
      bytes: random.pick([-1, 0, random.integer(64), random.integer(8_192), 2 ** 31]),
      personality,
      seed,
    };
  }
}

const life0: Life = { how: 0, span: 0 };
const everything: Bounds = {
  low: -1,
  lowOpen: false,
  high: -1,
  highOpen: false,
  prefix: -1,
  reverse: false,
  limit: -1,
};
