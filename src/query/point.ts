/**
 * Queries for one row by its whole primary key: the key is written, and the row read, as by
 * `table.get`. Nothing is weighed, and no run is set up.
 */
import type { Decode, Engine, Snapshot } from "../engine/index.ts";
import { isCairnError } from "../errors.ts";
import { storable, type TableColumn, type TableState } from "../tables/inside.ts";
import type { Compiled } from "./compile.ts";
import type { Constraint } from "./constraint.ts";
import type { ResultRow } from "./execute.ts";
import { Frame } from "./frame.ts";
import { projection } from "./projection.ts";
import type { Test } from "./scan.ts";

/** What a point answers for a key that cannot be written: the query runs as others do. */
export const notAPoint: unique symbol = Symbol("not a point");

interface Pin {
  readonly column: TableColumn;
  readonly value: Constraint["value"];
}

export class Point {
  readonly #state: TableState;
  readonly #pins: readonly Pin[];
  readonly #positions: readonly number[];
  readonly #values: unknown[];
  readonly #take: Decode<ResultRow | undefined>;
  #parameters: readonly unknown[] = [];

  private constructor(compiled: Compiled, pins: readonly Pin[], tests: readonly Test[]) {
    const [{ state }] = compiled.sources;
    this.#state = state;
    this.#pins = pins;
    this.#positions = pins.map((_pin, at) => at);
    this.#values = new Array(pins.length).fill(null);
    const isWhole = compiled.outputs === undefined && tests.length === 0;
    this.#take = isWhole ? state.codec.decodeRow : this.#reading(compiled, tests);
  }

  /** Undefined for a query of any other kind. */
  static of(compiled: Compiled): Point | undefined {
    const { sources, grouping, after, limit, offset, index } = compiled;
    if (sources.length > 1 || grouping !== undefined || offset > 0 || limit === 0) return undefined;
    if (index !== undefined || after[0].length > 0) return undefined;
    const [{ state, constraints, tests }] = sources;
    const consumed = new Set<number>();
    const pins: Pin[] = [];
    for (const position of state.primaryKey) {
      const found = constraints.find((one) => {
        return one.kind === "equal" && one.column.position === position;
      });
      if (found === undefined) return undefined;
      consumed.add(found.conjunct);
      pins.push(found);
    }
    const rest = tests.filter((_test, at) => !consumed.has(at));
    return new Point(compiled, pins, rest);
  }

  /** Tests and projects the row where it lies. */
  #reading(compiled: Compiled, tests: readonly Test[]): Decode<ResultRow | undefined> {
    const frame = new Frame(1, []);
    const [cell] = frame.cells;
    const project = projection(frame, compiled);
    return (memory, at, length) => {
      cell.memory = memory;
      cell.at = at;
      cell.length = length;
      frame.parameters = this.#parameters;
      for (const test of tests) if (test(frame) !== true) return undefined;
      return project();
    };
  }

  /** Undefined where there is none. The bytes are good until the next key is written. */
  #key(parameters: readonly unknown[]): Uint8Array | undefined | typeof notAPoint {
    const pins = this.#pins;
    const values = this.#values;
    for (let at = 0; at < pins.length; at++) {
      const { column, value } = pins[at];
      const found = storable(column, value(parameters));
      // Nothing that the column can hold is equal to it.
      if (found === undefined) return undefined;
      if (found instanceof Date && Number.isNaN(found.getTime())) return notAPoint;
      values[at] = found;
    }
    try {
      return this.#state.key.encode(values, this.#positions);
    } catch (error) {
      if (isCairnError(error, "key_too_large") || isCairnError(error, "value_invalid")) {
        return notAPoint;
      }
      throw error;
    }
  }

  readSync(
    engine: Engine,
    parameters: readonly unknown[],
    at: Snapshot | undefined,
  ): ResultRow | undefined | typeof notAPoint {
    const key = this.#key(parameters);
    if (key === undefined || key === notAPoint) return key;
    this.#parameters = parameters;
    return engine.readSync(this.#state.rows.id, key, at, 0, this.#take);
  }
}
