// `node truth.mjs NAME COUNT PATH`: compares every query with every vector, in plain JavaScript, so
// that the truth depends on none of the engines.
import { keep, loadVectors, nearest } from "./data.mjs";

const [name, count, path] = process.argv.slice(2);
keep(path, nearest(loadVectors(name, Number(count))));
