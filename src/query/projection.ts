/** Results made of rows on their way. */
import type { Compiled } from "./compile.ts";
import type { ResultRow } from "./execute.ts";
import type { Frame } from "./frame.ts";

/** Makes the result of the row in the frame. */
export function projection(frame: Frame, compiled: Compiled): () => ResultRow {
  const { outputs, sources, written } = compiled;
  if (outputs !== undefined) {
    const template = Object.fromEntries(outputs.map(({ name }) => [name, null]));
    return () => {
      const row: ResultRow = { ...template };
      for (const { name, of } of outputs) row[name] = of.evaluate(frame);
      return row;
    };
  }
  const decoders = sources.map(({ state }) => state.codec.decodeRow);
  if (sources.length === 1) {
    const [decode] = decoders;
    const [cell] = frame.cells;
    return () => decode(cell.memory, cell.at, 0);
  }
  return () => {
    const row: ResultRow = {};
    for (const source of written) {
      const { memory, at } = frame.cells[source];
      row[sources[source].alias] = at < 0 ? null : decoders[source](memory, at, 0);
    }
    return row;
  };
}
