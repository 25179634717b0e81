/**
 * Columns of many rows at once: the core takes them out of the rows (assembly/tables/gather.ts has
 * the bytes), and each becomes a typed array. Nothing is made for a row.
 */
import { gatherBytes } from "../../bindings/status.ts";
import type { Decode, Gathering } from "../engine/index.ts";
import type { Expression } from "./expression.ts";
import { gatheringProgram, type ProgramPart, programOf } from "./program.ts";
import { decodeShortText } from "./short-text.ts";
import type { TableState } from "./state.ts";
import type { ColumnType } from "./types.ts";

const headBytes = 32;
const columnBytes = 16;
const columnsMost = 16;
/** Rows of a batch: their columns stay in the cache. */
const rowsMost = 8_192;
/** The core ends a batch when there is not room for as many: assembly/tables/gather.ts. */
const leafRows = 512;
const typeCodes = { whole: 0, word: 1, byte: 2, variable: 3 } as const;
const widths = { whole: 8, word: 8, byte: 1, variable: 4 } as const;

type Form = keyof typeof typeCodes;

function formOf(type: ColumnType): Form | undefined {
  switch (type) {
    case "integer":
      return "whole";
    case "float":
    case "i64":
    case "u64":
    case "timestamp":
      return "word";
    case "u8":
    case "boolean":
      return "byte";
    case "text":
    case "blob":
      return "variable";
    default:
      return undefined;
  }
}

/** One column of the rows that were gathered last. Only the arrays of its type have room. */
export class GatheredColumn {
  readonly numbers: Float64Array;
  readonly signed: BigInt64Array;
  readonly unsigned: BigUint64Array;
  readonly small: Uint8Array;
  /** Where the bytes of each row end in `heap`. */
  readonly ends: Uint32Array;
  /** They begin where those of the variable column before them end, `shift` rows before. */
  before: Uint32Array;
  shift = 0;
  heap: Uint8Array;
  /** Null bits of all columns, and the one of this column. */
  readonly nulls: Uint16Array;
  readonly bit: number;

  constructor(form: Form | undefined, rows: number, nulls: Uint16Array, bit: number) {
    const words = new ArrayBuffer(form === "whole" || form === "word" ? rows * 8 : 0);
    this.numbers = new Float64Array(words);
    this.signed = new BigInt64Array(words);
    this.unsigned = new BigUint64Array(words);
    this.small = new Uint8Array(form === "byte" ? rows : 0);
    this.ends = new Uint32Array(form === "variable" ? rows : 0);
    this.before = this.ends;
    this.heap = this.small;
    this.nulls = nulls;
    this.bit = bit;
  }
}

/** Reads the value of a row out of its column. */
export type ReadGathered = (column: GatheredColumn, row: number) => unknown;

function startOf({ before, shift }: GatheredColumn, row: number): number {
  return row < shift ? 0 : before[row - shift];
}

/** How values of a type are read; undefined where the type is not gathered. */
export function readerOfGathered(type: ColumnType): ReadGathered | undefined {
  switch (type) {
    case "integer":
    case "float":
      return (column, row) => column.numbers[row];
    case "i64":
      return (column, row) => column.signed[row];
    case "u64":
      return (column, row) => column.unsigned[row];
    case "timestamp":
      return (column, row) => new Date(Number(column.signed[row] / 1_000n));
    case "u8":
      return (column, row) => column.small[row];
    case "boolean":
      return (column, row) => column.small[row] === 1;
    case "text":
      return (column, row) => {
        const from = startOf(column, row);
        return decodeShortText(column.heap, from, column.ends[row] - from);
      };
    case "blob":
      return (column, row) => column.heap.slice(startOf(column, row), column.ends[row]);
    default:
      return undefined;
  }
}

/** Takes some columns out of the rows of a table. */
export class Gatherer {
  readonly gathering: Gathering;
  /** By position; undefined for those that are not gathered. */
  readonly columns: readonly (GatheredColumn | undefined)[];
  /** Conditions that the core does not judge. */
  readonly rest: readonly Expression[];
  readonly #forms: readonly { readonly form: Form; readonly column: GatheredColumn }[];
  readonly #places: readonly number[];
  readonly #nulls: Uint16Array;
  readonly #nullsAt: number;
  readonly #heapAt: number;
  readonly #rowBytes: number;
  #heap: Uint8Array = new Uint8Array(0);
  /** What the rows that were gathered last took. */
  bytes = 0;

  constructor(
    state: TableState,
    positions: readonly number[],
    { program, rest }: ProgramPart,
    expected: number,
  ) {
    this.rest = rest;
    const forms = positions.map((position) => formOf(state.columns[position].type) ?? "byte");
    const hasBytes = forms.includes("variable");
    const head = headBytes + columnBytes * positions.length;
    let rowBytes = 2;
    for (const form of forms) rowBytes += widths[form];
    this.#rowBytes = rowBytes;
    const room = gatherBytes - head - 8 * (positions.length + 2);
    const most = Math.floor((hasBytes ? room / 2 : room) / rowBytes);
    const rows = Math.min(rowsMost, expected + 2 * leafRows, most) & ~7;
    let at = head;
    const take = (bytes: number): number => {
      const from = (at + 7) & ~7;
      at = from + bytes;
      return from;
    };
    this.#places = forms.map((form) => take(widths[form] * rows));
    this.#nullsAt = take(2 * rows);
    this.#heapAt = take(0);
    this.#nulls = new Uint16Array(rows);
    const columns: (GatheredColumn | undefined)[] = new Array(state.columns.length).fill(undefined);
    this.#forms = forms.map((form, index) => {
      const column = new GatheredColumn(form, rows, this.#nulls, 1 << index);
      columns[positions[index]] = column;
      return { form, column };
    });
    this.columns = columns;
    linkVariables(this.#forms.flatMap(({ form, column }) => (form === "variable" ? column : [])));
    const plan = new Uint8Array(head);
    const view = new DataView(plan.buffer);
    view.setUint32(4, rows, true);
    view.setUint32(8, positions.length, true);
    view.setUint32(12, this.#nullsAt, true);
    view.setUint32(20, gatherBytes - this.#heapAt, true);
    view.setUint32(24, this.#heapAt, true);
    positions.forEach((position, index) => {
      const from = headBytes + columnBytes * index;
      const { bit, offset, first } = state.codec.placeOf(position);
      view.setUint8(from, typeCodes[forms[index]]);
      view.setUint16(from + 2, bit, true);
      view.setUint32(from + 4, offset, true);
      view.setUint32(from + 8, first, true);
      view.setUint32(from + 12, this.#places[index], true);
    });
    this.gathering = { program: gatheringProgram(program), plan };
  }

  /** Copies what was gathered into the columns: how many rows. */
  readonly decode: Decode<number> = (memory, at) => {
    const view = new DataView(memory.buffer, memory.byteOffset + at, headBytes);
    const rows = view.getUint32(0, true);
    const bytes = view.getUint32(16, true);
    this.bytes = rows * this.#rowBytes + bytes;
    const copy = (target: ArrayBufferLike, from: number, length: number): void => {
      new Uint8Array(target).set(memory.subarray(at + from, at + from + length));
    };
    this.#forms.forEach(({ form, column }, index) => {
      const { buffer } =
        form === "byte" ? column.small : form === "variable" ? column.ends : column.numbers;
      copy(buffer, this.#places[index], widths[form] * rows);
    });
    copy(this.#nulls.buffer, this.#nullsAt, 2 * rows);
    if (bytes > this.#heap.length) this.#heap = new Uint8Array(Math.max(bytes, 65_536));
    this.#heap.set(memory.subarray(at + this.#heapAt, at + this.#heapAt + bytes));
    for (const { form, column } of this.#forms) if (form === "variable") column.heap = this.#heap;
    return rows;
  };
}

/** Bytes of a row lie one behind the other, and behind those of the row before. */
function linkVariables(columns: readonly GatheredColumn[]): void {
  columns.forEach((column, index) => {
    const last = columns[columns.length - 1];
    column.before = index === 0 ? last.ends : columns[index - 1].ends;
    column.shift = index === 0 ? 1 : 0;
  });
}

/**
 * Undefined where a column is of a type that is not gathered, or there are too many. `expected`:
 * how many rows there may be in all.
 */
export function gathererOf(
  state: TableState,
  positions: readonly number[],
  where: Expression | undefined,
  expected: number = rowsMost,
): Gatherer | undefined {
  if (positions.length > columnsMost) return undefined;
  if (positions.some((position) => formOf(state.columns[position].type) === undefined)) {
    return undefined;
  }
  const part = programOf(state, where);
  return part === undefined ? undefined : new Gatherer(state, positions, part, expected);
}
