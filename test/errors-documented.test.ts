/** docs/errors.md has one section for each error code, and no section without a code. */
import { describe, expect, test } from "vitest";
import { CairnError, type ErrorCode, errorCodes } from "../src/errors.ts";
import { read, sourcesIn } from "./tidy/repository.ts";

const page = read("docs/errors.md");

/** Heading and text of each section of the third level. */
const sections = page
  .split(/^### /m)
  .slice(1)
  .map((section) => {
    const [heading, ...lines] = section.split("\n");
    return { heading, text: lines.join("\n") };
  });

describe("the page of errors", () => {
  test("has one heading for each code, in their order, and no other", () => {
    expect(sections.map(({ heading }) => heading)).toEqual(errorCodes.map((code) => `\`${code}\``));
  });

  test.each(sections)("says of $heading its class, when, why and what to do", (section) => {
    const code = section.heading.replaceAll("`", "") as ErrorCode;
    const ofClass = new CairnError(code, "").class;
    const paragraph = (title: string): string => `\\*\\*${title}\\.\\*\\* \\S[^]{20,}?\\n`;
    const head = `^\\nClass \`${ofClass}\`\\.\\n\\n`;
    const shape = head + paragraph("When") + paragraph("Why") + paragraph("What to do");
    expect(section.text).toMatch(new RegExp(shape));
  });

  test("links only to codes that exist", () => {
    const links = Array.from(page.matchAll(/\]\(#([a-z_]+)\)/g), ([, target]) => target);
    expect(links.filter((link) => !errorCodes.includes(link as ErrorCode))).toEqual([]);
  });
});

test("the codes are in alphabetical order", () => {
  expect(errorCodes).toEqual(errorCodes.toSorted());
});

test("every code is one that the library can answer with", () => {
  const library = sourcesIn(["src", "bindings"], /\.ts$/)
    .filter(({ path }) => path !== "src/errors.ts")
    .map(({ text }) => text)
    .join("\n");
  expect(errorCodes.filter((code) => !library.includes(`"${code}"`))).toEqual([]);
});
