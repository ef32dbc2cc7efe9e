/** Plain pages, for the few places where a person looks and not a program. */

/** What a page says. All of it is text. */
export interface Page {
  readonly title: string;
  readonly text: string;
  /** What a button says that sends the page's own address a POST; none: there is no button. */
  readonly button?: string;
}

/** No script, no style, nothing from elsewhere, in no frame; a form goes to where the page came from. */
const POLICY = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** An answer for people. */
export function pageResponse(
  status: number,
  { title, text, button }: Page,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const form = button === undefined ? "" : `<form method="post"><button>${escaped(button)}</button></form>\n`;
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escaped(title)}</title>
<h1>${escaped(title)}</h1>
<p>${escaped(text)}</p>
${form}</html>
`;
  return new Response(html, {
    status,
    headers: { ...headers, "content-type": "text/html; charset=utf-8", "content-security-policy": POLICY },
  });
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] as string);
}
