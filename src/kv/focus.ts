/** Dotted groups of records: "user.7.name" belongs to the groups "user" and "user.7". */
import type { Receipt } from "../engine/index.ts";
import type { Keyspace } from "./keyspace.ts";
import type { PutOptions, WriteOptions } from "./keyspace-core.ts";
import { invalid } from "./options.ts";
import type { ScanOptions } from "./range.ts";
import type { AsyncRows } from "./rows.ts";
import type { Entry } from "./scan.ts";

/** The first key of a group: the group's own name with a dot is where its members begin. */
export function groupLow(prefix: string): string {
  return `${prefix}.`;
}

/** The first key behind a group: "/" is the character after the dot. */
export function groupHigh(prefix: string): string {
  return `${prefix}/`;
}

/** Refuses to delete the group "": that would be every key that begins with a dot. */
export function requireGroup(prefix: string): void {
  if (typeof prefix === "string" && prefix !== "") return;
  const found = prefix === "" ? "an empty string" : `a ${typeof prefix}`;
  throw invalid("delete a group", "its name", found, "a string; clear() deletes everything");
}

/** The records of one group under their short keys; an empty prefix means all, without a dot. */
export class Focus<V> {
  readonly #keyspace: Keyspace<string, V>;
  /** The group's name, without the dot. */
  readonly prefix: string;

  /** Not for applications: `keyspace.focus` makes it. */
  constructor(keyspace: Keyspace<string, V>, prefix: string) {
    this.#keyspace = keyspace;
    this.prefix = prefix;
  }

  /** The whole key of a short one. */
  key(key: string): string {
    return this.prefix === "" ? key : `${this.prefix}.${key}`;
  }

  get(key: string): Promise<V | undefined> {
    return this.#keyspace.get(this.key(key));
  }

  getSync(key: string): V | undefined {
    return this.#keyspace.getSync(this.key(key));
  }

  has(key: string): Promise<boolean> {
    return this.#keyspace.has(this.key(key));
  }

  hasSync(key: string): boolean {
    return this.#keyspace.hasSync(this.key(key));
  }

  put(key: string, value: V, options?: PutOptions): Promise<Receipt> {
    return this.#keyspace.put(this.key(key), value, options);
  }

  putSync(key: string, value: V, options?: PutOptions): Receipt {
    return this.#keyspace.putSync(this.key(key), value, options);
  }

  /** The same as {@link Focus.put}. */
  set(key: string, value: V, options?: PutOptions): Promise<Receipt> {
    return this.put(key, value, options);
  }

  delete(key: string, options?: WriteOptions): Promise<boolean> {
    return this.#keyspace.delete(this.key(key), options);
  }

  deleteSync(key: string, options?: WriteOptions): boolean {
    return this.#keyspace.deleteSync(this.key(key), options);
  }

  /** The group `sub` within this one. */
  focus(sub: string): Focus<V> {
    return new Focus(this.#keyspace, this.key(sub));
  }

  /** The group's records, with their whole keys. */
  entries(options: Pick<ScanOptions, "snapshot" | "signal"> = {}): AsyncRows<Entry<string, V>> {
    if (this.prefix === "") return this.#keyspace.entries(options);
    return this.#keyspace.group(this.prefix, options);
  }

  /** Deletes the group's records: how many there were. See {@link Keyspace.deleteGroup}. */
  deleteAll(options?: WriteOptions): Promise<number> {
    return this.#keyspace.deleteGroup(this.prefix, options);
  }
}
