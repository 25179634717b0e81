/** Runs a compiled query: batches of rows go through its stages, and come out as results. */
import type { Steps } from "../engine/index.ts";
import { throwIfAborted } from "../transaction/index.ts";
import type { Compiled, CompiledSource } from "./compile.ts";
import { Distinct, Groups } from "./group.ts";
import { HashJoin, type JoinSetup, type JoinStage, type Lookup, LookupJoin } from "./join.ts";
import {
  choosePath,
  hashCost,
  lookupCost,
  type Path,
  rowsPerKey,
  selectivity,
  type Wish,
} from "./path.ts";
import { foldAll, gatheredScan, programOfScan } from "./program.ts";
import { projection } from "./projection.ts";
import type { Push, Run } from "./run.ts";
import { Scan, type Test } from "./scan.ts";
import { Sorter } from "./sort.ts";

/** A row as callers get it. */
export type ResultRow = Record<string, unknown>;

/**
 * What a run answers: rows; how many they are; or rows as `row`, with `keys` that they are sorted
 * by.
 */
export type Answer = "rows" | "count" | "keyed";

/** How the parts of a query were carried out. */
export interface Choices {
  readonly paths: Path[];
  /** By join: how its rows are found. */
  readonly joins: ("hash" | Lookup)[];
  isSorted: boolean;
  /** The core hands out columns of the first table. */
  isGathered: boolean;
}

export class Execution {
  readonly choices: Choices = { paths: [], joins: [], isSorted: false, isGathered: false };
  readonly #run: Run;
  readonly #answer: Answer;
  /** The order in which tables are joined, where it is not told by the query. */
  readonly #better: (() => Steps<Compiled>) | undefined;
  #compiled: Compiled;
  #project: () => ResultRow;
  readonly #stages: JoinStage[] = [];
  readonly #distinct: Distinct | undefined;
  readonly #isCounting: boolean;
  #scan: Scan | undefined;
  #groups: Groups | undefined;
  /** The values of the only group, when the core has gathered them. */
  #folded: unknown[] | undefined;
  #sorter: Sorter<ResultRow> | undefined;
  #output: ResultRow[] = [];
  #skip: number;
  #left: number;
  #count = 0;
  #state: "new" | "running" | "ended" = "new";

  constructor(
    run: Run,
    compiled: Compiled,
    answer: Answer,
    better: (() => Steps<Compiled>) | undefined,
  ) {
    this.#run = run;
    this.#compiled = compiled;
    this.#answer = answer;
    this.#better = better;
    this.#isCounting = answer === "count";
    this.#project = this.#projected();
    this.#distinct = compiled.isDistinct ? new Distinct(run.budget) : undefined;
    this.#skip = compiled.offset;
    this.#left = compiled.limit ?? Number.POSITIVE_INFINITY;
  }

  #projected(): () => ResultRow {
    const project = projection(this.#run.frame, this.#compiled);
    if (this.#answer !== "keyed") return project;
    return () => ({ row: project(), keys: this.#orderValues() });
  }

  /** What it runs, once it has begun. */
  get compiled(): Compiled {
    return this.#compiled;
  }

  /** How many rows have come out of a counting run. */
  get count(): number {
    return this.#count;
  }

  /** The next rows, at least one; undefined at the end. */
  *next(signal?: AbortSignal): Steps<ResultRow[] | undefined> {
    if (this.#state === "new") yield* this.start();
    while (this.#output.length === 0 && this.#state === "running") {
      throwIfAborted(signal);
      if (yield* this.#advance()) continue;
      this.#finish();
      this.#state = "ended";
    }
    const rows = this.#output;
    this.#output = [];
    return rows.length === 0 ? undefined : rows;
  }

  /** Chooses how to run, and reads what joins need before the first row. */
  *start(): Steps<void> {
    this.#state = "running";
    if (this.#better !== undefined) {
      this.#compiled = yield* this.#better();
      this.#project = this.#projected();
    }
    const { compiled, run } = { compiled: this.#compiled, run: this.#run };
    if (this.#left === 0) run.isDone = true;
    const first = compiled.sources[0];
    let path = yield* this.#path(first, this.#wish());
    this.choices.paths.push(path);
    const isOrdered = path.isOrdered && compiled.orderColumns !== undefined;
    this.choices.isSorted = compiled.orders.length > 0 && !isOrdered;
    if (this.choices.isSorted && !this.#isCounting) {
      const most = this.#skip + this.#left;
      const keys = compiled.orders.map(({ key }) => key);
      this.#sorter = new Sorter(keys, most, run.budget);
    }
    let push = this.#sink();
    if (compiled.grouping !== undefined) {
      this.#groups = new Groups(run, compiled.grouping);
      this.#folded = run.isDone ? undefined : yield* foldAll(run, compiled, path);
      if (this.#folded !== undefined) return;
      push = this.#groups.take;
    }
    const setups: JoinSetup[] = [];
    for (let source = compiled.sources.length - 1; source > 0; source--) {
      push = filtered(run, compiled.after[source], push);
      const join = compiled.joins[source - 1];
      const joined = compiled.sources[source];
      setups.unshift({
        run,
        join,
        source,
        compiled: joined,
        first: first.state,
        incoming: path.rows,
        columns: compiled.columns?.[source] ?? [],
        push,
      });
      push = () => this.#stages[source - 1].take();
    }
    push = filtered(run, compiled.after[0], push);
    yield* this.#prepareJoins(setups, path);
    path = yield* this.#reduced(first, path);
    this.choices.paths[0] = path;
    const program = programOfScan(run, first, path);
    const { state } = first;
    const wanted = this.#wanted();
    const canGather =
      wanted === Number.POSITIVE_INFINITY && !this.#stages.some((one) => one instanceof LookupJoin);
    const gathered = canGather ? gatheredScan(run, compiled, path) : undefined;
    this.choices.isGathered = gathered !== undefined;
    const target = { state, source: 0, path, tests: testsOf(first, path), program, gathered };
    this.#scan = new Scan(run, target, push, wanted);
  }

  #wish(): Wish {
    const { sources, orderColumns, orders, isDistinct, joins } = this.#compiled;
    const isCut = this.#groups === undefined && this.#compiled.grouping === undefined;
    const hasLimit = isCut && !isDistinct && joins.length === 0;
    return {
      order: orders.length === 0 ? [] : orderColumns,
      limit: hasLimit ? this.#skip + this.#left : Number.POSITIVE_INFINITY,
      conjuncts: sources[0].tests.length,
      index: this.#compiled.index,
    };
  }

  /** Rows of the first table that will be looked at, if that is known. */
  #wanted(): number {
    const { grouping, isDistinct, joins, after } = this.#compiled;
    const isPlain = grouping === undefined && !isDistinct && joins.length === 0;
    if (!isPlain || after[0].length > 0 || this.#sorter !== undefined) {
      return Number.POSITIVE_INFINITY;
    }
    return this.#skip + this.#left;
  }

  #path(source: CompiledSource, wish: Wish): Steps<Path> {
    const { frame, statistics } = this.#run;
    return choosePath(source, frame.parameters, wish, statistics);
  }

  *#prepareJoins(setups: readonly JoinSetup[], first: Path): Steps<void> {
    const isFiltered = first.consumed.size < this.#compiled.sources[0].tests.length;
    let rows = first.rows * (isFiltered ? selectivity : 1);
    for (const setup of setups) {
      const { compiled } = setup;
      const wish = {
        order: [],
        limit: Number.POSITIVE_INFINITY,
        conjuncts: compiled.tests.length,
        index: undefined,
      };
      const path = yield* this.#path(compiled, wish);
      const lookup = lookupOf(setup);
      const perRow = lookup?.isUnique === true ? lookupCost : lookupCost * rowsPerKey;
      const unit = path.index === undefined ? 1 : lookupCost;
      if (lookup !== undefined && rows * perRow < path.rows * (unit + hashCost)) {
        this.#stages.push(new LookupJoin(setup, lookup));
        this.choices.joins.push(lookup);
      } else {
        this.#stages.push(new HashJoin(setup, path, testsOf(compiled, path)));
        this.choices.joins.push("hash");
      }
      this.choices.paths.push(path);
      if (setup.join.pairs.length === 0) rows *= Math.max(1, path.rows);
    }
    for (const stage of this.#stages) if (!this.#run.isDone) yield* stage.prepare();
  }

  /** The way to the first table, once it is known what its rows must match. */
  *#reduced(first: CompiledSource, path: Path): Steps<Path> {
    const found = this.#stages.flatMap((stage) => {
      return stage instanceof HashJoin ? (stage.reduction() ?? []) : [];
    });
    if (found.length === 0 || path.kind !== "rows") return path;
    const constraints = [...first.constraints, ...found];
    const better = yield* this.#path({ ...first, constraints }, this.#wish());
    const isOrderKept = better.isOrdered || !path.isOrdered || this.choices.isSorted;
    if (!isOrderKept) return path;
    const consumed = new Set([...better.consumed].filter((conjunct) => conjunct >= 0));
    return { ...better, consumed };
  }

  /** One batch through all stages; false behind the last one. */
  *#advance(): Steps<boolean> {
    const scan = this.#scan;
    if (scan === undefined) return false;
    const hasMore = yield* scan.next();
    for (const stage of this.#stages) {
      // What a stage matches with nothing goes on to those behind it.
      if (!hasMore) stage.finish();
      yield* stage.drain();
    }
    return hasMore;
  }

  #finish(): void {
    const groups = this.#groups;
    if (this.#folded !== undefined) groups?.finishWith(this.#folded, this.#sink());
    else groups?.finish(this.#sink());
    const sorter = this.#sorter;
    if (sorter === undefined) return;
    const rows = sorter.sorted();
    const end = Math.min(rows.length, this.#skip + this.#left);
    this.#output = this.#skip === 0 ? rows : rows.slice(this.#skip, end);
    this.#run.counters.rowsReturned += this.#output.length;
  }

  /** What the row in the frame is sorted by. */
  #orderValues(): unknown[] {
    const { orders } = this.#compiled;
    const values: unknown[] = new Array(orders.length);
    for (let index = 0; index < values.length; index++) {
      values[index] = orders[index].of.evaluate(this.#run.frame);
    }
    return values;
  }

  /** The end of all stages. */
  #sink(): Push {
    const run = this.#run;
    const { frame } = run;
    const { outputs } = this.#compiled;
    const distinct = this.#distinct;
    const isNew = (): boolean => {
      if (distinct === undefined || outputs === undefined) return true;
      return distinct.isNew(outputs.map(({ of }) => of.evaluate(frame)));
    };
    const sorter = this.#sorter;
    const project = this.#project;
    if (sorter !== undefined) {
      return () => {
        if (!isNew()) return;
        sorter.add(this.#orderValues(), project);
      };
    }
    return () => {
      if (run.isDone || !isNew()) return;
      if (this.#skip > 0) {
        this.#skip--;
        return;
      }
      this.#count++;
      if (!this.#isCounting) {
        this.#output.push(project());
        run.counters.rowsReturned++;
      }
      if (--this.#left === 0) run.isDone = true;
    };
  }
}

/** The conditions that the path does not say already. */
function testsOf({ tests }: CompiledSource, { consumed }: Path): readonly Test[] {
  return consumed.size === 0 ? tests : tests.filter((_test, at) => !consumed.has(at));
}

function filtered(run: Run, tests: readonly Test[], push: Push): Push {
  if (tests.length === 0) return push;
  return () => {
    for (const test of tests) if (test(run.frame) !== true) return;
    push();
  };
}

/** How the rows of a join can be looked up by its pairs; undefined where no key serves. */
function lookupOf({ join, compiled }: JoinSetup): Lookup | undefined {
  if (join.kind !== "inner" && join.kind !== "left") return undefined;
  const pairOf = (position: number): number =>
    join.pairs.findIndex((pair) => pair.position === position);
  const { state } = compiled;
  let best: Lookup | undefined;
  for (const index of [undefined, ...state.indexes]) {
    if (index !== undefined && (!index.isReady || index.where !== undefined)) continue;
    const columns = index === undefined ? state.primaryKey : index.columns;
    const pairs: number[] = [];
    for (const position of columns) {
      const pair = pairOf(position);
      if (pair < 0) break;
      pairs.push(pair);
    }
    const isWhole = pairs.length === columns.length;
    if (pairs.length === 0 || (index?.kind === "hashed" && !isWhole)) continue;
    const isUnique = isWhole && (index === undefined || index.isUnique);
    if (isUnique) return { index, pairs, isUnique };
    if (best === undefined || pairs.length > best.pairs.length) best = { index, pairs, isUnique };
  }
  return best;
}
