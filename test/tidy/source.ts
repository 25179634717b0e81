/**
 * Source files as the rules see them. No parser: TypeScript 7 has no API for one, and none reads
 * both TypeScript and AssemblyScript. Comments and literals are blanked out, braces are matched.
 */
export interface Source {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** As an editor can jump to it. */
export function show({ path, line, message }: Violation): string {
  return `${path}:${line}: ${message}`;
}

/** Number of the line that holds `index`, from 1. */
export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < index; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

const blank = (text: string): string => text.replace(/[^\n]/g, " ");

/** A slash after one of these begins a regular expression; after anything else it divides. */
const beforeExpression =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|await|yield))$/;

const literals: readonly [start: string, whole: RegExp][] = [
  ["//", /\/\/[^\n]*/y],
  ["/*", /\/\*[\s\S]*?\*\//y],
  ['"', /"(?:[^"\\\n]|\\[\s\S])*"/y],
  ["'", /'(?:[^'\\\n]|\\[\s\S])*'/y],
];
const regularExpression = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;

/** `text` with every comment and every literal replaced by spaces; positions stay as they are. */
export function codeOf(text: string): string {
  let code = "";
  let at = 0;
  /** For each template that is open: how many braces are open inside its `${`. */
  const templates: number[] = [];
  const take = (length: number): void => {
    code += blank(text.slice(at, at + length));
    at += length;
  };
  while (at < text.length) {
    const character = text[at];
    const length = literalLength(text, at, code);
    if (length > 0) take(length);
    else if (character === "`") take(templateLength(text, at + 1, templates) + 1);
    else if (character === "}" && templates.at(-1) === 0) {
      templates.pop();
      take(templateLength(text, at + 1, templates) + 1);
    } else {
      const depth = templates.length - 1;
      if (depth >= 0 && character === "{") templates[depth]++;
      if (depth >= 0 && character === "}") templates[depth]--;
      code += character;
      at++;
    }
  }
  return code;
}

function literalLength(text: string, at: number, code: string): number {
  for (const [start, whole] of literals) {
    if (text.startsWith(start, at)) return matchLength(whole, text, at);
  }
  const isExpression = text[at] === "/" && beforeExpression.test(code.slice(-200).trimEnd());
  return isExpression ? matchLength(regularExpression, text, at) : 0;
}

function matchLength(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}

/** Characters of a template from `from` to its end, or through the next `${`, which it opens. */
function templateLength(text: string, from: number, templates: number[]): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "`") return at + 1 - from;
    else if (text.startsWith("${", at)) {
      templates.push(0);
      return at + 2 - from;
    }
  }
  return text.length - from;
}

export interface FunctionSpan {
  readonly name: string;
  readonly firstLine: number;
  readonly lastLine: number;
}

interface Head {
  readonly name: string;
  readonly at: number;
}

const notFunctions = /^(?:if|for|while|switch|catch|with|super)$/;

/** Every function, method and arrow function with a body in braces. Takes what codeOf answers. */
export function functionsOf(code: string): FunctionSpan[] {
  const found: FunctionSpan[] = [];
  const parentheses: Head[] = [];
  const braces: (Head | undefined)[] = [];
  /** The head whose parameters have ended; it waits for its body. */
  let head: Head | undefined;
  /** The body that ended last, and where: a return type in braces looks like one. */
  let closed: { head: Head; at: number } | undefined;
  for (let at = 0; at < code.length; at++) {
    const character = code[at];
    if (character === "(") parentheses.push(headBefore(code, at));
    else if (character === ")") head = parentheses.pop();
    else if (character === ";") head = undefined;
    else if (character === "{") {
      const isSecond = closed !== undefined && code.slice(closed.at + 1, at).trim() === "";
      if (isSecond && closed) found.pop();
      braces.push(isSecond ? closed?.head : opensBody(code, at, head) ? head : undefined);
      head = undefined;
    } else if (character === "}") {
      const body = braces.pop();
      if (body === undefined) continue;
      closed = { head: body, at };
      found.push({
        name: body.name,
        firstLine: lineAt(code, body.at),
        lastLine: lineAt(code, at),
      });
    }
  }
  return found;
}

/** The name before the parenthesis at `at`: `put` for `put(` and `function put(`. */
function headBefore(code: string, at: number): Head {
  const match = /([\w$#]*)(?:<[^<>()]*>)?\s*$/.exec(code.slice(Math.max(0, at - 200), at));
  return { name: match?.[1] ?? "", at };
}

function opensBody(code: string, at: number, head: Head | undefined): boolean {
  if (head === undefined) return false;
  const between = code.slice(head.at, at);
  if (/=>\s*$/.test(between)) return true;
  if (notFunctions.test(head.name)) return false;
  return /\)\s*(?::[^=]*)?$/.test(between);
}
