/** Queries whose rows are made into something else, with an error that says which could not be. */
import { CairnError } from "../errors.ts";
import type { Context } from "../kv/index.ts";
import type { StandardResult, StandardSchema } from "../tables/index.ts";
import type { Attempt } from "../transaction/index.ts";
import type { QueryOptions } from "./core.ts";
import type { Page, PageOptions, PageWithTotal } from "./page.ts";
import type { Query } from "./query.ts";

/** What makes something of a row: a function, or a validator of another package. */
export type RowDecoder<R, T> = ((row: R) => T) | StandardSchema<unknown, T>;

/**
 * A query that answers what a decoder makes of its rows. Methods answer as those of {@link Query},
 * and `row_decode_failed`; those with `Sync` in their name also `schema_asynchronous`.
 */
export class DecodedQuery<T> {
  readonly #query: Query<never, unknown>;
  readonly #decoder: RowDecoder<unknown, T>;

  /** Not for applications: `query.decode` makes it. */
  constructor(query: Query<never, unknown>, decoder: RowDecoder<unknown, T>) {
    this.#query = query;
    this.#decoder = decoder;
  }

  /** Not for applications: `transaction.query` calls it. */
  joinTransaction(context: Context, attempt: Attempt): DecodedQuery<T> {
    return new DecodedQuery(this.#query.joinTransaction(context, attempt), this.#decoder);
  }

  async all(options?: QueryOptions): Promise<T[]> {
    return await this.#decodeAll(await this.#query.all(options));
  }

  allSync(options?: QueryOptions): T[] {
    return this.#query.allSync(options).map((row, at) => this.#decodeSync(row, at));
  }

  async first(options?: QueryOptions): Promise<T | undefined> {
    const row = await this.#query.first(options);
    return row === undefined ? undefined : await this.#decode(row, 0);
  }

  firstSync(options?: QueryOptions): T | undefined {
    const row = this.#query.firstSync(options);
    return row === undefined ? undefined : this.#decodeSync(row, 0);
  }

  /** One after the other, as they are found. */
  async *rows(options?: QueryOptions): AsyncGenerator<T, void, undefined> {
    let at = 0;
    for await (const row of this.#query.rows(options)) yield await this.#decode(row, at++);
  }

  page(options: PageOptions & { readonly total: true }): Promise<PageWithTotal<T>>;
  page(options: PageOptions): Promise<Page<T>>;
  async page(options: PageOptions): Promise<Page<T>> {
    const page = await this.#query.page(options);
    return { ...page, rows: await this.#decodeAll(page.rows) };
  }

  pageSync(options: PageOptions & { readonly total: true }): PageWithTotal<T>;
  pageSync(options: PageOptions): Page<T>;
  pageSync(options: PageOptions): Page<T> {
    const page = this.#query.pageSync(options);
    return { ...page, rows: page.rows.map((row, at) => this.#decodeSync(row, at)) };
  }

  async #decodeAll(rows: readonly unknown[]): Promise<T[]> {
    const decoded: T[] = [];
    for (const [at, row] of rows.entries()) decoded.push(await this.#decode(row, at));
    return decoded;
  }

  async #decode(row: unknown, at: number): Promise<T> {
    const decoder = this.#decoder;
    if (typeof decoder === "function") return calledWith(decoder, row, at);
    return valueIn(await decoder["~standard"].validate(row), at);
  }

  #decodeSync(row: unknown, at: number): T {
    const decoder = this.#decoder;
    if (typeof decoder === "function") return calledWith(decoder, row, at);
    const result = decoder["~standard"].validate(row);
    if (!(result instanceof Promise)) return valueIn(result, at);
    result.catch(() => undefined);
    throw new CairnError(
      "schema_asynchronous",
      "Cannot decode a row in this turn: the validator answered with a promise. Use the awaited " +
        "form.",
    );
  }
}

function calledWith<R, T>(decoder: (row: R) => T, row: R, at: number): T {
  try {
    return decoder(row);
  } catch (cause) {
    throw new CairnError(
      "row_decode_failed",
      `Cannot decode row ${at} of a query: the decoder threw an error, which is the cause.`,
      { cause, details: { row: at } },
    );
  }
}

function valueIn<T>(result: StandardResult<T>, at: number): T {
  if (result.issues === undefined) return result.value;
  const { issues } = result;
  throw new CairnError(
    "row_decode_failed",
    `Cannot decode row ${at} of a query: the validator found ${issues.length} ` +
      `${issues.length === 1 ? "issue" : "issues"} with it. details has the first one.`,
    { details: { row: at, issues: issues.length, issue: issues[0]?.message ?? "" } },
  );
}
