/** The part of a scan or of an aggregate that the core does by itself, over row bytes. */
import type { FoldResult, Program, Steps } from "../engine/index.ts";
import type { Expression } from "../tables/index.ts";
import {
  columnsOf,
  type Gatherer,
  gathererOf,
  programOf,
  StateReader,
  type TableState,
} from "../tables/inside.ts";
import { foldedResult } from "./accumulate.ts";
import type { Compiled, CompiledSource } from "./compile.ts";
import { ownExpression, ownName } from "./own.ts";
import type { Path } from "./path.ts";
import type { Run } from "./run.ts";
import type { Test } from "./scan.ts";

/** The conditions of a table that its path does not say, over its own column names. */
function restOf(run: Run, source: CompiledSource, path: Path): Expression | undefined {
  const of = source.conditions.filter((_condition, at) => !path.consumed.has(at));
  return of.length === 0 ? undefined : own(run, source, { op: "and", of });
}

function own(run: Run, { parameters }: CompiledSource, expression: Expression): Expression {
  return ownExpression(expression, parameters, run.frame.parameters);
}

/** The columns that the core gathers for a scan, and what it leaves to be tested. */
export interface GatheredScan {
  readonly gatherer: Gatherer;
  readonly tests: readonly Test[];
}

/** Fewer rows are read as they are. */
const gatheredLeast = 32;

/** How the core gathers the columns that a query needs of its first table; undefined if not. */
export function gatheredScan(run: Run, compiled: Compiled, path: Path): GatheredScan | undefined {
  const [source] = compiled.sources;
  const columns = compiled.columns?.[0];
  const isRows = path.kind === "rows" && !path.isReverse && path.rows >= gatheredLeast;
  if (columns === undefined || !isRows || !(run.reader instanceof StateReader)) return undefined;
  const { state } = source;
  const judged: Expression[] = [];
  const tests: Test[] = [];
  const positions = new Set(columns);
  source.conditions.forEach((condition, at) => {
    if (path.consumed.has(at)) return;
    const judgedAs = own(run, source, condition);
    if (programOf(state, judgedAs)?.rest.length === 0) {
      judged.push(judgedAs);
      return;
    }
    tests.push(source.tests[at]);
    for (const name of columnsOf(judgedAs)) positions.add(state.column(name).position);
  });
  const where: Expression | undefined = judged.length === 0 ? undefined : { op: "and", of: judged };
  const gatherer = gathererOf(state, [...positions], where, path.rows);
  return gatherer === undefined || gatherer.rest.length > 0 ? undefined : { gatherer, tests };
}

/** What the core can leave out of a scan; the rest, and what it cannot judge, is tested again. */
export function programOfScan(run: Run, source: CompiledSource, path: Path): Program | undefined {
  if (path.kind !== "rows") return undefined;
  const rest = restOf(run, source, path);
  if (rest === undefined) return undefined;
  const { state } = source;
  const part = programOf(state, rest);
  // A program without a test would only cost.
  return part === undefined || part.rest.length === source.conditions.length - path.consumed.size
    ? undefined
    : part.program;
}

/**
 * The aggregates over all rows of one table, gathered in the core; undefined where it cannot.
 * Counting rows that ranges say completely needs no look at them at all.
 */
export function* foldAll(run: Run, compiled: Compiled, path: Path): Steps<unknown[] | undefined> {
  const { grouping, sources } = compiled;
  if (grouping === undefined || grouping.keys.length > 0 || sources.length > 1) return undefined;
  // A condition that reads no column is in no path and no program.
  if (compiled.after[0].length > 0) return undefined;
  const [source] = sources;
  const { state } = source;
  const nodes = grouping.aggregates.map(({ node }) => node);
  const isCount = nodes.every((node) => node.function === "count" && node.of === undefined);
  const isExact = path.consumed.size === source.tests.length;
  const isCounted =
    path.kind === "rows" || (path.kind === "index" && path.index?.kind === "ordered");
  if (isCount && isExact && isCounted && !run.isLent) return nodes.map(() => path.rows);
  if (path.kind !== "rows" || !(run.reader instanceof StateReader)) return undefined;
  const positions = nodes.map((node) => positionOf(state, node.of));
  if (nodes.some(({ isDistinct }) => isDistinct === true) || positions.includes(-1)) {
    return undefined;
  }
  const columns = [...new Set(positions.filter((position) => position !== undefined))];
  const rest = restOf(run, source, path);
  const part = programOf(state, rest, columns);
  if (part === undefined || part.rest.length > 0) return undefined;
  const results: FoldResult[] = [];
  for (const range of path.ranges) {
    const result = yield* run.reader.fold(state.rows, withoutDirection(range), part.program);
    if (result === undefined) return undefined;
    results.push(result);
  }
  run.counters.rowsScanned += path.rows;
  return nodes.map(({ function: name }, at) => {
    const position = positions[at];
    if (position === undefined) return results.reduce((sum, { records }) => sum + records, 0);
    const parts = results.map(({ folded }) => folded[columns.indexOf(position)]);
    return foldedResult(name, state.columns[position].type, parts);
  });
}

function withoutDirection(range: Path["ranges"][number]): Path["ranges"][number] {
  return { ...range, reverse: false };
}

/** The column that an aggregate is of; undefined for rows, -1 for what is no number column. */
function positionOf(state: TableState, of: Expression | undefined): number | undefined {
  if (of === undefined) return undefined;
  if (of.op !== "column") return -1;
  const { position, kind, type } = state.column(ownName(of.name));
  return kind.family === "number" && type !== "u256" && type !== "i256" ? position : -1;
}
