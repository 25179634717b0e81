/** A query that is run often, with other values each time. */
import type { AsyncRows, SyncRows } from "../kv/index.ts";
import type { ParameterValues, QueryCore, QueryOptions } from "./core.ts";
import type { Page, PageOptions } from "./page.ts";
import { notAPoint } from "./point.ts";
import type { Query } from "./query.ts";

type Options = Omit<QueryOptions, "parameters">;

/**
 * A query with parameters: names and types are checked and conditions made runnable once for each
 * combination of types, not for each run; the way to the rows is chosen for the values at hand.
 * Methods answer as those of {@link Query}.
 */
export class PreparedQuery<R, P extends ParameterValues> {
  readonly #query: Query<never, R>;
  readonly #core: QueryCore;

  /** Not for applications: `query.prepare` makes it. */
  constructor(query: Query<never, R>, core: QueryCore) {
    this.#query = query;
    this.#core = core;
  }

  all(parameters: P, options?: Options): Promise<R[]> {
    return this.#query.all({ ...options, parameters });
  }

  allSync(parameters: P, options?: Options): R[] {
    const point = this.#core.point(parameters, options, false);
    if (point !== notAPoint) return (point === undefined ? [] : [point]) as R[];
    return this.#query.allSync({ ...options, parameters });
  }

  first(parameters: P, options?: Options): Promise<R | undefined> {
    return this.#query.first({ ...options, parameters });
  }

  firstSync(parameters: P, options?: Options): R | undefined {
    const point = this.#core.first.point(parameters, options, false);
    if (point !== notAPoint) return point as R | undefined;
    return this.#query.firstSync({ ...options, parameters });
  }

  rows(parameters: P, options?: Options): AsyncRows<R> {
    return this.#query.rows({ ...options, parameters });
  }

  rowsSync(parameters: P, options?: Options): SyncRows<R> {
    return this.#query.rowsSync({ ...options, parameters });
  }

  count(parameters: P, options?: Options): Promise<number> {
    return this.#query.count({ ...options, parameters });
  }

  countSync(parameters: P, options?: Options): number {
    return this.#query.countSync({ ...options, parameters });
  }

  page(parameters: P, options: Omit<PageOptions, "parameters">): Promise<Page<R>> {
    return this.#query.page({ ...options, parameters });
  }
}
