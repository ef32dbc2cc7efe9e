/**
 * Resume URLs: whoever has the address may send its signal, once.
 *
 * U1 A GET sends nothing and reads nothing: scanners of mails and previews of chats open every address.
 * U2 Of an address that is not good nobody is told why.
 */
import * as z from "zod";
import { ValidationError } from "../../kernel/errors.ts";
import { RESUME_PATH } from "../../kernel/resume.ts";
import { FORM_TYPE, JSON_TYPE, mediaTypeOf, readBody, unsupportedType } from "../body.ts";
import { jsonResponse, parseJson, utf8Text } from "../json.ts";
import { type Page, pageResponse } from "../page.ts";
import { problemResponse } from "../problem.ts";
import { type Call, type Route, route } from "../route.ts";
import * as wire from "../wire.ts";

type ResumeCall = Call<{ readonly token: string }, unknown, unknown>;

const path = `${RESUME_PATH}/:token`;
const params = z.object({ token: z.string() });
const html = "text/html; charset=utf-8";
const unknown = { description: "The address is not good.", schema: wire.problemSchema };

const showResume = route({
  id: "showResume",
  method: "GET",
  path,
  access: "token",
  summary: "A page that asks whether to go on. It sends nothing.",
  params,
  answers: { 200: { description: "The page.", contentType: html }, 404: unknown },
  handle: (call) =>
    forPeople(call, () => {
      const { signal } = call.engine.resumes.requireTicket(call.params.token);
      const text = `This sends "${signal}". It can be done once.`;
      return pageResponse(200, { title: "Go on?", text, button: "Go on" });
    }),
});

const redeemResume = route({
  id: "redeemResume",
  method: "POST",
  path,
  access: "token",
  summary: "Sends the signal of the address, once however often it comes.",
  params,
  rawBody: {
    description: "The signal's payload. Of a form, its fields as an object of texts; without any there is no payload.",
    contentTypes: [JSON_TYPE, FORM_TYPE],
    required: false,
  },
  answers: {
    200: { description: "The signal is durable; a page for who accepts one.", schema: wire.redeemedSchema },
    400: { description: "The workflow takes no such payload.", schema: wire.problemSchema },
    404: unknown,
    409: { description: "The run is over.", schema: wire.problemSchema },
    429: { description: "Too many messages wait for the run.", schema: wire.problemSchema },
  },
  handle: (call) =>
    forPeople(call, async () => {
      const { resumes } = call.engine;
      const { token } = call.params;
      // Before its body is read: a stranger is told nothing, and costs nothing.
      resumes.requireTicket(token);
      const { signal } = await resumes.redeem(token, await payloadOf(call));
      if (!isForPeople(call.request)) return jsonResponse(200, { signal });
      return pageResponse(200, { title: "Thank you", text: `"${signal}" has been sent. You can close this page.` });
    }),
});

/** No body is no payload: `undefined`, which is not what a wait comes to that has timed out. */
async function payloadOf({ request, site }: ResumeCall): Promise<unknown> {
  const type = mediaTypeOf(request);
  const bytes = await readBody(request, site.apiBytesMax);
  if (bytes.length === 0 && (type === null || type === JSON_TYPE)) return undefined;
  if (type === JSON_TYPE) return parseJson(bytes);
  if (type === FORM_TYPE) return fieldsOf(utf8Text(bytes));
  throw unsupportedType(request, [JSON_TYPE, FORM_TYPE]);
}

function fieldsOf(text: string): Readonly<Record<string, string>> | undefined {
  const fields = [...new URLSearchParams(text)];
  const names = new Set(fields.map(([name]) => name));
  if (names.size < fields.length) {
    throw new ValidationError("REQUEST_INVALID", "expected each field of the form once, but found one several times");
  }
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
}

function isForPeople(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/html") === true;
}

/** The answer of `act`, and its refusal as a page for who accepts one. */
async function forPeople({ request, engine }: ResumeCall, act: () => Response | Promise<Response>): Promise<Response> {
  try {
    return await act();
  } catch (error) {
    if (!isForPeople(request)) throw error;
    const response = problemResponse(error, engine.ports, request);
    const problem = (await response.json()) as wire.WireProblem;
    const retryAfter = response.headers.get("retry-after");
    return pageResponse(problem.status, pageOf(problem), retryAfter === null ? {} : { "retry-after": retryAfter });
  }
}

function pageOf({ status, detail }: wire.WireProblem): Page {
  switch (status) {
    case 404:
      return { title: "Not found", text: "This address is not good. Was it copied as a whole?" };
    case 409:
      return { title: "It is over", text: "What this was for has ended meanwhile, and nothing was sent." };
    case 429:
    case 500:
    case 503:
      return { title: "Not now", text: "It could not be done at the moment. Try again later." };
    default:
      return { title: "Not as expected", text: detail };
  }
}

export const resumeRoutes: readonly Route[] = [showResume, redeemResume];
