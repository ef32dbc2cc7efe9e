/** Reads the public API from emitted declarations: what each entry exports, and what those declarations are made of. */

/** Declaration files by their path from the output folder, such as `engine/api.d.ts`. */
export type Declarations = ReadonlyMap<string, string>;

interface Module {
  /** Declarations by local name. */
  readonly own: ReadonlyMap<string, string>;
  /** What a name stands for in another module of ours. */
  readonly imported: ReadonlyMap<string, Target>;
  /** What it exports, by public name: a name of its own or of another module. */
  readonly exported: ReadonlyMap<string, Target>;
}

interface Target {
  readonly path: string;
  readonly name: string;
}

export interface Entry {
  /** Each export's declaration. */
  readonly exported: ReadonlyMap<string, string>;
  /** Declarations that those use and that the entry does not export. */
  readonly behind: ReadonlyMap<string, string>;
}

/** The public API of one entry, such as `index.d.ts`. */
export function readEntry(declarations: Declarations, path: string): Entry {
  const modules = new Map<string, Module>();
  const moduleOf = (file: string): Module => {
    const known = modules.get(file);
    if (known !== undefined) return known;
    const text = declarations.get(file);
    if (text === undefined) throw new Error(`expected the declarations of ${file}, but found none`);
    const read = readModule(file, text);
    modules.set(file, read);
    return read;
  };
  const home = ({ path: file, name }: Target): Target => {
    const { own, exported } = moduleOf(file);
    const further = exported.get(name);
    if (further === undefined || (further.path === file && own.has(further.name))) {
      return { path: file, name: further?.name ?? name };
    }
    return home(further);
  };

  const exported = new Map<string, string>();
  const seen = new Set<string>();
  const open: Target[] = [];
  const take = (target: Target): string => {
    const text = moduleOf(target.path).own.get(target.name);
    if (text === undefined) throw new Error(`expected ${target.name} to be declared in ${target.path}`);
    seen.add(`${target.path} ${target.name}`);
    open.push(target);
    return text;
  };
  for (const [name, target] of moduleOf(path).exported) exported.set(name, take(home(target)));

  const behind = new Map<string, string>();
  for (let target = open.pop(); target !== undefined; target = open.pop()) {
    const { own, imported } = moduleOf(target.path);
    for (const [word] of (own.get(target.name) ?? "").matchAll(/(?<![.\w$"])[A-Za-z_$][\w$]*/g)) {
      const local = own.has(word) ? { path: target.path, name: word } : imported.get(word);
      if (local === undefined) continue;
      const used = home(local);
      if (!seen.has(`${used.path} ${used.name}`)) behind.set(used.name, take(used));
    }
  }
  return { exported, behind };
}

const NAMES = /^(?:export )?(import|export)( type)? \{([^}]*)\} from "([^"]+)";$/;
const DECLARED = /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|function|const|enum) ([\w$]+)/;

function readModule(path: string, text: string): Module {
  const own = new Map<string, string>();
  const imported = new Map<string, Target>();
  const exported = new Map<string, Target>();
  for (const statement of statements(text)) {
    const names = NAMES.exec(statement);
    if (names !== null) {
      const [, verb, , list = "", specifier = ""] = names;
      if (!specifier.startsWith(".")) continue;
      for (const [name, as] of namesOf(list)) {
        const target = { path: resolve(path, specifier), name };
        (verb === "import" ? imported : exported).set(as, target);
      }
      continue;
    }
    const name = DECLARED.exec(statement)?.[1];
    if (name === undefined) continue;
    own.set(name, own.has(name) ? `${own.get(name)}\n${statement}` : statement);
    if (statement.startsWith("export ")) exported.set(name, { path, name });
  }
  return { own, imported, exported };
}

/** Top-level statements: each begins at the start of a line. */
function statements(text: string): string[] {
  // The compiler writes a recursive type so; it is no any that anybody wrote.
  const named = text.replaceAll("/*elided*/ any", "Elided");
  const code = named.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^[ \t]*\n/gm, "");
  return code
    .split(/^(?=[A-Za-z])/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "" && statement !== "export {};");
}

function namesOf(list: string): [name: string, as: string][] {
  return list
    .split(",")
    .map((part) => part.trim().replace(/^type /, ""))
    .filter((part) => part !== "")
    .map((part) => {
      const [name = "", as = name] = part.split(/ as /);
      return [name, as];
    });
}

function resolve(from: string, specifier: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.replace(/\.(js|ts)$/, ".d.ts").split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** The API as text, one entry after the other, sorted, without what does not concern a caller. */
export function apiText(entries: ReadonlyMap<string, Entry>): string {
  const list = (declared: ReadonlyMap<string, string>) =>
    [...declared]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, text]) => text.replace(/^export /, "").replace(/^declare /, ""))
      .join("\n");
  const told = new Set<string>();
  const parts = [...entries].map(([name, { exported, behind }]) => {
    for (const text of exported.values()) told.add(text);
    const news = new Map([...behind].filter(([, text]) => !told.has(text)));
    for (const text of news.values()) told.add(text);
    const hidden = news.size === 0 ? "" : `\n// not exported, but part of the above\n${list(news)}\n`;
    return `// ==== ${name} ====\n${list(exported)}\n${hidden}`;
  });
  return parts.join("\n");
}
