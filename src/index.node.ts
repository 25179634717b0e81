/**
 * The entry on Node, Deno and Bun. It is the portable one, with all that opening a folder needs
 * loaded and compiled along with it: whoever imports a database there is about to open one.
 */
import { loadCore } from "../bindings/load.ts";
import "./storage/node-fs/index.ts";

loadCore();

export * from "./index.ts";
