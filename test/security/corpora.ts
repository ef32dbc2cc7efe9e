/** Texts that were made to be something else than a text: paths, SQL, commands, templates. */

/** Is in every one of them, so that it is found wherever it should not be. */
export const MARK = "m4rk3r";

const TARGETS = [
  "etc/passwd",
  "outside/secret.txt",
  "log.db",
  "log.db-owner.json",
  ".env",
  "windows\\win.ini",
] as const;
const UPS = [
  "../",
  "..\\",
  "..%2f",
  "%2e%2e/",
  "%2e%2e%2f",
  "..%5c",
  "..%c0%af",
  "%252e%252e%252f",
  "....//",
  ".../",
  "..;/",
] as const;
const ROOTS = [
  "/",
  "\\",
  "//",
  "file:",
  "file://",
  "file:///",
  "C:\\",
  "\\\\host\\share\\",
  "~/",
  "./",
  "/proc/self/",
] as const;

/** Paths that lead out of where they are. */
export const PATHS: readonly string[] = unique([
  ...UPS.flatMap((up) => TARGETS.flatMap((target) => [1, 4].map((depth) => `${up.repeat(depth)}${target}?${MARK}`))),
  ...ROOTS.flatMap((root) => TARGETS.map((target) => `${root}${target}#${MARK}`)),
  ...TARGETS.flatMap((target) => [
    `${MARK}/../../${target}`,
    `${MARK}\u2215..\u2215${target}`,
    `${target}\u202e${MARK}`,
  ]),
  ...["..", ".", "...", "~", "-", "--db", "@/etc/passwd", "con", "nul", "*", "?", "|id"].map(
    (text) => `${text}${MARK}`,
  ),
]);

const QUOTES = ["'", '"', "`", "''", "\\'", "%27", "\u2019", "')", "'))", "';", '";', "]", "'||'"] as const;
const ATTACKS = [
  " OR 1=1 --",
  " OR '1'='1",
  "; DROP TABLE runs; --",
  "; DELETE FROM events; --",
  "; ATTACH DATABASE 'outside/x.db' AS x; --",
  "; PRAGMA writable_schema = 1; --",
  " UNION SELECT hash FROM api_keys --",
  " UNION ALL SELECT sql, 1, 1 FROM sqlite_schema /*",
  " AND load_extension('x') --",
  "; SELECT writefile('outside/y', 'z'); --",
  ") RETURNING * --",
  " COLLATE NOCASE --",
  "/**/OR/**/1=1",
  "; VACUUM INTO 'outside/z.db'; --",
] as const;
const ODD = [
  "%",
  "_",
  "%_%",
  "$.a",
  "$[0]",
  ":name",
  "?1",
  "@p",
  "$1",
  "null",
  "true",
  "0",
  "1e9",
  "-1",
  "[1]",
  '{"a":1}',
] as const;
const OTHERS = [
  "$(id)",
  "`id`",
  "{{7*7}}",
  "${7*7}",
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "javascript:alert(1)",
  "\r\nSet-Cookie: a=b",
  "\r\n\r\nGET / HTTP/1.1",
  "\u001b[2J",
  "\ufeff",
  "\u2028",
  "__proto__",
  "constructor",
  "=cmd|' /C calc'!A0",
  "http://127.0.0.1:1/",
  "\udbff\udfff",
] as const;

/** Texts that mean something to SQL, JSON, a shell or a page. */
export const INJECTIONS: readonly string[] = unique([
  ...QUOTES.flatMap((quote) => ATTACKS.map((attack) => `${MARK}${quote}${attack}`)),
  ...ODD.flatMap((odd) => [`${odd}${MARK}`, `${MARK}${odd}`]),
  ...OTHERS.map((other) => `${other}${MARK}`),
]);

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
