// Writes bench/results/REPORT.md from the figures: compare.json and ours.json. Run alone, it writes
// the report again without measuring.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bars, unitOf } from "./compare/bars.mjs";
import { readResults } from "./harness/results.mjs";
import { median, summary } from "./harness/statistics.mjs";
import { limits } from "./ours/limits.mjs";

/** `prefix` names the files of a smoke run. */
export function writeReport(folder, prefix) {
  const path = (name) =>
    join(folder, prefix === "" ? name : `${prefix}${name === "REPORT.md" ? ".md" : ".json"}`);
  const text = ["# CairnDB, measured", "", "Written by `bench/report.mjs`; do not edit.", ""];
  const compared = path("compare.json");
  if (existsSync(compared)) text.push(...comparison(readResults(compared)));
  const ours = join(folder, "ours.json");
  if (prefix === "" && existsSync(ours)) text.push(...alone(readResults(ours)));
  writeFileSync(path("REPORT.md"), `${text.join("\n")}\n`);
  console.log(`${path("REPORT.md")} written`);
}

function machineLines({ machine, records }) {
  return [
    `${machine.date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} ` +
      `GiB, ${machine.system}, ${machine.fileSystem}; Node ${machine.node}; ${machine.pinning}; ` +
      `load average at the start ${machine.loadAverage.join(", ")}.`,
    ...(records === undefined
      ? []
      : [`${grouped(records)} records of 16-byte keys and 100-byte values.`]),
    "",
  ];
}

// ---- against the peers

function comparison(results) {
  const { runs } = results;
  return [
    "## Against other databases",
    "",
    ...machineLines(results),
    "One process for each engine and repetition, in alternating order. Medians of the repetitions;",
    "a ratio is the quotient of medians, and its range that of the repetitions pair by pair. Keys",
    "are fresh strings in random order; every engine answers copies, and samples of all answers",
    "are compared with what was written. `at least` and `aim` are the bars of the design.",
    "",
    ...ratioTable(runs, "cairn ordered", (peer) => peer !== "node:sqlite"),
    ...ratioTable(runs, "cairn hashed", (peer) => peer !== "node:sqlite"),
    ...ratioTable(runs, "cairn ordered, Node 24", (peer) => peer === "node:sqlite"),
    ...figureTable(runs),
    ...settingsTable(runs),
  ];
}

function figuresOf(runs, engine, row) {
  if (engine === "write + fdatasync") return undefined;
  const run = runs[engine];
  if (run === undefined) return undefined;
  return run.repetitions.map((figures) => figures?.[row]);
}

/** The bare loop runs in the same process as the engine it is compared with. */
function pairsOf(runs, engine, bar) {
  const ours = figuresOf(runs, engine, bar.ours);
  const theirs =
    bar.peer === "write + fdatasync"
      ? figuresOf(runs, engine, "raw.await")
      : figuresOf(runs, bar.peer, bar.theirs ?? theirRow(runs, bar));
  if (ours === undefined || theirs === undefined) return [];
  return ours
    .map((own, at) => [own, theirs[at]])
    .filter(([own, their]) => own !== undefined && their !== undefined);
}

/** A peer without the awaited form is measured by its synchronous one. */
function theirRow(runs, bar) {
  const has = (row) => runs[bar.peer]?.repetitions.some((figures) => figures?.[row] !== undefined);
  return has(bar.ours) ? bar.ours : bar.ours.replace(".await", ".sync");
}

function ratioTable(runs, engine, isWanted) {
  const lines = [];
  for (const bar of bars) {
    if (!isWanted(bar.peer)) continue;
    const pairs = pairsOf(runs, engine, bar);
    if (pairs.length === 0) continue;
    const own = median(pairs.map(([figure]) => figure));
    const their = median(pairs.map(([, figure]) => figure));
    const quotient = bar.isLess ? (a, b) => b / a : (a, b) => a / b;
    const range = pairs.map(([a, b]) => quotient(a, b));
    const ratio = quotient(own, their);
    const least = bar.least === undefined ? "" : digits(bar.least);
    const aim = bar.aim === undefined ? "" : digits(bar.aim);
    lines.push(
      `| ${bar.title} | ${bar.peer} | ${figure(own)} | ${figure(their)} | ${unitOf(bar.ours)} | ` +
        `**${digits(ratio)}** | ${digits(Math.min(...range))} to ${digits(Math.max(...range))} | ` +
        `${least} | ${aim} | ${verdict(ratio, bar)} |`,
    );
  }
  if (lines.length === 0) return [];
  return [
    `### ${engine[0].toUpperCase()}${engine.slice(1)}`,
    "",
    "| work | against | ours | theirs | unit | ratio | range | at least | aim | |",
    "|---|---|---|---|---|---|---|---|---|---|",
    ...lines,
    "",
  ];
}

function verdict(ratio, bar) {
  if (bar.least === undefined) return "";
  if (ratio >= bar.aim) return "aim";
  return ratio >= bar.least ? "met" : "missed";
}

function figureTable(runs) {
  const names = Object.keys(runs);
  const rows = [...new Set(names.flatMap((name) => runs[name].repetitions.flatMap(keysOf)))];
  const cell = (name, row) => {
    const figures = (figuresOf(runs, name, row) ?? []).filter((value) => value !== undefined);
    if (figures.length === 0) return "";
    const { median: middle, min, max } = summary(figures);
    return `${figure(middle)} (${figure(min)} to ${figure(max)})`;
  };
  return [
    "### All figures",
    "",
    "Median (lowest to highest). `rssMiB` is the process at the end of the rows, test data",
    "included; `residentMiB` and `wasmMiB` are pages held and all of linear memory. `raw.await` is",
    "the bare loop.",
    "",
    `| row | ${names.join(" | ")} |`,
    `|---|${names.map(() => "---").join("|")}|`,
    ...rows.map((row) => `| ${row} | ${names.map((name) => cell(name, row)).join(" | ")} |`),
    "",
  ];
}

function keysOf(figures) {
  return Object.keys(figures ?? {});
}

function settingsTable(runs) {
  const lines = [];
  for (const [name, { settings }] of Object.entries(runs)) {
    const text = Object.entries(settings ?? {}).map(([key, value]) => `${key}: ${value}`);
    lines.push(`- ${name}. ${text.join("; ")}.`);
  }
  return ["### How each engine was used", "", ...lines, ""];
}

// ---- ours alone

function alone(results) {
  const lines = [];
  for (const [name, { unit, title, most }] of Object.entries(limits)) {
    const figures = results.runs[name];
    if (figures === undefined) continue;
    const { median: middle, min, max } = summary(figures);
    const isMet = most === undefined ? "" : middle <= most ? "met" : "missed";
    const range = figures.length > 1 ? `${figure(min)} to ${figure(max)}` : "";
    lines.push(`| ${title} | ${figure(middle)} | ${range} | ${unit} | ${most ?? ""} | ${isMet} |`);
  }
  return [
    "## CairnDB alone",
    "",
    ...machineLines(results),
    "| what | median | range | unit | at most | |",
    "|---|---|---|---|---|---|",
    ...lines,
    "",
  ];
}

// ---- numbers

function grouped(number) {
  return Math.round(number).toLocaleString("en-US");
}

function figure(number) {
  if (number >= 1000) return grouped(number);
  return digits(number);
}

function digits(number) {
  if (number >= 100) return String(Math.round(number));
  return number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeReport(fileURLToPath(new URL("results", import.meta.url)), "");
}
