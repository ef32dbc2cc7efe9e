// What sqld's parser decides about SQL text before SQLite sees it: one statement or several, which statements are
// served at all, which parameters a statement has, and whether it needs the write lock. The `libsql` package has no
// interface for any of these and silently ignores everything after the first statement.

import { StatementError } from "./hrana-errors.mjs";

/**
 * @typedef {object} Statement
 * @property {string} sql
 * @property {string} verb the word that says what it does: for `WITH ... INSERT` that is INSERT
 * @property {(string | null)[]} parameters the name of each slot, null for `?`
 * @property {boolean} isExplain
 * @property {boolean} isChange INSERT, UPDATE or DELETE
 * @property {boolean} isInsert
 * @property {boolean} changesConnection leaves a setting behind on its connection
 * @property {boolean} needsWriteLock
 */

const PARAMETERS_MAX = 32_766;

// Each alternative starts with a different character and none can backtrack into another, so time stays linear.
const TOKEN =
  /\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*"|`[^`]*(?:``[^`]*)*`|\[[^\]]*\]|\?\d*|[:@$][\w$\u0080-\uffff]+|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|[\s\S]/g;
const BLANK = /^(?:\s|--|\/\*)/;

const CHANGES = new Set(["INSERT", "REPLACE", "UPDATE", "DELETE"]);
const SCHEMA_CHANGES = new Set(["CREATE", "DROP", "ALTER"]);
const OTHERS = new Set(["SELECT", "VALUES", "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA"]);

const words = (/** @type {string} */ text) => new Set(text.trim().split(/\s+/));
const PRAGMAS = words(`
  table_list index_list table_info table_xinfo index_xinfo pragma_list compile_options database_list function_list
  module_list encoding defer_foreign_keys foreign_keys foreign_key_list foreign_key_check collation_list data_version
  freelist_count integrity_check legacy_file_format page_count quick_check stats user_version`);
const PRAGMAS_WITHOUT_VALUE = words(`
  analysis_limit application_id auto_vacuum automatic_index busy_timeout cache_size cache_spill cell_size_check
  checkpoint_fullfsync fullfsync hard_heap_limit journal_mode journal_size_limit legacy_alter_table locking_mode
  max_page_count mmap_size page_size query_only read_uncommitted recursive_triggers reverse_unordered_selects
  schema_version secure_delete soft_heap_limit synchronous temp_store threads trusted_schema wal_autocheckpoint`);

/**
 * @param {string} sql
 * @returns {Statement}
 */
export function parseOne(sql) {
  const [first, second] = parseAll(sql);
  if (first === undefined) {
    throw new StatementError("SQL_NO_STATEMENT", "SQL string does not contain any statement");
  }
  if (second !== undefined) {
    throw new StatementError("SQL_MANY_STATEMENTS", "SQL string contains more than one statement");
  }
  return first;
}

/**
 * @param {string} sql
 * @returns {Statement[]}
 */
export function parseAll(sql) {
  const statements = [];
  let tokens = [];
  let start = 0;
  let end = 0;
  const finish = () => {
    if (tokens.length > 0) statements.push(analyse(sql.slice(start, end), tokens));
    tokens = [];
  };
  for (const match of sql.matchAll(TOKEN)) {
    const token = match[0];
    if (BLANK.test(token)) continue;
    if (token === ";" && !isInsideTrigger(tokens)) {
      finish();
      continue;
    }
    if (tokens.length === 0) start = match.index;
    end = match.index + token.length;
    tokens.push(token);
  }
  finish();
  return statements;
}

/** The body of a trigger has semicolons of its own; only the one after its END ends the statement. */
function isInsideTrigger(tokens) {
  if (upper(tokens[0]) !== "CREATE") return false;
  const isTrigger = tokens.slice(1, 3).some((token) => upper(token) === "TRIGGER");
  return isTrigger && !(upper(tokens.at(-1)) === "END" && tokens.at(-2) === ";");
}

/** @returns {Statement} */
function analyse(sql, tokens) {
  const isExplain = upper(tokens[0]) === "EXPLAIN";
  const verb = isExplain ? "EXPLAIN" : verbOf(tokens);
  if (!isExplain) requireServed(sql, verb, tokens);
  const setsPragma = verb === "PRAGMA" && tokens.includes("=");
  const beginsWrite = verb === "BEGIN" && ["IMMEDIATE", "EXCLUSIVE"].includes(upper(tokens[1]));
  return {
    sql,
    verb,
    parameters: parametersOf(tokens),
    isExplain,
    isChange: CHANGES.has(verb),
    isInsert: verb === "INSERT" || verb === "REPLACE",
    changesConnection: verb === "PRAGMA" && tokens.length > 2,
    needsWriteLock: CHANGES.has(verb) || SCHEMA_CHANGES.has(verb) || setsPragma || beginsWrite,
  };
}

function verbOf(tokens) {
  if (upper(tokens[0]) !== "WITH") return upper(tokens[0]);
  let depth = 0;
  for (const token of tokens) {
    if (token === "(") depth += 1;
    if (token === ")") depth -= 1;
    const word = upper(token);
    if (depth === 0 && (CHANGES.has(word) || word === "SELECT" || word === "VALUES")) return word;
  }
  return "SELECT";
}

function requireServed(sql, verb, tokens) {
  const isTemporary = verb === "CREATE" && ["TEMP", "TEMPORARY"].includes(upper(tokens[1]));
  if (isTemporary || (verb === "PRAGMA" && !isServedPragma(tokens))) throw unsupported(sql);
  if (CHANGES.has(verb) || SCHEMA_CHANGES.has(verb) || OTHERS.has(verb)) return;
  if (["ATTACH", "DETACH", "VACUUM", "REINDEX", "ANALYZE"].includes(verb)) throw unsupported(sql);
  throw new StatementError("SQL_PARSE_ERROR", `SQL string could not be parsed: syntax error around \`${tokens[0]}\``);
}

function isServedPragma(tokens) {
  const isQualified = tokens[2] === ".";
  const name = (isQualified ? tokens[3] : tokens[1])?.toLowerCase();
  const hasValue = tokens.length > (isQualified ? 4 : 2);
  return PRAGMAS.has(name) || (PRAGMAS_WITHOUT_VALUE.has(name) && !hasValue);
}

function unsupported(sql) {
  return new StatementError("SQL_PARSE_ERROR", `SQL string could not be parsed: unsupported statement: ${sql}`);
}

/** Slots are numbered as SQLite does it: a name keeps its first number, `?9` makes nine of them. */
function parametersOf(tokens) {
  const slots = [];
  for (const token of tokens) {
    const number = /^\?(\d+)$/.exec(token)?.[1];
    if (token === "?") {
      slots.push(null);
    } else if (number !== undefined && Number(number) <= PARAMETERS_MAX) {
      while (slots.length < Number(number)) slots.push(null);
      slots[Number(number) - 1] = token;
    } else if (/^[:@$]./.test(token) && !slots.includes(token)) {
      slots.push(token);
    }
  }
  return slots;
}

function upper(token) {
  return token?.toUpperCase() ?? "";
}
