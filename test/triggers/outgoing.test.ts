import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { describe, expect, it } from "vitest";
import type { RunEvent } from "../../src/kernel/events.ts";
import { notify } from "../../src/outgoing/notify.ts";
import {
  checkEndpoint,
  judgeSend,
  type NotifyOptions,
  noticeId,
  noticeOf,
  type SendResult,
  signedRequest,
} from "../../src/triggers/outgoing.ts";
import { isPrivateAddress, isPrivateHost } from "../../src/triggers/private-address.ts";

const SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"] as const;

const OPTIONS: NotifyOptions = {
  name: "billing",
  url: "https://example.com/hooks",
  secrets: [SECRETS[0]],
  events: ["run.completed", "run.failed"],
};

const endpoint = (more: Partial<NotifyOptions> = {}) => checkEndpoint({ ...OPTIONS, ...more });

const event = (more: Partial<RunEvent>): RunEvent =>
  ({
    ...{ runId: "run_1", seq: 4, epoch: 1, position: 17, type: "run.failed", v: 1, key: null, scope: null },
    ...{ attempt: null, at: 1_763_720_000_123, data: { error: { name: "Error", message: "no", stack: "at /home" } } },
    ...more,
  }) as RunEvent;

describe("what is signed", () => {
  const body = JSON.stringify({ type: "run.failed", data: { text: "zażółć 🦊" } });

  for (const [name, library] of [
    ["standardwebhooks", StandardWebhook],
    ["svix", SvixWebhook],
  ] as const) {
    it(`is verified by ${name}, by each secret, and not by another or with another body`, async () => {
      const headers = await signedRequest(endpoint({ secrets: SECRETS }), { id: "msg_1", at: Date.now(), body });
      for (const secret of SECRETS) expect(new library(secret).verify(body, headers)).toEqual(JSON.parse(body));
      const other = "whsec_bm90IHRoZSBzZWNyZXQgb2YgYW55Ym9keSE=";
      expect(() => new library(other).verify(body, headers)).toThrow();
      expect(() => new library(SECRETS[0]).verify(`${body} `, headers)).toThrow();
      expect(() => new library(SECRETS[0]).verify(body, { ...headers, "webhook-id": "msg_2" })).toThrow();
    });
  }

  it("is what the standard's own library signs", async () => {
    const at = 1_763_720_000_000;
    const headers = await signedRequest(endpoint(), { id: "msg_1", at, body });
    expect(headers["webhook-signature"]).toBe(new StandardWebhook(SECRETS[0]).sign("msg_1", new Date(at), body));
    expect(headers["webhook-timestamp"]).toBe("1763720000");
  });

  it("has the endpoint's own headers beside ours", async () => {
    const own = endpoint({ headers: { authorization: "Bearer x" } });
    const headers = await signedRequest(own, { id: "msg_1", at: 0, body });
    expect(headers).toMatchObject({ authorization: "Bearer x", "content-type": "application/json" });
  });

  it("needs a secret at each sending, and does not show one that is wrong", async () => {
    const secrets = async () => ["not-a-secret!"];
    const error = await signedRequest(endpoint({ secrets }), { id: "msg_1", at: 0, body }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "ENDPOINT_INVALID" });
    expect(String(error)).not.toContain("not-a-secret");
  });
});

describe("a notice", () => {
  const program = { workflow: "charge", version: "2" };

  it("says what happened, where and when, and of an error no stack", () => {
    expect(
      noticeOf(endpoint(), event({ type: "step.failed", key: "pay", attempt: 3 } as Partial<RunEvent>), program),
    ).toEqual({
      type: "step.failed",
      timestamp: "2025-11-21T10:13:20.123Z",
      data: {
        ...{ runId: "run_1", workflow: "charge", version: "2", seq: 4, key: "pay", attempt: 3 },
        error: { name: "Error", message: "no" },
      },
    });
  });

  it("is bounded: long messages are cut", () => {
    const data = { error: { name: "E".repeat(9_000), message: "m".repeat(9_000), code: "C".repeat(9_000) } };
    const notice = noticeOf(endpoint(), event({ data } as Partial<RunEvent>), program);
    expect(JSON.stringify(notice).length).toBeLessThan(3_000);
  });

  it("holds the output only if it is asked for, and not if it is long", () => {
    const completed = (value: unknown) => event({ type: "run.completed", data: { value } } as Partial<RunEvent>);
    expect(noticeOf(endpoint(), completed({ a: 1 }), program).data).not.toHaveProperty("output");
    const asking = endpoint({ output: true });
    expect(noticeOf(asking, completed({ a: 1 }), program).data.output).toEqual({ a: 1 });
    expect(noticeOf(asking, completed(null), program).data).toHaveProperty("output", null);
    const long = noticeOf(asking, completed("x".repeat(70_000)), program).data;
    expect(long).toMatchObject({ outputOmitted: true });
    expect(long).not.toHaveProperty("output");
    expect(noticeOf(asking, event({}), program).data).not.toHaveProperty("output");
  });

  it("says why a run was cancelled", () => {
    const cancelled = event({ type: "run.cancelled", data: { reason: "wrong file" } } as Partial<RunEvent>);
    expect(noticeOf(endpoint(), cancelled, program).data.reason).toBe("wrong file");
  });

  it("has an id of its own for each endpoint, run and event, and always the same", () => {
    const ids = [
      noticeId("a", "run_1", 1),
      noticeId("b", "run_1", 1),
      noticeId("a", "run_2", 1),
      noticeId("a", "run_1", 2),
    ];
    expect(new Set(ids).size).toBe(4);
    expect(ids[0]).toBe(noticeId("a", "run_1", 1));
    expect(ids.every((id) => /^[A-Za-z0-9_-]{1,128}$/.test(id))).toBe(true);
  });
});

describe("an answer", () => {
  const NOW = 1_763_720_000_000;
  const judge = (result: SendResult, more: Partial<Parameters<typeof judgeSend>[1]> = {}) =>
    judgeSend(endpoint(), { id: "msg_1", tries: 1, firstAt: NOW, ...more }, result, NOW);
  const answer = (status: number, retryAfter: string | null = null): SendResult => ({
    kind: "answer",
    status,
    retryAfter,
  });

  it("of 200 to 299 delivers, and nothing else does", () => {
    for (const status of [200, 202, 204, 299]) expect(judge(answer(status)).kind).toBe("delivered");
    for (const status of [100, 199, 300, 301, 302, 307, 400, 401, 404, 409, 429, 500, 503]) {
      expect(judge(answer(status))).toMatchObject({ kind: "retry", note: `answered ${status}` });
    }
    expect(judge({ kind: "error", message: "refused" })).toMatchObject({ kind: "retry", note: "refused" });
  });

  it("of 410 ends it, and disables the endpoint", () => {
    expect(judge(answer(410))).toEqual({ kind: "dead", disables: true, note: "answered 410" });
  });

  it("of 429 or 503 may ask for rest, by seconds or by a date, for a day at most", () => {
    expect(judge(answer(429, "3600"))).toMatchObject({ at: NOW + 3_600_000, restUntil: NOW + 3_600_000 });
    const date = new Date(NOW + 7_200_000).toUTCString();
    expect(judge(answer(503, date))).toMatchObject({ kind: "retry", restUntil: NOW + 7_200_000 });
    expect(judge(answer(429, "99999999"))).toMatchObject({ restUntil: NOW + 86_400_000 });
    for (const [status, header] of [
      [500, "3600"],
      [429, "soon"],
      [429, "-5"],
      [503, new Date(0).toUTCString()],
      [429, "0"],
    ] as const) {
      expect(judge(answer(status, header)), header).toMatchObject({ restUntil: null });
    }
  });

  it("is waited for longer after each try, up to hours, and never by the same for all", () => {
    const waits = Array.from({ length: 12 }, (_, i) => {
      const verdict = judge(answer(500), { tries: i + 1 });
      return verdict.kind === "retry" ? verdict.at - NOW : 0;
    });
    expect(waits[0]).toBeGreaterThanOrEqual(3_750);
    expect(waits[0]).toBeLessThanOrEqual(6_250);
    expect(waits.slice(0, 8)).toEqual([...waits.slice(0, 8)].sort((a, b) => a - b));
    expect(Math.max(...waits)).toBeLessThanOrEqual(6 * 3_600_000 * 1.25);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(6 * 3_600_000 * 0.75);
    const others = Array.from({ length: 50 }, (_, i) => judge(answer(500), { id: `msg_${i}`, tries: 3 }));
    expect(new Set(others.map((verdict) => verdict.kind === "retry" && verdict.at)).size).toBeGreaterThan(40);
  });

  it("that does not come for three days ends it", () => {
    const day = 86_400_000;
    expect(judge(answer(500), { tries: 15, firstAt: NOW - 2 * day }).kind).toBe("retry");
    expect(judge(answer(500), { tries: 20, firstAt: NOW - 3 * day })).toMatchObject({
      ...{ kind: "dead", disables: false, note: "answered 500; given up after 20 tries" },
    });
    expect(judgeSend(endpoint({ giveUpAfter: "1s" }), { id: "m", tries: 1, firstAt: NOW }, answer(500), NOW).kind).toBe(
      "dead",
    );
  });
});

describe("a bad endpoint is refused", () => {
  const bad: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ name: "a b" }, /name/],
    [{ name: undefined }, /name/],
    [{ url: "nowhere" }, /https: URL/],
    [{ url: "http://example.com" }, /https: URL/],
    [{ url: "ftp://example.com", allowPrivate: true }, /http: or https:/],
    [{ url: "https://me:pw@example.com" }, /without a user/],
    [{ url: "https://localhost/x" }, /allowPrivate/],
    [{ url: "https://127.1/x" }, /allowPrivate/],
    [{ url: "https://0x7f000001/x" }, /allowPrivate/],
    [{ url: "https://[::1]/x" }, /allowPrivate/],
    [{ url: "https://[::ffff:10.0.0.1]/x" }, /allowPrivate/],
    [{ url: "https://db.internal/x" }, /allowPrivate/],
    [{ secrets: [] }, /secrets/],
    [{ secrets: ["short"] }, /secrets/],
    [{ secrets: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }, /secrets/],
    [{ events: [] }, /events/],
    [{ events: ["run.done"] }, /run\.completed/],
    [{ filter: "x" }, /filter/],
    [{ headers: { "webhook-id": "x" } }, /headers/],
    [{ headers: { Host: "x" } }, /headers/],
    [{ headers: { "x-a": "1\r\nx-b: 2" } }, /headers/],
    [{ headers: { "x a": "1" } }, /headers/],
    [{ timeout: "1h" }, /timeout/],
    [{ timeout: 0 }, /timeout/],
    [{ giveUpAfter: "1000d" }, /giveUpAfter/],
    [{ giveUpAfter: "soon" }, /duration/],
  ];
  for (const [more, says] of bad) {
    it(JSON.stringify(more), () => {
      const make = () => notify({ ...OPTIONS, ...more } as NotifyOptions);
      expect(make).toThrow(says);
      expect(make).toThrow(expect.objectContaining({ code: expect.stringMatching(/^(ENDPOINT|DURATION)_INVALID$/) }));
    });
  }

  it("and what is wrong with a secret or a password is not shown", () => {
    for (const more of [{ secrets: ["hunter2"] }, { url: "https://me:hunter2@example.com" }]) {
      expect(() => notify({ ...OPTIONS, ...more })).toThrow(expect.not.objectContaining({ message: /hunter2/ }));
    }
  });
});

describe("an address", () => {
  const privates = [
    ...["0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255"],
    ...["192.168.1.1", "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"],
    ...[
      "::",
      "::1",
      "fc00::1",
      "fd12:3456::1",
      "fe80::1",
      "fe80::1%eth0",
      "ff02::1",
      "::ffff:127.0.0.1",
      "::ffff:a00:1",
    ],
    ...["64:ff9b::10.0.0.1", "2002:7f00:1::", "2002:c0a8:101::1"],
  ];
  const open = [
    ...[
      "1.1.1.1",
      "8.8.8.8",
      "100.63.255.255",
      "100.128.0.1",
      "172.15.0.1",
      "172.32.0.1",
      "192.167.0.1",
      "223.255.255.255",
    ],
    ...["2606:4700::1111", "2001:4860:4860::8888", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2002:808:808::1"],
  ];
  it("of this machine or a private network is private", () =>
    expect(privates.filter((address) => !isPrivateAddress(address))).toEqual([]));
  it("out in the world is not", () => expect(open.filter((address) => isPrivateAddress(address))).toEqual([]));
  it("that is none, is not", () => {
    for (const text of ["example.com", "", "1.2.3", "1.2.3.256", ":::", "1::2::3", "12345"]) {
      expect(isPrivateAddress(text), text).toBe(false);
    }
  });
  it("may be a name that means this machine or network", () => {
    for (const host of ["localhost", "LOCALHOST.", "a.localhost", "printer.local", "db.internal", "[::1]"]) {
      expect(isPrivateHost(host), host).toBe(true);
    }
    for (const host of ["example.com", "localhost.example.com", "internal.example.com"]) {
      expect(isPrivateHost(host), host).toBe(false);
    }
  });
});
