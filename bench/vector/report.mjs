// The tables of bench:vector, from its figures.

/** Queries a second at a recall, between the two points of a curve around it. */
export function qpsAt(points, recall) {
  for (const [at, point] of points.entries()) {
    if (point.recall < recall) continue;
    const before = points[at - 1];
    if (before === undefined) return point.qps;
    const share = (recall - before.recall) / (point.recall - before.recall);
    // Time grows evenly between two points, not speed.
    return 1 / (1 / before.qps + share * (1 / point.qps - 1 / before.qps));
  }
  return undefined;
}

const whole = (value) => (value === undefined ? "-" : Math.round(value).toLocaleString("en"));
const times = (ours, theirs) =>
  ours === undefined || theirs === undefined ? "-" : `${(ours / theirs).toFixed(1)}x`;

export function reportOf(results, rows) {
  const { machine } = results;
  const lines = [
    "# Vectors, measured",
    "",
    `\`${results.command}\` wrote this: ${machine.cpu}, ${machine.system}, Node ${machine.node},`,
    `${machine.pinning}, load average ${machine.loadAverage.join(" ")} (other work disturbs).`,
    "",
    "k = 10, 1,000 held-out queries, recall against an exhaustive comparison in plain JavaScript.",
    "Queries a second are interpolated between the measured points of a curve. `x` is how many",
    "times as fast (or as small) the first row of the same Node is. `cairn` keeps f32 vectors in",
    "memory; `cairn compact` keeps codes only: its recall is that of codes, before rows are read.",
    "",
  ];
  const known = new Set(rows.map(({ name }) => name));
  const others = Object.keys(results.runs).filter((name) => !known.has(name));
  for (const name of [...known, ...others]) {
    if (results.runs[name] !== undefined) lines.push(...rowTable(name, results.runs[name]));
  }
  return `${lines.join("\n")}\n`;
}

function rowTable(name, runs) {
  const [first] = Object.values(runs);
  const lines = [
    `## ${name}: ${whole(first.count)} vectors of ${first.dimensions} dimensions`,
    "",
    "| engine | build /s | x | QPS @ .95 | x | QPS @ .99 | x | bytes/vector | highest recall |",
    "|---|---|---|---|---|---|---|---|---|",
  ];
  for (const [engine, run] of Object.entries(runs)) {
    const ours = runs[engine.includes("Node 24") ? "cairn, Node 24" : "cairn"];
    const at = (recall) => qpsAt(run.curve, recall);
    const our = (recall) => (ours === undefined ? undefined : qpsAt(ours.curve, recall));
    const highest = Math.max(...run.curve.map(({ recall }) => recall));
    lines.push(
      `| ${engine} | ${whole(run.vectorsPerSecond)} | ` +
        `${times(ours?.vectorsPerSecond, run.vectorsPerSecond)} | ` +
        `${whole(at(0.95))} | ${times(our(0.95), at(0.95))} | ` +
        `${whole(at(0.99))} | ${times(our(0.99), at(0.99))} | ` +
        `${whole(run.bytesPerVector)} | ${highest.toFixed(4)} |`,
    );
  }
  lines.push("", ...filterTable(runs), ...imageTable(runs), ...churnLines(runs));
  return lines;
}

function filterTable(runs) {
  const having = Object.entries(runs).filter(([, run]) => run.filters !== undefined);
  if (having.length === 0) return [];
  const shares = having[0][1].filters.map(({ share }) => share);
  const lines = [
    "Filtered, queries a second at recall .95:",
    "",
    `| engine | ${shares.map((share) => `${share * 100} % | x`).join(" | ")} |`,
    `|---|${shares.map(() => "---|---|").join("")}`,
  ];
  for (const [engine, run] of having) {
    const cells = run.filters.map(({ points }, at) => {
      const ours = qpsAt(runs.cairn?.filters?.[at].points ?? [], 0.95);
      return `${whole(qpsAt(points, 0.95))} | ${times(ours, qpsAt(points, 0.95))}`;
    });
    lines.push(`| ${engine} | ${cells.join(" | ")} |`);
  }
  return [...lines, ""];
}

function imageTable(runs) {
  const having = Object.entries(runs).filter(([, run]) => run.image !== undefined);
  if (having.length === 0) return [];
  const lines = ["| engine | image, bytes/vector | write ms | load ms |", "|---|---|---|---|"];
  for (const [engine, { image }] of having) {
    const { bytesPerVector, writeMs, loadMs } = image;
    lines.push(`| ${engine} | ${whole(bytesPerVector)} | ${whole(writeMs)} | ${whole(loadMs)} |`);
  }
  return [...lines, ""];
}

function churnLines(runs) {
  return Object.entries(runs).flatMap(([engine, { churn }]) =>
    churn === undefined
      ? []
      : [
          `${engine}, five rounds of a fifth of all replaced: recall at ef ${churn.ef} ` +
            `${churn.before.toFixed(4)} before, ${churn.after.toFixed(4)} after; ` +
            `${churn.usPerDelete.toFixed(0)} us for a delete with repair; ` +
            `${churn.unreachable} unreachable.`,
          "",
        ],
  );
}
