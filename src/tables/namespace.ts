/** Projects and scopes: where tables and keyspaces have their names. */
import { CairnError } from "../errors.ts";
import {
  checkName,
  checkOptions,
  checkWriteOptions,
  type KeyOf,
  type KeyOption,
  Keyspace,
  type KeyspaceInfo,
  type KeyspaceOptions,
  type Keyspaces,
  type ValueOf,
  type ValueOption,
  type WriteOptions,
} from "../kv/index.ts";
import type { Key } from "../transaction/index.ts";
import { checkAgreement } from "./agreement.ts";
import { createVectorTrees } from "./build-vectors.ts";
import type { CatalogueChange, TableCore, Tables } from "./catalogue.ts";
import type { Columns, InsertOf, SelectOf } from "./column.ts";
import {
  checkIdentifier,
  describeTable,
  type SchemaDefinition,
  type Surroundings,
  type TableDefinition,
  tableNotFound,
  withColumns,
} from "./define.ts";
import type { TablePath } from "./record.ts";
import type { InputOf, OutputOf, StandardSchema, StoredOf } from "./standard-schema.ts";
import { Table } from "./table.ts";

/** A table as lists show it. */
export interface TableInfo {
  readonly name: string;
  readonly rows: number;
}

/** How a project or scope is created. */
export interface CreateOptions extends WriteOptions {
  /** Accepts one that exists (default); false refuses it. */
  readonly ifNotExists?: boolean;
}

const createOptions: ReadonlySet<string> = new Set(["ifNotExists", "finality", "signal"]);
const reserved: ReadonlySet<string> = new Set(["_system", "_global"]);

/** The scope that every project has. */
export const scopeDefault = "app";

/** The methods on tables that the root database and scopes share. */
export class TableNames {
  readonly #tables: Tables;
  readonly #project: string;
  readonly #scope: string;

  constructor(tables: Tables, project: string, scope: string) {
    this.#tables = tables;
    this.#project = project;
    this.#scope = scope;
  }

  /** Opens a table, or creates it when a definition is given. */
  async open(
    name: string,
    declared: TableDefinition | SchemaDefinition<StandardSchema> | undefined,
  ): Promise<Table> {
    checkIdentifier("table", name);
    const definition = declared === undefined ? undefined : withColumns(declared);
    const tables = this.#tables;
    await tables.load();
    const path = { project: this.#project, scope: this.#scope, name };
    let core = tables.get(path);
    if (core === undefined) {
      if (definition === undefined) throw tableNotFound(name);
      core = await this.#create(path, definition);
    } else if (definition !== undefined) {
      checkAgreement(
        core.require(),
        definition,
        this.#surroundings(() => 0),
      );
    }
    const schema = (definition as { schema?: StandardSchema } | undefined)?.schema;
    return new Table({ tables, core, schema });
  }

  async #create(path: TablePath, definition: TableDefinition): Promise<TableCore> {
    const tables = this.#tables;
    await tables.change((change) => {
      // Somebody before us in the queue may have created it.
      const existing = tables.get(path);
      if (existing !== undefined) {
        checkAgreement(
          existing.require(),
          definition,
          this.#surroundings(() => 0),
        );
        return;
      }
      this.#putNames(change.putName);
      const takeTree = (): number => tables.context.engine.nextTreeId();
      const stored = describeTable(path, definition, this.#surroundings(takeTree));
      const label = `${path.project}/${path.scope}/${path.name}`;
      change.createTree(stored.tree, "ordered", "rows", label);
      for (const { tree, kind, isUnique, name } of stored.indexes) {
        const treeKind = kind === "hashed" && isUnique ? "hashed" : "ordered";
        change.createTree(tree, treeKind, "index", `${label}/${name}`);
      }
      for (const index of stored.vectorIndexes ?? []) createVectorTrees(change, path, index);
      change.putTable(stored);
    }, undefined);
    const core = tables.get(path);
    if (core === undefined) throw tableNotFound(path.name);
    return core;
  }

  #putNames(put: (key: string) => void): void {
    if (this.#project === "") return;
    put(`project/${this.#project}`);
    put(`scope/${this.#project}/${scopeDefault}`);
    put(`scope/${this.#project}/${this.#scope}`);
  }

  #surroundings(takeTree: () => number): Surroundings {
    const tables = this.#tables;
    const path = { project: this.#project, scope: this.#scope };
    return {
      takeTree,
      table: (name) => tables.get({ ...path, name })?.require(),
      tableOf: (tree) => tables.byTree(tree)?.state,
    };
  }

  async list(): Promise<TableInfo[]> {
    await this.#tables.load();
    requireNames(this.#tables, this.#project, this.#scope);
    const { engine } = this.#tables.context;
    return this.#tables.list(this.#project, this.#scope).map(({ state }) => ({
      name: state.path.name,
      rows: Math.max(0, engine.records(state.rows.id)),
    }));
  }

  /** Drops a table with its indexes, in a time that does not depend on its rows. */
  async drop(name: string, options: WriteOptions | undefined): Promise<boolean> {
    checkIdentifier("table", name);
    const tables = this.#tables;
    return await tables.change((change) => {
      const core = tables.get({ project: this.#project, scope: this.#scope, name });
      if (core === undefined) return false;
      refuseReferred(tables, core, [core]);
      change.dropTable(core);
      return true;
    }, options);
  }
}

/** Refuses a project or scope that does not exist; the root, which has no name, always does. */
function requireNames(tables: Tables, project: string, scope: string): void {
  if (project === "") return;
  if (!tables.hasName(`project/${project}`)) {
    throw new CairnError(
      "project_not_found",
      `Cannot find the project "${project}": none has this name. See projects().`,
    );
  }
  if (tables.hasName(`scope/${project}/${scope}`)) return;
  throw new CairnError(
    "scope_not_found",
    `Cannot find the scope "${scope}": the project "${project}" has none of this name.`,
  );
}

function refuseReferred(tables: Tables, core: TableCore, going: readonly TableCore[]): void {
  const referrer = tables
    .referrers(core.state.rows.id)
    .find((candidate) => !going.includes(candidate.core));
  if (referrer === undefined) return;
  throw new CairnError(
    "foreign_key_violation",
    `Cannot drop the table "${core.state.path.name}": the table ` +
      `"${referrer.core.state.path.name}" refers to it. Drop that one first.`,
    { details: { table: core.state.path.name, constraint: referrer.foreignKey.name } },
  );
}

/** A project: a name for scopes. Handles cost nothing and read nothing. */
export class Project {
  readonly #tables: Tables;
  readonly #keyspaces: Keyspaces;
  readonly name: string;

  /** Not for applications: `db.project` makes it. */
  constructor(tables: Tables, keyspaces: Keyspaces, name: string) {
    checkIdentifier("project", name);
    if (reserved.has(name)) {
      throw new CairnError(
        "schema_invalid",
        `Cannot use the project "${name}": the name is reserved. Choose another.`,
      );
    }
    this.#tables = tables;
    this.#keyspaces = keyspaces;
    this.name = name;
  }

  /**
   * A scope of the project: a name for tables and keyspaces. "app" is the one that every project
   * has.
   */
  scope(name: string = scopeDefault): Scope {
    return new Scope(this.#tables, this.#keyspaces, this.name, name);
  }

  /** Creates the project and its scope "app". @throws CairnError `project_already_exists`. */
  async create(options: CreateOptions = {}): Promise<boolean> {
    checkOptions("create a project", options, createOptions);
    return await this.#tables.change((change) => {
      const key = `project/${this.name}`;
      if (this.#tables.hasName(key)) {
        if (options.ifNotExists !== false) return false;
        throw exists("project_already_exists", "project", this.name);
      }
      change.putName(key);
      change.putName(`scope/${this.name}/${scopeDefault}`);
      return true;
    }, writeOptionsOf(options));
  }

  async exists(): Promise<boolean> {
    await this.#tables.load();
    return this.#tables.hasName(`project/${this.name}`);
  }

  /** The names of its scopes. @throws CairnError `project_not_found`. */
  async scopes(): Promise<string[]> {
    await this.#tables.load();
    requireNames(this.#tables, this.name, scopeDefault);
    return this.#tables.names(`scope/${this.name}/`);
  }

  /** Drops the project with everything in it: false when there is none. */
  async drop(options?: WriteOptions): Promise<boolean> {
    const tables = this.#tables;
    return await tables.change((change) => {
      if (!tables.hasName(`project/${this.name}`)) return false;
      for (const core of tables.listProject(this.name)) change.dropTable(core);
      for (const scope of tables.names(`scope/${this.name}/`)) {
        dropKeyspaces(this.#keyspaces, `${this.name}/${scope}`, change);
        change.dropName(`scope/${this.name}/${scope}`);
      }
      change.dropName(`project/${this.name}`);
      return true;
    }, options);
  }
}

/** A scope of a project. Creating a table or keyspace in it creates both. */
export class Scope {
  readonly #tables: Tables;
  readonly #keyspaces: Keyspaces;
  readonly #names: TableNames;
  readonly project: string;
  readonly name: string;

  /** Not for applications: `project.scope` makes it. */
  constructor(tables: Tables, keyspaces: Keyspaces, project: string, name: string) {
    checkIdentifier("scope", name);
    this.#tables = tables;
    this.#keyspaces = keyspaces;
    this.#names = new TableNames(tables, project, name);
    this.project = project;
    this.name = name;
  }

  /** Opens a table, or creates it; see {@link Database.table}. */
  table<C extends Columns, S extends StandardSchema>(
    name: string,
    definition: TableDefinition<C> & { readonly schema: S },
  ): Promise<Table<OutputOf<S>, InputOf<S>>>;
  table<C extends Columns>(
    name: string,
    definition: TableDefinition<C>,
  ): Promise<Table<SelectOf<C>, InsertOf<C>>>;
  table<S extends StandardSchema>(
    name: string,
    definition: SchemaDefinition<S>,
  ): Promise<Table<StoredOf<OutputOf<S>>, InputOf<S>>>;
  table(name: string): Promise<Table>;
  table(
    name: string,
    definition?: TableDefinition | SchemaDefinition<StandardSchema>,
  ): Promise<unknown> {
    return this.#names.open(name, definition);
  }

  /** Its tables, by name. @throws CairnError `project_not_found`, `scope_not_found`. */
  tables(): Promise<TableInfo[]> {
    return this.#names.list();
  }

  /** Drops a table: false when there is none of this name. */
  dropTable(name: string, options?: WriteOptions): Promise<boolean> {
    return this.#names.drop(name, options);
  }

  /** Opens a keyspace of the scope, or creates it; see {@link Database.keyspace}. */
  keyspace<V = unknown>(
    name: string,
    options?: KeyspaceOptions<"utf8", never>,
  ): Promise<Keyspace<string, V>>;
  keyspace<K extends KeyOption = "utf8", V extends ValueOption = "json">(
    name: string,
    options: KeyspaceOptions<K, V>,
  ): Promise<Keyspace<KeyOf<K>, ValueOf<V>>>;
  async keyspace(name: string, options: KeyspaceOptions = {}): Promise<Keyspace<Key, unknown>> {
    checkName(name);
    if (!(await this.exists())) await this.create();
    return new Keyspace(await this.#keyspaces.open(name, options, this.#path));
  }

  /** Its keyspaces, by name. @throws CairnError `project_not_found`, `scope_not_found`. */
  async keyspaces(): Promise<KeyspaceInfo[]> {
    await this.#tables.load();
    requireNames(this.#tables, this.project, this.name);
    return this.#keyspaces.list(this.#path);
  }

  /** Drops a keyspace of the scope: false when there is none of this name. */
  async dropKeyspace(name: string, options?: WriteOptions): Promise<boolean> {
    checkName(name);
    checkWriteOptions("drop a keyspace", options);
    return await this.#keyspaces.drop(name, options, this.#path);
  }

  get #path(): string {
    return `${this.project}/${this.name}`;
  }

  /** Creates the scope, and its project. @throws CairnError `scope_already_exists`. */
  async create(options: CreateOptions = {}): Promise<boolean> {
    checkOptions("create a scope", options, createOptions);
    return await this.#tables.change((change) => {
      const key = `scope/${this.project}/${this.name}`;
      if (this.#tables.hasName(key)) {
        if (options.ifNotExists !== false) return false;
        throw exists("scope_already_exists", "scope", this.name);
      }
      change.putName(`project/${this.project}`);
      change.putName(`scope/${this.project}/${scopeDefault}`);
      change.putName(key);
      return true;
    }, writeOptionsOf(options));
  }

  async exists(): Promise<boolean> {
    await this.#tables.load();
    return this.#tables.hasName(`scope/${this.project}/${this.name}`);
  }

  /** Drops the scope with its tables and keyspaces: false when there is none. */
  async drop(options?: WriteOptions): Promise<boolean> {
    const tables = this.#tables;
    return await tables.change((change) => {
      const key = `scope/${this.project}/${this.name}`;
      if (!tables.hasName(key)) return false;
      const going = tables.list(this.project, this.name);
      for (const core of going) refuseReferred(tables, core, going);
      for (const core of going) change.dropTable(core);
      dropKeyspaces(this.#keyspaces, this.#path, change);
      change.dropName(key);
      return true;
    }, options);
  }
}

function dropKeyspaces(keyspaces: Keyspaces, scope: string, change: CatalogueChange): void {
  for (const id of keyspaces.treesOf(scope)) {
    change.dropTree(id);
    change.afterwards(() => keyspaces.forget(id));
  }
}

function writeOptionsOf({ finality, signal }: CreateOptions): WriteOptions {
  return {
    ...(finality === undefined ? {} : { finality }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function exists(
  code: "project_already_exists" | "scope_already_exists",
  what: string,
  name: string,
): CairnError {
  return new CairnError(
    code,
    `Cannot create the ${what} "${name}": there is one of this name. Leave ifNotExists out to ` +
      "accept it.",
  );
}
