import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { OperatingError } from "@atlasnet/core";
import { PageServer } from "./page-server.ts";

const INFO = { port: 2555, secure: false, worlds: ["game"] };

async function pageDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-pages-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await writeFile(
    join(dir, "index.html"),
    '<html><head></head><script type="module" src="/main.ts"></script></html>',
  );
  await writeFile(join(dir, "main.ts"), 'const word: string = "first"; document.title = word;');
  await writeFile(join(dir, ".env"), "SECRET=1");
  return dir;
}

async function started(t: TestContext, dir: string) {
  const builds: (readonly string[])[] = [];
  const server = new PageServer(
    { dir, workingDir: dir, host: "127.0.0.1", port: 0 },
    { onBuild: (errors) => builds.push(errors), info: () => INFO },
  );
  t.after(() => server.stop());
  const { port } = await server.start();
  return { server, builds, port };
}

/** One request, its path sent as it is: `fetch` would tidy `..` away. */
function get(port: number, path: string): Promise<{ status: number; type: string; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers["content-type"] ?? "",
          body,
        }),
      );
    });
    sent.once("error", reject);
    sent.end();
  });
}

/** Events of an open page, one `next` at a time. */
async function listen(t: TestContext, port: number) {
  const controller = new AbortController();
  t.after(() => controller.abort());
  const response = await fetch(`http://127.0.0.1:${port}/__atlasnet/events`, {
    signal: controller.signal,
  });
  assert.ok(response.body !== null);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return async (): Promise<{ event: string; data: unknown }> => {
    for (;;) {
      const [, event, data, rest] = /^event: (\w+)\ndata: ([^\n]*)\n\n(.*)$/s.exec(text) ?? [];
      if (event !== undefined && data !== undefined) {
        text = rest ?? "";
        return { event, data: JSON.parse(data) };
      }
      const end = text.indexOf("\n\n");
      const { value, done } = end >= 0 ? { value: "", done: false } : await reader.read();
      assert.ok(!done, "the server ended the events");
      text += value;
    }
  };
}

test("a page is served from its sources, its scripts bundled, with the overlay in it", async (t) => {
  const { port, builds } = await started(t, await pageDir(t));
  assert.deepEqual(builds, [[]]);
  const page = await get(port, "/");
  assert.equal(page.status, 200);
  assert.match(page.type, /^text\/html/);
  assert.match(page.body, /^<html><head><script>.*__atlasnet\/events.*src="\/main\.js"/s);
  const script = await get(port, "/main.js");
  assert.match(script.type, /^text\/javascript/);
  assert.match(script.body, /"first"/);
  assert.deepEqual(JSON.parse((await get(port, "/atlasnet.json")).body), INFO);
});

test("sources, hidden files and what lies elsewhere are not served", async (t) => {
  const { port } = await started(t, await pageDir(t));
  for (const path of ["/main.ts", "/.env", "/%2eenv", "/../../etc/passwd", "/%2e%2e/x", "/none.js"])
    assert.equal((await get(port, path)).status, 404, path);
  for (const path of ["/%00", "/%zz", "/a%5C..%5Cb"])
    assert.equal((await get(port, path)).status, 400, path);
});

test("open pages hear of problems and of changes", async (t) => {
  const dir = await pageDir(t);
  const { port, server } = await started(t, dir);
  const next = await listen(t, port);
  assert.deepEqual(await next(), { event: "problem", data: "" });
  server.showWorldProblem("world.ts:1: no");
  assert.deepEqual(await next(), { event: "problem", data: "world.ts:1: no" });
  server.showWorldProblem("");
  assert.deepEqual(await next(), { event: "problem", data: "" });
  await writeFile(join(dir, "main.ts"), "const = 1;");
  const problem = await next();
  assert.equal(problem.event, "problem");
  assert.match(String(problem.data), /main\.ts:1:7: /);
  await writeFile(join(dir, "main.ts"), 'document.title = "second";');
  assert.equal((await next()).event, "reload");
  assert.match((await get(port, "/main.js")).body, /"second"/);
});

test("a port in use and a folder without a page are errors that say what to do", async (t) => {
  const dir = await pageDir(t);
  const { port } = await started(t, dir);
  const dependencies = { onBuild: () => undefined, info: () => INFO };
  const options = { workingDir: dir, host: "127.0.0.1", port };
  const second = new PageServer({ ...options, dir }, dependencies);
  t.after(() => second.stop());
  await assert.rejects(second.start(), (error: unknown) => {
    assert.ok(error instanceof OperatingError);
    assert.match(error.hint ?? "", /another http\.port/);
    return true;
  });
  const none = new PageServer({ ...options, dir: "none" }, dependencies);
  await assert.rejects(none.start(), /cannot be read/);
  await none.stop();
});
