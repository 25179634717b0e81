import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Source } from "./source.ts";

export const root: string = fileURLToPath(new URL("../../", import.meta.url));

export const read = (path: string): string => readFileSync(join(root, path), "utf8");

const notOurs = /(?:^|\/)(?:node_modules|out|results|golden)\/|\.generated\./;

/** The sources below these folders that match `pattern`, by path. */
export function sourcesIn(folders: readonly string[], pattern: RegExp): Source[] {
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map(
        (name) => `${folder}/${name.replaceAll(sep, "/")}`,
      ),
    )
    .filter((path) => pattern.test(path) && !notOurs.test(path))
    .sort()
    .map((path) => ({ path, text: read(path) }));
}
