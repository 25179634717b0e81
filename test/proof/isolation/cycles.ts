/** Directed graphs over numbers, with kinds of edges, and the cycles in them. */

export class Graph {
  /** For each node: target, kind, target, kind, … */
  readonly edges: number[][] = [];

  add(from: number, to: number, kind: number): void {
    if (from === to) return;
    while (this.edges.length <= Math.max(from, to)) this.edges.push([]);
    this.edges[from].push(to, kind);
  }

  /** Groups of more than one node that can all reach each other, over edges of these kinds. */
  knots(kinds: number): number[][] {
    const { edges } = this;
    const order = new Int32Array(edges.length).fill(-1);
    const low = new Int32Array(edges.length);
    const isOpen = new Uint8Array(edges.length);
    const open: number[] = [];
    const knots: number[][] = [];
    let next = 0;
    for (let root = 0; root < edges.length; root++) {
      if (order[root] >= 0) continue;
      const path: [node: number, at: number][] = [[root, 0]];
      while (path.length > 0) {
        const top = path[path.length - 1];
        const [node] = top;
        if (top[1] === 0) {
          order[node] = low[node] = next++;
          open.push(node);
          isOpen[node] = 1;
        }
        const list = edges[node];
        let isDeeper = false;
        while (top[1] < list.length) {
          const to = list[top[1]];
          const kind = list[top[1] + 1];
          top[1] += 2;
          if ((kind & kinds) === 0) continue;
          if (order[to] < 0) {
            path.push([to, 0]);
            isDeeper = true;
            break;
          }
          if (isOpen[to] === 1) low[node] = Math.min(low[node], order[to]);
        }
        if (isDeeper) continue;
        // A node without edges comes here with its index still 0.
        path.pop();
        if (path.length > 0) {
          const parent = path[path.length - 1][0];
          low[parent] = Math.min(low[parent], low[node]);
        }
        if (low[node] !== order[node]) continue;
        const knot: number[] = [];
        for (;;) {
          const member = open.pop() as number;
          isOpen[member] = 0;
          knot.push(member);
          if (member === node) break;
        }
        if (knot.length > 1) knots.push(knot);
      }
    }
    return knots;
  }

  /** The shortest way over edges of these kinds, within `allowed`; undefined when there is none. */
  path(
    from: number,
    to: number,
    kinds: number,
    allowed: ReadonlySet<number>,
  ): { node: number; kind: number }[] | undefined {
    const before = new Map<number, { node: number; kind: number }>();
    let front = [from];
    while (front.length > 0) {
      const next: number[] = [];
      for (const node of front) {
        const list = this.edges[node] ?? [];
        for (let at = 0; at < list.length; at += 2) {
          const target = list[at];
          const kind = list[at + 1];
          if ((kind & kinds) === 0 || before.has(target) || !allowed.has(target)) continue;
          before.set(target, { node, kind });
          if (target === to) return trace(before, from, to);
          next.push(target);
        }
      }
      front = next;
    }
    return undefined;
  }
}

function trace(
  before: ReadonlyMap<number, { node: number; kind: number }>,
  from: number,
  to: number,
): { node: number; kind: number }[] {
  const steps: { node: number; kind: number }[] = [];
  let node = to;
  do {
    const step = before.get(node);
    if (step === undefined) break;
    steps.unshift({ node, kind: step.kind });
    node = step.node;
  } while (node !== from);
  return steps;
}
