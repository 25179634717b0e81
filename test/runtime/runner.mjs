/**
 * The whole test framework of the smoke suite: vitest does not run on Deno, Bun or workerd.
 *
 * Runs every case in order and answers how many passed and failed. Each case gets `context`; a case
 * fails by throwing.
 */
export async function runCases(cases, context, print) {
  let failed = 0;
  for (const { name, run } of cases) {
    try {
      await run(context);
    } catch (error) {
      failed += 1;
      print(`failed: ${name}\n${indent(error?.stack ?? String(error))}`);
    }
  }
  const passed = cases.length - failed;
  // The last line of every run; run.mjs reads it and distrusts a run without it.
  print(`${passed} passed, ${failed} failed`);
  return { passed, failed };
}

function indent(text) {
  return `    ${text.replaceAll("\n", "\n    ")}`;
}

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}

export function equal(found, expected, message = "values differ") {
  const [left, right] = [show(found), show(expected)];
  if (left !== right) throw new Error(`${message}: found ${left}, expected ${right}`);
}

function show(value) {
  return JSON.stringify(value, (_key, part) => {
    if (part === undefined) return "undefined";
    if (typeof part === "bigint") return `${part}n`;
    return part instanceof Uint8Array ? `bytes ${Array.from(part)}` : part;
  });
}

/** Runs `action`, which must fail with a CairnError of this code. */
export async function failsWith(CairnError, code, action) {
  let found = "no error";
  try {
    await action();
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    found = error.code;
  }
  equal(found, code, "the error code differs");
}
