/** A resolved query made runnable: every condition in its place, every type checked. */
import type { Expression } from "../tables/index.ts";
import {
  type ColumnSource,
  columnsOf,
  compileExpression,
  compilePredicate,
  type Evaluator,
  type TableState,
  type ValueKind,
} from "../tables/inside.ts";
import { aggregateMaker } from "./accumulate.ts";
import { alternativesOf, type Constraint, constraintsOf } from "./constraint.ts";
import { type Frame, frameColumns, type Parameters, sourceOfName } from "./frame.ts";
import { type Grouping, requireNamed } from "./group.ts";
import type { OrderColumn } from "./path.ts";
import type { JoinKind } from "./plan.ts";
import type { Resolved } from "./resolve.ts";
import { sourcesOf } from "./rewrite.ts";
import type { Test } from "./scan.ts";
import { type SortKey, sortKey } from "./sort.ts";

/** The rows of one table that take part. */
export interface CompiledSource {
  readonly alias: string;
  readonly state: TableState;
  /** Conditions on this table alone that its scan can test. */
  readonly tests: readonly Test[];
  /** The same, as they were written. */
  readonly conditions: readonly Expression[];
  readonly constraints: readonly Constraint[];
  /** By condition that is an `or`: the constraints of each branch. */
  readonly alternatives: readonly (readonly (readonly Constraint[])[])[];
  /** The names of the parameters of a run. */
  readonly parameters: readonly string[];
}

/** Two expressions that are equal in rows that belong together. */
export interface KeyPair {
  /** Over the sources before. */
  readonly left: Evaluator<Frame>;
  /** Over the source that is joined. */
  readonly right: Evaluator<Frame>;
  /** Of `right`, when it is a column as it is. */
  readonly position: number | undefined;
  /** Of `left`, when it is a column of the first table as it is. */
  readonly first: number | undefined;
}

export interface CompiledJoin {
  readonly kind: JoinKind;
  readonly pairs: readonly KeyPair[];
  /** What else must be true of rows that belong together. */
  readonly tests: readonly Test[];
}

export interface Compiled {
  readonly sources: readonly CompiledSource[];
  /** Places of the tables in the order in which they were written. */
  readonly written: readonly number[];
  readonly joins: readonly CompiledJoin[];
  /** By stage: conditions on what comes out of it. Stage 0 is the first table. */
  readonly after: readonly (readonly Test[])[];
  readonly grouping: Grouping | undefined;
  readonly outputs: readonly { readonly name: string; readonly of: Evaluator<Frame> }[] | undefined;
  readonly orders: readonly { readonly of: Evaluator<Frame>; readonly key: SortKey }[];
  /** The order as columns of the first table; undefined where a scan cannot give it. */
  readonly orderColumns: readonly OrderColumn[] | undefined;
  readonly isDistinct: boolean;
  readonly limit: number | undefined;
  readonly offset: number;
  /** The index that the first table is to be read by. */
  readonly index: string | undefined;
  /**
   * By source: columns, by position, that are read behind its own conditions; undefined for all.
   */
  readonly columns: readonly (readonly number[])[] | undefined;
}

/** @throws CairnError `type_mismatch`, `expression_invalid`. */
export function compileQuery(resolved: Resolved, parameters: Parameters): Compiled {
  return new Compiler(resolved, parameters).run();
}

class Compiler {
  readonly #resolved: Resolved;
  readonly #parameters: Parameters;
  readonly #states: readonly TableState[];
  readonly #isOuter: readonly boolean[];
  readonly #columns: ColumnSource<Frame>;
  readonly #pushed: Expression[][];
  readonly #after: Test[][];

  constructor(resolved: Resolved, parameters: Parameters) {
    this.#resolved = resolved;
    this.#parameters = parameters;
    this.#states = resolved.sources.map(({ state }) => state);
    this.#isOuter = this.#states.map((_state, source) => isOuter(resolved, source));
    this.#columns = frameColumns(this.#states, this.#isOuter, parameters, []);
    this.#pushed = this.#states.map(() => []);
    this.#after = this.#states.map(() => []);
  }

  run(): Compiled {
    const { sources, limit, offset, isDistinct, index } = this.#resolved;
    const joins = this.#resolved.joins.map((join, at) => this.#join(join, at + 1));
    for (const condition of this.#resolved.where) this.#place(condition);
    const grouping = this.#grouping();
    const kinds: ValueKind[] = [
      ...(grouping?.keys.map(({ kind }) => kind) ?? []),
      ...(grouping?.aggregates.map(({ maker }) => maker.kind) ?? []),
    ];
    const { outputs, orders } = this.#ends(kinds);
    return {
      written: this.#resolved.written ?? sources.map((_source, place) => place),
      sources: sources.map(({ alias, state }, source) => ({
        alias,
        state,
        tests: this.#pushed[source].map((one) => this.#test(one)),
        conditions: this.#pushed[source],
        parameters: this.#parameters.names,
        constraints: constraintsOf(state, this.#pushed[source], this.#parameters),
        alternatives: alternativesOf(state, this.#pushed[source], this.#parameters),
      })),
      joins,
      after: this.#after,
      grouping: grouping && { ...grouping, having: this.#having(kinds) },
      outputs,
      orders,
      orderColumns: this.#orderColumns(),
      isDistinct,
      limit,
      offset,
      index,
      columns: this.#columnsRead(),
    };
  }

  #columnsRead(): number[][] | undefined {
    const { outputs, joins, where, groups, aggregates, having, orders } = this.#resolved;
    if (outputs === undefined) return undefined;
    const pushed = new Set(this.#pushed.flat());
    const names = new Set<string>();
    const conditions = [...joins.flatMap(({ on }) => on), ...where];
    for (const one of conditions) if (!pushed.has(one)) columnsOf(one, names);
    for (const one of [...groups, ...aggregates, ...having]) columnsOf(one, names);
    for (const { value } of [...outputs, ...orders]) columnsOf(value, names);
    const found: number[][] = this.#states.map(() => []);
    for (const name of names) {
      const source = sourceOfName(name);
      if (source === undefined) continue;
      const own = name.slice(name.indexOf(".") + 1);
      found[source].push(this.#states[source].column(own).position);
    }
    return found;
  }

  #test(expression: Expression): Test {
    return compilePredicate(expression, this.#columns);
  }

  /** Where a condition on the result can be tested first. */
  #place(condition: Expression): void {
    const sources = [...sourcesOf(condition)];
    const { joins } = this.#resolved;
    if (sources.length === 1 && !this.#isOuter[sources[0]]) {
      this.#pushed[sources[0]].push(condition);
      return;
    }
    let stage = Math.max(0, ...sources);
    joins.forEach(({ kind }, index) => {
      // It adds rows without those before it, which the condition has not seen.
      if (kind === "right" || kind === "full") stage = Math.max(stage, index + 1);
    });
    this.#after[stage].push(this.#test(condition));
  }

  #join({ kind, on }: Resolved["joins"][number], source: number): CompiledJoin {
    const pairs: KeyPair[] = [];
    const tests: Test[] = [];
    for (const condition of on) {
      const isOwn = [...sourcesOf(condition)].every((one) => one === source);
      if (isOwn && sourcesOf(condition).size > 0 && (kind === "inner" || kind === "left")) {
        // Rows that fail it match nothing.
        this.#pushed[source].push(condition);
        continue;
      }
      const pair = this.#pair(condition, source);
      if (pair === undefined) tests.push(this.#test(condition));
      else pairs.push(pair);
    }
    return { kind, pairs, tests };
  }

  /** The sides of `left = right`, when one is of `source` alone and the other of those before. */
  #pair(condition: Expression, source: number): KeyPair | undefined {
    if (condition.op !== "eq") return undefined;
    const { left, right } = condition;
    const isOf = (expression: Expression, own: boolean): boolean => {
      const sources = [...sourcesOf(expression)];
      return sources.length > 0 && sources.every((one) => (one === source) === own);
    };
    const isTurned = isOf(left, true) && isOf(right, false);
    if (!isTurned && !(isOf(left, false) && isOf(right, true))) return undefined;
    const own = isTurned ? left : right;
    // Compiled as a whole, for its types to be checked.
    this.#test(condition);
    const other = isTurned ? right : left;
    return {
      left: compileExpression(other, this.#columns),
      right: compileExpression(own, this.#columns),
      position: this.#position(own, source),
      first: this.#position(other, 0),
    };
  }

  /** Of an expression that is a column of a source as it is. */
  #position(expression: Expression, source: number): number | undefined {
    if (expression.op !== "column" || sourceOfName(expression.name) !== source) return undefined;
    const name = expression.name.slice(expression.name.indexOf(".") + 1);
    return this.#states[source].column(name).position;
  }

  #grouping(): Omit<Grouping, "having"> | undefined {
    const { isGrouped, groups, aggregates } = this.#resolved;
    if (!isGrouped) return undefined;
    const keys = groups.map((one) => compileExpression(one, this.#columns));
    for (const { kind } of keys) requireNamed(kind, "group by");
    const sources = new Set(groups.flatMap((one) => [...sourcesOf(one)]));
    const [source] = sources;
    return {
      keys,
      source: sources.size === 1 && source > 0 ? source : undefined,
      aggregates: aggregates.map((aggregate) => {
        const inner = aggregate.of;
        const of = inner === undefined ? undefined : compileExpression(inner, this.#columns);
        if (of !== undefined && aggregate.isDistinct) requireNamed(of.kind, "tell apart");
        return { of, maker: aggregateMaker(aggregate, of?.kind), node: aggregate };
      }),
    };
  }

  #behind(kinds: readonly ValueKind[]): ColumnSource<Frame> {
    return frameColumns(this.#states, this.#isOuter, this.#parameters, kinds);
  }

  #having(kinds: readonly ValueKind[]): Test[] {
    const columns = this.#behind(kinds);
    return this.#resolved.having.map((one) => compilePredicate(one, columns));
  }

  #ends(kinds: readonly ValueKind[]): Pick<Compiled, "outputs" | "orders"> {
    const columns = this.#behind(kinds);
    const outputs = this.#resolved.outputs?.map(({ name, value }) => ({
      name,
      of: compileExpression(value, columns),
    }));
    if (this.#resolved.isDistinct) {
      for (const { of } of outputs ?? []) requireNamed(of.kind, "tell apart");
    }
    const orders = this.#resolved.orders.map(({ value, isDescending }) => {
      const of = compileExpression(value, columns);
      return { of, key: sortKey(of.kind, isDescending) };
    });
    return { outputs, orders };
  }

  #orderColumns(): OrderColumn[] | undefined {
    const { orders, isGrouped, joins } = this.#resolved;
    if (isGrouped || joins.some(({ kind }) => kind === "right" || kind === "full")) {
      return undefined;
    }
    const columns: OrderColumn[] = [];
    for (const { value, isDescending } of orders) {
      if (value.op !== "column" || sourceOfName(value.name) !== 0) return undefined;
      const { position } = this.#states[0].column(value.name.slice(2));
      columns.push({ position, isDescending });
    }
    return columns;
  }
}

/** True when a row of the result may lack this source. */
function isOuter({ joins }: Resolved, source: number): boolean {
  return joins.some(({ kind }, index) => {
    const joined = index + 1;
    if (kind === "full") return source <= joined;
    return kind === "left" ? source === joined : kind === "right" && source < joined;
  });
}
