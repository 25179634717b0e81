/** `like` patterns: `%` any text, `_` one character, `\` takes the next character as it is. */

/** A character of its own, `any` for `_`, `rest` for `%`. */
type Token = string | typeof any | typeof rest;

const any: unique symbol = Symbol("_");
const rest: unique symbol = Symbol("%");

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  let isEscaped = false;
  for (const character of pattern) {
    if (isEscaped || !"%_\\".includes(character)) {
      tokens.push(character);
      isEscaped = false;
    } else if (character === "\\") isEscaped = true;
    else if (character === "_") tokens.push(any);
    else if (tokens.at(-1) !== rest) tokens.push(rest);
  }
  if (isEscaped) tokens.push("\\");
  return tokens;
}

/** Whether a text matches, case and all; time grows with text times pattern at most. */
export function likeMatcher(pattern: string): (text: string) => boolean {
  const tokens = tokensOf(pattern);
  const literal = tokens.every((token) => typeof token === "string") ? tokens.join("") : undefined;
  if (literal !== undefined) return (text) => text === literal;
  return (text) => matches(tokens, Array.from(text));
}

/** What begins every text that matches: the part of the pattern before the first `%` or `_`. */
export function likePrefix(pattern: string): string {
  const tokens = tokensOf(pattern);
  const end = tokens.findIndex((token) => typeof token !== "string");
  return (end < 0 ? tokens : tokens.slice(0, end)).join("");
}

/** Greedy from the last `%` on: going back further can never help. */
function matches(tokens: readonly Token[], text: readonly string[]): boolean {
  let token = 0;
  let at = 0;
  let restToken = -1;
  let restAt = 0;
  while (at < text.length) {
    if (token < tokens.length && (tokens[token] === any || tokens[token] === text[at])) {
      token++;
      at++;
    } else if (token < tokens.length && tokens[token] === rest) {
      restToken = token++;
      restAt = at;
    } else if (restToken >= 0) {
      token = restToken + 1;
      at = ++restAt;
    } else return false;
  }
  while (token < tokens.length && tokens[token] === rest) token++;
  return token === tokens.length;
}
